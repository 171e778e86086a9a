//! The Markdown that people read.

use belay_runbook::format::{parse, to_markdown};
use belay_runbook::model::Runbook;

use crate::samples::{FULL, with_spec};

fn runbook(text: &str) -> Runbook {
    let parsed = parse("sample.yaml", text.as_bytes());
    assert_eq!(parsed.findings, []);
    parsed.runbook.unwrap()
}

#[test]
fn a_runbook_with_every_field_reads_well() {
    insta::assert_snapshot!(to_markdown(&runbook(FULL)));
}

#[test]
fn text_cannot_break_out_of_its_place() {
    let text = with_spec(
        "author: \"a | b\\n# Not a heading\"\nsteps:\n- name: a\n  title: \"*bold* <script>\"\n  commands:\n  - |\n    echo ```\n    echo done\n",
    );
    let markdown = to_markdown(&runbook(&text));
    assert!(markdown.contains("| Author | a \\| b \\# Not a heading |"), "{markdown}");
    assert!(markdown.contains("### Step 1: \\*bold\\* \\<script>"), "{markdown}");
    assert!(markdown.contains("````bash\necho ```\necho done\n````\n"), "{markdown}");
}
