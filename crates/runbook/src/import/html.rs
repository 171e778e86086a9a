//! Raw HTML in Markdown: kept as text that is shown, never as something that a browser would act on.

/// Tags that only arrange text; leaving them out loses nothing.
const ARRANGING: &[&str] = &[
    "details", "div", "span", "p", "section", "article", "center", "font", "small", "figure", "header", "footer",
    "nav", "main", "a",
];

/// Whether a browser would run or load something for it.
pub(super) fn is_active(html: &str) -> bool {
    let lower = html.to_ascii_lowercase();
    let tags = ["<script", "<iframe", "<object", "<embed", "<form", "<svg", "<link", "<meta", "<base", "<style"];
    let handler = lower.match_indices(" on").any(|(at, _)| {
        let rest = lower.get(at + 3..).unwrap_or_default();
        let name = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        name.len() < rest.len() && name.trim_start().starts_with('=')
    });
    tags.iter().any(|tag| lower.contains(tag)) || lower.contains("javascript:") || (handler && lower.contains('<'))
}

/// A block of HTML as Markdown: its text where the tags only arrange it, else the whole as shown code.
pub(super) fn block(html: &str) -> String {
    let simple = tags(html).is_some_and(|tags| tags.iter().all(|tag| is_plain(tag)));
    if simple && !is_active(html) {
        let text = replaced(html);
        // The blank lines that divided tags from text divide nothing any more.
        return text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned();
    }
    super::markdown::fence("html", html)
}

/// HTML within a line, as Markdown.
pub(super) fn inline(html: &str) -> String {
    if tags(html).is_some_and(|tags| tags.iter().all(|tag| is_plain(tag))) && !is_active(html) {
        replaced(html)
    } else {
        html.replace('<', "\\<")
    }
}

/// The tags in a text, each from `<` to `>`; nothing where it is more than tags and text.
fn tags(html: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let tag = rest.get(start..)?;
        let end = tag.find('>')?;
        tags.push(tag.get(..=end)?);
        rest = tag.get(end + 1..)?;
    }
    Some(tags)
}

fn name(tag: &str) -> String {
    let inside = tag.trim_start_matches(['<', '/']);
    inside.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Whether a tag has an equal in Markdown, or none is needed. One with attributes says more than that.
fn is_plain(tag: &str) -> bool {
    let name = name(tag);
    let bare = tag.trim_start_matches(['<', '/']).trim_end_matches(['>', '/', ' ']).len() == name.len();
    let known = ARRANGING.contains(&name.as_str())
        || matches!(name.as_str(), "summary" | "b" | "strong" | "i" | "em" | "br" | "code" | "kbd" | "tt");
    bare && known
}

fn replaced(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let end = tag.find('>').map_or(tag.len(), |end| end + 1);
        let (tag, after) = tag.split_at(end);
        text.push_str(match name(tag).as_str() {
            "summary" | "b" | "strong" => "**",
            "i" | "em" => "*",
            "code" | "kbd" | "tt" => "`",
            "br" => "\\\n",
            _ => "",
        });
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_arrange_text_leave_the_text() {
        assert_eq!(block("<details>\n<summary>Full context</summary>\n"), "**Full context**");
        assert_eq!(inline("</b>"), "**");
    }

    #[test]
    fn what_a_browser_acts_on_is_shown() {
        let script = "<script>\nalert(1)\n\n# x\n</script>\n";
        assert!(is_active(script) && is_active("<img src=x onerror=alert(1)>") && !is_active("<p>once = 1</p>"));
        assert_eq!(block(script), format!("```html\n{}\n```", script.trim_end()));
        assert_eq!(inline("<img src=x onerror=alert(1)>"), "\\<img src=x onerror=alert(1)>");
    }
}
