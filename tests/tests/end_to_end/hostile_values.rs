//! A value is data, always: whatever it holds arrives as it is, or is refused before anything runs.

use std::fmt::Write as _;

use belay_testkit::world::Phase;
use serde_json::json;

use super::support::desk::{Desk, Ran};
use super::support::runbooks::runbook;
use super::support::server::Server;

/// Values that do something where somebody takes them for code. `CANARY` becomes a file that nothing may touch.
fn corpus(canary: &str) -> Vec<String> {
    let mut values: Vec<String> = [
        "'",
        "\"",
        "it's",
        "'; touch CANARY; '",
        "\"; touch CANARY; \"",
        "$(touch CANARY)",
        "\"$(touch CANARY)\"",
        "'$(touch CANARY)'",
        "`touch CANARY`",
        "${IFS}touch${IFS}CANARY",
        "a\ntouch CANARY\n",
        "a\r\ntouch CANARY",
        "; touch CANARY #",
        "| touch CANARY",
        "&& touch CANARY",
        "> CANARY",
        "{{ .Vars.value }}",
        "{{",
        "}}",
        "{value}",
        "{dir}",
        "${value}",
        "%0atouch CANARY",
        "%s%n%x",
        "\\",
        "\\'; touch CANARY; \\'",
        "*",
        "~",
        "!!",
        "a\tb",
        "Grüße, 世界 🧗 \u{202e}gnp.exe",
        "\u{1b}[31mred",
        "</script><script>",
        "`${1}`",
        "\"+process.exit()+\"",
        " leading and trailing ",
    ]
    .map(|value| value.replace("CANARY", canary))
    .into();
    values.push("x".repeat(20_000));
    values
}

/// The same values in every place at once; every position of quoting in a shell.
const SPEAKING: &str = r#"    - name: word
      commands:
        - [belay-world, --dir, "{dir}", say, --, "{value}"]
      rollback: { irreversible: it only speaks }
    - name: line
      commands:
        - belay-world --dir {dir} say -- {value}
      rollback: { irreversible: it only speaks }
    - name: shell
      commands:
        - script: |
            belay-world --dir {dir} say -- {value} "{value}" "<{value}>"
      rollback: { irreversible: it only speaks }
    - name: flow
      commands:
        - script: |
            tell() { belay-world --dir "$1" say -- "$2"; }
            VALUE={value}
            tell {dir} "$VALUE"
            sh -c 'belay-world --dir "$1" say -- "$2"' _ {dir} {value}
            for each in {value}; do belay-world --dir {dir} say -- "$each"; done
            set -- {value}
            belay-world --dir {dir} say -- "<$1>"
      rollback: { irreversible: it only speaks }
    - name: script
      action: script.execute
      parameters:
        variables: { given: "{{ .Vars.value }}" }
        script: |
          context.same = variables.given;
    - name: tell
      type: notification
      action: notification.send
      parameters:
        message: "said: {{ .Vars.value }}"
"#;

fn said(desk: &Desk) -> Vec<String> {
    let lines = desk.world.lines().unwrap();
    lines.into_iter().filter(|line| line.phase == Phase::Begin).flat_map(|line| line.arguments).collect()
}

/// What has to hold whether the value was taken or refused.
#[track_caller]
fn judge(desk: &Desk, value: &str, ran: &Ran) -> bool {
    assert!(!desk.folder.path().join("canary").exists(), "{value:?} was executed: {ran:?}");
    assert!(matches!(ran.code, Some(0..=4)), "{value:?} is no trouble of ours: {ran:?}");
    for word in said(desk) {
        assert!(word == value || word == format!("<{value}>"), "{value:?} arrived as {word:?}");
    }
    ran.code == Some(0)
}

fn declare(text: &str) -> String {
    text.replace("  rollbackOnFailure: true\n", "    value: { type: string, description: Anything, default: none }\n")
}

#[test]
fn a_hostile_value_of_a_variable_arrives_as_it_is_everywhere() {
    let mut taken = 0;
    let desk = Desk::new();
    let canary = desk.folder.path().join("canary").display().to_string();
    let file = desk.file("speak.yaml", &declare(&runbook("speak", SPEAKING))).display().to_string();
    let dir = format!("dir={}", desk.world_folder.display());
    for value in corpus(&canary) {
        std::fs::remove_file(desk.world.log_file()).unwrap_or_default();
        let given = format!("value={value}");
        let ran = desk.belay(["run", &file, "--no-input", "--json", "--var", &dir, "--var", &given]);
        let good = judge(&desk, &value, &ran);
        assert!(good, "a value that no encoding has to fear is taken: {value:?}: {ran:?}");
        assert_eq!(said(&desk).len(), 9, "every place says it once: {value:?}");
        let message = format!("said: {}", value.trim_end());
        let told = ran.json_lines().iter().any(|line| {
            line["event"] == "notice" && line["text"].as_str().is_some_and(|text| text.contains(message.trim()))
        });
        assert!(told || value.contains(['\u{1b}', '\n', '\r', '\t', '\u{202e}']), "{value:?} is told: {ran:?}");
        taken += 1;
    }
    assert!(taken > 30);
}

