//! Links: other runbooks are related, everything else is a reference.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::markdown::Document;
use super::naming::{runbook_name, title};

static SHORTCODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:\[([^\]]*)\]\()?\{\{[<%]\s*(?:rel)?ref\s+"?([^"\s>%]+)"?\s*[%>]\}\}"#)
        .expect("a constant pattern that a test uses")
});

/// What a text links to, in the order of the text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// `Text (address)`.
    pub(super) references: Vec<String>,
    /// `name (Text)`.
    pub(super) related: Vec<String>,
}

/// Collects the links of a document, each address once; one to the runbook itself says nothing.
pub(super) fn collect(document: &Document<'_>, body: &str, own_name: &str) -> Links {
    let mut links = Links::default();
    let mut seen = BTreeSet::new();
    let mut named = BTreeSet::new();
    let targets = document.links.iter().map(|link| (link.text.as_str(), link.url.as_str()));
    let shortcodes = SHORTCODE
        .captures_iter(body)
        .filter_map(|found| Some((found.get(1).map_or("", |text| text.as_str()), found.get(2)?.as_str())));
    for (text, url) in targets.chain(shortcodes) {
        if url.is_empty() || url.starts_with('#') || !seen.insert(url.to_owned()) {
            continue;
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match runbook(url) {
            Some(name) if name == own_name => {}
            Some(name) => {
                let short = title(&text);
                let related = if short.is_empty() { name } else { format!("{name} ({short})") };
                if named.insert(related.clone()) {
                    links.related.push(related);
                }
            }
            None if text.is_empty() || text == url || url == format!("mailto:{text}") => {
                links.references.push(url.to_owned());
            }
            None => links.references.push(format!("{text} ({url})")),
        }
    }
    links
}

/// The name of the runbook that an address within the same collection means.
fn runbook(url: &str) -> Option<String> {
    if url.contains("://") || url.starts_with("mailto:") || url.starts_with("//") {
        return None;
    }
    let path = url.split(['#', '?']).next()?.trim_end_matches('/');
    let file = path.rsplit('/').next()?;
    let stem = file.strip_suffix(".md").or_else(|| file.strip_suffix(".markdown"))?;
    let stem = if matches!(stem, "_index" | "index" | "README") { path.rsplit('/').nth(1)? } else { stem };
    runbook_name(stem)
}

#[cfg(test)]
mod tests {
    use super::super::markdown::parse;
    use super::*;

    #[test]
    fn links_to_files_are_related_runbooks_and_others_references() {
        let body = "See [the wiki](https://wiki/x), [again](https://wiki/x), <https://bare>, [disks](../node/DiskFull.md#a), \
                    [up](#top), ![graph](graph.png), [b][1] and [c]({{< ref \"./KubeB.md\" >}}).\n\n[1]: https://one\n";
        let found = collect(&parse(body, 0), body, "x");
        assert_eq!(
            found.references,
            ["the wiki (https://wiki/x)", "https://bare", "graph (graph.png)", "b (https://one)"]
        );
        assert_eq!(found.related, ["disk-full (disks)", "kube-b (c)"]);
    }
}
