//! Markdown runbooks become runbooks, and nothing of them is lost.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use belay_runbook::action::Effect;
use belay_runbook::finding::FindingLevel;
use belay_runbook::format::{parse, to_json, to_markdown, to_yaml};
use belay_runbook::import::{Import, import};
use belay_runbook::lint;
use belay_runbook::model::{CommandSpec, Does, Step};
use proptest::prelude::*;
use serde_json::Value;

use crate::catalog::actions;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn imported(text: &str) -> Import {
    import("sample.md", text.as_bytes()).unwrap()
}

/// Every word of letters and digits.
fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn texts(value: &Value, all: &mut String) {
    match value {
        Value::String(text) => {
            all.push('\n');
            all.push_str(text);
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        Value::Object(fields) => {
            for (key, value) in fields {
                all.push('\n');
                all.push_str(key);
                texts(value, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            all.push('\n');
            all.push_str(&value.to_string());
        }
    }
}

/// Words of the source that the runbook has nowhere. What follows a fence names a language and is no text, nor are
/// tags that only arrange it.
fn lost(source: &str, import: &Import) -> Vec<String> {
    let source = ["<details>", "</details>", "<summary>", "</summary>", "<br>", "<b>", "</b>"]
        .iter()
        .fold(source.to_owned(), |source, tag| source.replace(tag, " "));
    let text: String = source
        .lines()
        .map(|line| if line.contains("```") || line.contains("~~~") { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    let mut all = String::new();
    texts(&to_json(&import.runbook), &mut all);
    let kept = words(&all);
    words(&text).into_iter().filter(|word| !kept.contains(word) && word.parse::<u64>().is_err()).collect()
}

/// Errors of a validation of what was imported, as a file.
fn errors(import: &Import) -> Vec<String> {
    let yaml = to_yaml(&import.runbook);
    let parsed = parse("imported.yaml", yaml.as_bytes());
    assert_eq!(parsed.runbook.as_ref(), Some(&import.runbook), "it reads back as it was written\n{yaml}");
    let automations = BTreeSet::new();
    let surroundings = lint::Surroundings {
        actions: &actions(),
        automations: &automations,
        runbooks: None,
        today: "2026-01-01".parse().unwrap(),
    };
    let found = lint::validate("imported.yaml", yaml.as_bytes(), &surroundings);
    let errors = found.findings.iter().filter(|finding| finding.severity == FindingLevel::Error);
    errors.map(ToString::to_string).collect()
}

fn commands(step: &Step) -> Vec<String> {
    match &step.does {
        Does::Commands(commands) => commands
            .iter()
            .map(|command| match command {
                CommandSpec::Line(text) | CommandSpec::Script(text) => text.clone(),
                CommandSpec::Argv(argv) => argv.join(" "),
            })
            .collect(),
        Does::Nothing | Does::Action(_) | Does::Automation(_) => Vec::new(),
    }
}

#[test]
fn samples_become_these_runbooks() {
    let mut names: Vec<_> = fs::read_dir(samples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty(), "there are samples");
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = fs::read_to_string(&path).unwrap();
        let import = import(&name, source.as_bytes()).unwrap();
        assert_eq!(errors(&import), [""; 0], "{name}");
        assert_eq!(lost(&source, &import), [""; 0], "{name}");
        let mut report = String::new();
        for became in &import.report.became {
            writeln!(report, "{:4} {} → {}", became.line, became.what, became.into).unwrap();
        }
        for finding in &import.report.findings {
            writeln!(report, "{finding}").unwrap();
        }
        insta::assert_snapshot!(format!("import_{name}"), format!("{report}\n{}", to_yaml(&import.runbook)));
    }
}

#[test]
fn every_alert_runbook_of_the_collection_imports() {
    let path = "shared/corpora/prometheus-operator-runbooks/content";
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(path));
    let Some(root) = beside.into_iter().find(|path| path.is_dir()) else {
        eprintln!("skipped: {path} is nowhere beside the repository");
        return;
    };
    let mut open = vec![root];
    let mut count = 0;
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|extension| extension != "md") || name == "_index.md" {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let import = import(&path.to_string_lossy(), source.as_bytes()).unwrap();
            assert_eq!(errors(&import), [""; 0], "{name}");
            assert_eq!(lost(&source, &import), [""; 0], "{name}");
            assert_eq!(import.runbook.trigger.alerts.first().map(String::as_str), name.strip_suffix(".md"), "{name}");
            // Two of them are no more than a link.
            let link = ["PrometheusOutOfOrderTimestamps.md", "NodeRAIDDiskFailure.md"].contains(&name.as_str());
            assert_eq!(import.report.has_steps, !link, "{name}");
            assert!(!to_markdown(&import.runbook).is_empty());
            if let Ok(dir) = std::env::var("IMPORT_DUMP") {
                fs::write(format!("{dir}/{}.yaml", import.runbook.name), to_yaml(&import.runbook)).unwrap();
            }
            count += 1;
        }
    }
    assert_eq!(count, 108);
}

#[test]
fn looking_is_told_from_changing() {
    let import = imported(
        "# X\n\n## Diagnosis\n\nLook:\n\n```sh\nkubectl get pods | grep x\n```\n\n## Mitigation\n\n1. Restart `kubectl rollout restart deploy/x`\n\
         2. Or delete it:\n\n   ```sh\n   kubectl delete pod <pod>\n   ```\n",
    );
    let effects: Vec<_> = import.runbook.steps.iter().map(|step| step.effect).collect();
    assert_eq!(effects, [Some(Effect::Read), Some(Effect::Mutate), Some(Effect::Destructive)]);
    assert_eq!(commands(&import.runbook.steps[2]), ["kubectl delete pod {pod}"]);
}

#[test]
fn commands_that_no_value_is_safe_in_stay_text() {
    let blocks = [
        "ssh host \"kill <pid>\"",
        "cat <<EOF | kubectl apply -f -\nname: <name>\nEOF",
        "eval \"echo <x>\"",
        "bash -c 'kubectl delete pod <pod>'",
        "psql -c \"SELECT pg_cancel_backend(<pid>)\"",
        "docker ps --format '{{.Names}}'",
        "kubectl get nodes -o go-template='{{range .items}}{{end}}'",
        "echo 'open",
        "for i in 1 2; do echo $i",
    ];
    for block in blocks {
        let import = imported(&format!("# X\n\n## Steps\n\nDo it:\n\n```sh\n{block}\n```\n"));
        let step = &import.runbook.steps[0];
        assert_eq!(step.does, Does::Nothing, "{block}");
        assert!(step.description.as_ref().unwrap().contains(block), "{block} is shown: {step:?}");
        assert!(import.report.findings.iter().any(|finding| finding.rule == "kept-as-text"), "{block} is reported");
        assert!(import.runbook.inputs.is_empty(), "{block} declares nothing");
        assert_eq!(errors(&import), [""; 0], "{block}");
    }
    for block in ["for p in a b; do kubectl delete pod $p; done", "cat <<EOF >x\nplain\nEOF", "eval \"$(ssh-agent)\""] {
        let import = imported(&format!("# X\n\n## Steps\n\n```sh\n{block}\n```\n"));
        assert_eq!(commands(&import.runbook.steps[0]), [block], "it runs as written");
        assert_eq!(errors(&import), [""; 0], "{block}");
    }
}

#[test]
fn an_unclosed_block_does_not_swallow_the_headings_below_it() {
    let import = imported("# X\n\n## Diagnosis\n\n```shell\n$ kubectl get pods\n\n## Mitigation\n\nRestart it.\n");
    assert_eq!(import.runbook.steps.len(), 2, "{:?}", import.runbook.steps);
    assert_eq!(import.report.findings[0].rule, "unclosed-fence");
    assert_eq!(import.report.findings[0].position.line, 5);
}

#[test]
fn html_is_shown_and_never_active() {
    let import = imported("# X\n\n<script>alert(1)</script>\n\n## Steps\n\nClick <img src=x onerror=alert(1)> it.\n");
    let description = import.runbook.description.unwrap();
    assert!(description.starts_with("```html\n<script>"), "{description}");
    assert!(import.runbook.steps[0].description.as_ref().unwrap().contains("\\<img"));
    assert_eq!(import.report.findings.len(), 2);
}

#[test]
fn front_matter_that_cannot_be_read_says_where() {
    let wrong = |text: &str| import("x.md", text.as_bytes()).unwrap_err().to_string();
    let yaml = wrong("---\ntitle: [a\n---\n# X\n");
    assert!(yaml.starts_with("x.md:") && yaml.contains("is not YAML") && yaml.contains("hint: "), "{yaml}");
    assert!(wrong("+++\ntitle = \"a\n+++\n# X\n").starts_with("x.md:2:"), "TOML, too");
    assert!(wrong("---\ntitle: a\n\n# X\n").contains("has no closing"));
    assert!(import("x.md", b"---\n\nJust a rule\n\n---\n\n# X\n").is_ok(), "two rules are no front matter");
}

fn block() -> impl Strategy<Value = String> {
    let line = "[ -~]{0,60}";
    let language =
        prop_oneof![Just("sh"), Just("console"), Just(""), Just("promql"), Just("yaml"), Just("bash { name=a }")];
    prop_oneof![
        line.prop_map(|line| line.clone()),
        (
            1..5_usize,
            "(Meaning|Impact|Diagnosis|Mitigation|Steps|Rollback|Symptoms|References|Verification|[A-Za-z ]{1,20})"
        )
            .prop_map(|(level, title)| format!("{} {title}", "#".repeat(level))),
        (language, prop::collection::vec("[ -~]{0,40}", 1..5), any::<bool>()).prop_map(|(language, lines, closed)| {
            format!("```{language}\n{}\n{}", lines.join("\n"), if closed { "```" } else { "" })
        }),
        prop::collection::vec("[ -~]{0,40}", 1..4).prop_map(|items| {
            items.iter().map(|item| format!("- {item}\n  - nested `kubectl get {item}`")).collect::<Vec<_>>().join("\n")
        }),
        prop::collection::vec("[a-z <$`|]{0,30}", 1..4).prop_map(|items| {
            items
                .iter()
                .map(|item| format!("1. {item}\n\n   ```sh\n   ls {item}\n   ```"))
                .collect::<Vec<_>>()
                .join("\n")
        }),
        Just("| a | b |\n|---|---|\n| one | `two` |".to_owned()),
        Just("<details>\n<summary>More</summary>\n\ninside\n\n</details>".to_owned()),
        Just("<div onclick=\"x()\">y</div>".to_owned()),
        Just("[ref]: https://example.org/x \"T\"".to_owned()),
        Just("See [ref], [text](https://example.org) and ![image](a.png).".to_owned()),
        Just("> quoted\n> ```\n> code\n> ```".to_owned()),
        Just("    indented code".to_owned()),
        "\\PC{0,40}",
    ]
}

/// Letters and digits in a row that no mark of Markdown can be confused with.
fn markers(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("marker{index}x")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn anything_imports_or_says_why(blocks in prop::collection::vec(block(), 0..12)) {
        let text = format!("# Title\n\n{}", blocks.join("\n\n"));
        if let Ok(import) = import("sample.md", text.as_bytes()) {
            prop_assert_eq!(errors(&import), Vec::<String>::new(), "{}", text);
        }
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _import = import("sample.md", &bytes);
    }

    /// Words put anywhere where text may stand are found again.
    #[test]
    fn no_text_is_lost(blocks in prop::collection::vec(block(), 1..10)) {
        let markers = markers(blocks.len());
        let marked: Vec<String> = blocks
            .iter()
            .zip(&markers)
            .map(|(block, marker)| if block.ends_with(['`', '~', '|']) { format!("{block}\n\n{marker}") } else { format!("{block} {marker}") })
            .collect();
        let text = format!("# Title\n\n{}\n", marked.join("\n\n"));
        let Ok(import) = import("sample.md", text.as_bytes()) else { return Ok(()) };
        let mut all = String::new();
        texts(&to_json(&import.runbook), &mut all);
        for marker in &markers {
            // Markdown takes words after a fence for the name of a language.
            let after_fence = text.lines().any(|line| line.contains("```") && line.contains(marker.as_str()));
            prop_assert!(after_fence || all.contains(marker.as_str()), "{} of\n{}\nis not in\n{}", marker, text, all);
        }
    }
}

#[test]
fn the_example_of_the_documentation_is_what_comes_of_it() {
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/import.md")).unwrap();
    let between = |start: &str, end: &str| {
        let rest = docs.split_once(start).unwrap().1;
        rest.split_once(end).unwrap().0.to_owned()
    };
    let source = between("````\n", "\n````");
    let written = between("becomes\n\n```yaml\n", "\n```\n\nIn a run");
    let import = import("CheckoutSlow.md", source.as_bytes()).unwrap();
    assert_eq!(to_yaml(&import.runbook).trim_end(), written);
}
