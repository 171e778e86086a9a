//! Markdown as web faces show it: whoever writes a runbook, or an alert that ends up in one, gets text and no markup.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Prose;

/// Where links may lead.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];
/// What Markdown makes; nothing else leaves here.
const TAGS: [&str; 29] = [
    "a",
    "blockquote",
    "br",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "input",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
];

/// Markdown with its HTML.
pub(super) fn prose(text: &str) -> Prose {
    Prose { text: text.to_owned(), html: html(text) }
}

/// Sanitised HTML. Markup in the text is shown as text, an image as its description.
pub(super) fn html(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(text, options).filter_map(|event| match event {
        Event::Html(markup) | Event::InlineHtml(markup) => Some(Event::Text(markup)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        event @ (Event::Start(_)
        | Event::End(_)
        | Event::Text(_)
        | Event::Code(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::Rule
        | Event::TaskListMarker(_)) => Some(event),
    });
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events);
    SANITISER.clean(&html).to_string()
}

/// The second line of defence, in case the first one has a hole.
static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::new();
    builder
        .tags(HashSet::from(TAGS).into_iter().chain(["tr", "ul"]).collect())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "title"])),
            ("input", HashSet::from(["type", "disabled", "checked"])),
            ("ol", HashSet::from(["start"])),
        ]))
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(SCHEMES))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn what_markdown_means_is_kept() {
        let text = "# One\n\n- a\n- `b`\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n[link](https://example.com/a)";
        let made = html(text);
        for part in ["<h1>One</h1>", "<li>a</li>", "<code>b</code>", "<td>1</td>", "href=\"https://example.com/a\""] {
            assert!(made.contains(part), "{part} is missing in {made}");
        }
    }

    #[test]
    fn markup_in_the_text_stays_text() {
        for text in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "a <b onclick=\"x()\">b</b>",
            "<iframe src=\"https://example.com\"></iframe>",
            "<style>* { display: none }</style>",
            "<svg/onload=alert(1)>",
        ] {
            let made = html(text);
            assert!(!made.contains("<script") && !made.contains("<img") && !made.contains("<iframe"), "{made}");
            assert!(!made.contains("<b") && !made.contains("<style") && !made.contains("<svg"), "{made}");
            assert!(made.contains("&lt;"), "it is shown as text: {made}");
        }
    }

    #[test]
    fn links_lead_to_the_web_alone() {
        for address in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//host/x", "/x"]
        {
            let made = html(&format!("[text]({address})"));
            assert!(!made.contains("href"), "{address} became {made}");
            assert!(made.contains("text"), "its text is shown: {made}");
        }
    }

    #[test]
    fn an_image_is_its_description() {
        let made = html("![a graph](https://example.com/track.png)");
        assert!(made.contains("a graph") && !made.contains("track.png"), "{made}");
    }
}