#[test]
fn a_hostile_label_of_an_alert_is_data_or_refused() {
    let desk = Desk::new();
    let canary = desk.folder.path().join("canary").display().to_string();
    let steps = SPEAKING.replace("{value}", "{{ .Alert.Labels.pod }}").replace(".Vars.value", ".Alert.Labels.pod");
    let file = desk.file("speak.yaml", &runbook("speak", &steps)).display().to_string();
    let dir = format!("dir={}", desk.world_folder.display());
    let mut values = corpus(&canary);
    values.extend(["-rf".to_owned(), "--dir=/".to_owned()]);
    for value in values {
        std::fs::remove_file(desk.world.log_file()).unwrap_or_default();
        let alert = json!({ "status": "firing", "labels": { "alertname": "Loud", "pod": value }, "annotations": {} });
        let alert = desk.file("alert.json", &alert.to_string()).display().to_string();
        let ran = desk.belay(["run", &file, "--no-input", "--json", "--var", &dir, "--alert", &alert]);
        judge(&desk, &value, &ran);
    }
}

#[test]
fn a_hostile_value_stays_one_part_of_a_url() {
    let desk = Desk::new();
    let server = Server::start();
    let canary = desk.folder.path().join("canary").display().to_string();
    let steps = "    - name: ask
      type: verification
      action: http.healthcheck
      parameters:
        url: \"http://127.0.0.1:{{ .Vars.port }}/part/{{ .Vars.value }}/end?q={{ .Vars.value }}\"
      timeout: 5s
      validation: { postCondition: { healthy: true } }
";
    // One look is enough: a verification looks until it holds twice.
    let steps = steps.replace("type: verification", "type: automated");
    let file = desk.file("url.yaml", &declare(&runbook("url", &steps))).display().to_string();
    let dir = format!("dir={}", desk.world_folder.display());
    let port = format!("port={}", server.port);
    let mut long = String::new();
    write!(long, "{}", "y".repeat(3000)).unwrap();
    for value in corpus(&canary).into_iter().filter(|value| value.len() < 4000).chain([
        "../../admin".to_owned(),
        "a/b?c=d&e#f".to_owned(),
        "@evil.example".to_owned(),
        long,
    ]) {
        let given = format!("value={value}");
        let before = server.requests().len();
        let ran = desk.belay(["run", &file, "--no-input", "--json", "--var", &dir, "--var", &port, "--var", &given]);
        judge(&desk, &value, &ran);
        for request in &server.requests()[before..] {
            let path = request.split(' ').nth(1).unwrap();
            assert_eq!(request.split(' ').count(), 3, "{value:?} makes one request line: {request}");
            assert!(path.starts_with("/part/"), "{value:?} leaves the beginning alone: {request}");
            let (path, query) = path.split_once('?').unwrap_or_else(|| panic!("{value:?} keeps the query: {request}"));
            assert_eq!(path.matches('/').count(), 3, "{value:?} is one part: {request}");
            assert!(query.starts_with("q=") && !query.contains('&'), "{value:?} is one value: {request}");
        }
    }
}

/// Scripts in which a value could become code, by how.
fn code() -> Vec<String> {
    let text = include_str!("../../../crates/runbook/tests/commands/code.json");
    let groups: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap();
    groups.into_values().flatten().collect()
}

#[test]
fn a_runbook_in_which_a_label_could_become_code_is_found_and_never_runs() {
    let desk = Desk::new();
    let canary = desk.folder.path().join("canary").display().to_string();
    let cases = code();
    let mut steps = String::new();
    for (number, line) in cases.iter().enumerate() {
        let script = line.replace("{x}", "{{ .Alert.Labels.pod }}");
        writeln!(steps, "    - name: case-{number}\n      commands:\n        - script: {}", json!(script)).unwrap();
        writeln!(steps, "      rollback: {{ irreversible: it must not run }}").unwrap();
    }
    let file = desk.file("code.yaml", &runbook("code", &steps)).display().to_string();
    let ran = desk.belay(["validate", &file, "--json"]);
    let text = ran.stdout.clone();
    assert_ne!(ran.code, Some(0), "it is an error: {text}");
    let found: Vec<serde_json::Value> = serde_json::from_str::<serde_json::Value>(&text)
        .map(|found| found.as_array().cloned().unwrap_or_default())
        .unwrap_or_default();
    let unsafe_values = found.iter().filter(|finding| finding["rule"] == "unsafe-value").count();
    assert!(unsafe_values >= cases.len(), "every one of {} is found: {unsafe_values}: {text}", cases.len());
    let alert = json!({ "status": "firing", "annotations": {},
        "labels": { "alertname": "Loud", "pod": format!("touch {canary}") } });
    let alert = desk.file("alert.json", &alert.to_string()).display().to_string();
    let dir = format!("dir={}", desk.world_folder.display());
    let ran = desk.belay(["run", &file, "--no-input", "--json", "--var", &dir, "--alert", &alert]);
    assert_ne!(ran.code, Some(0), "it does not run: {ran:?}");
    assert!(!desk.folder.path().join("canary").exists(), "nothing was executed");
}
