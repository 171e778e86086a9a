//! `belay catalog check`: what of the catalog is rotten.

use serde_json::Value;

use super::support::desk::Desk;

const ROTTEN: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: {name: rotten}
spec:
  name: A runbook that was forgotten
  description: It restarts what nobody runs any more
  id: RB-TEAM-001
  reviewDate: 2020-01-01
  trigger: {alert: ServiceGone}
  relatedRunbooks: [RB-NO-SUCH]
  references: ['LINK']
  steps:
    - name: look
      type: verification
      commands: [no-such-program-anywhere --all]
      successCriteria: it answers
";

const RULES: &str = "groups:
  - name: services
    rules:
      - alert: ServiceDown
        expr: up == 0
      - alert: KubePodCrashLooping
        expr: vector(1)
";

fn rules_of(report: &Value, file: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["file"].as_str().unwrap().ends_with(file))
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_kind_of_rot_is_found_in_its_place() {
    let desk = Desk::new();
    // A port that nobody listens on.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let team = desk.folder.path().join("team");
    std::fs::create_dir(&team).unwrap();
    std::fs::write(team.join("rotten.yaml"), ROTTEN.replace("LINK", &format!("http://{nowhere}/page"))).unwrap();
    std::fs::write(team.join("broken.yaml"), "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: [").unwrap();
    let rules = desk.file("rules.yaml", RULES).display().to_string();
    desk.belay(["catalog", "add", &team.display().to_string()]).exits(0);

    let offline = desk.belay(["catalog", "check", "--json", "--rules", &rules]).exits(1).json();
    let found = rules_of(&offline, "rotten.yaml");
    for rule in ["overdue-review", "never-run", "dangling-runbook", "unknown-program", "runbook-without-rule"] {
        assert!(found.iter().any(|one| one == rule), "{rule} in {found:?}");
    }
    assert_eq!(offline["links"], 0, "no link is asked for unless somebody says so");
    assert!(!found.iter().any(|one| one == "dead-link"));
    assert!(!rules_of(&offline, "broken.yaml").is_empty(), "a broken file is a finding and hides nothing");
    assert_eq!(rules_of(&offline, "rules.yaml"), ["alert-without-runbook"], "the other alert has a bundled runbook");
    let unknown = offline["findings"].as_array().unwrap().iter().find(|one| one["rule"] == "unknown-program").unwrap();
    assert_eq!((unknown["line"].as_u64(), unknown["column"].as_u64()), (Some(15), Some(18)), "{unknown}");

    let online = desk.belay(["catalog", "check", "--json", "--own", "--links"]).exits(1).json();
    assert!(rules_of(&online, "rotten.yaml").iter().any(|one| one == "dead-link"), "{online:#}");
    assert_eq!(online["runbooks"].as_array().unwrap().len(), 1, "only the team's own");

    let sarif = desk.belay(["catalog", "check", "--own", "--format", "sarif"]).exits(1).json();
    let ids: Vec<&str> =
        sarif["runs"][0]["results"].as_array().unwrap().iter().map(|one| one["ruleId"].as_str().unwrap()).collect();
    assert!(ids.contains(&"unknown-program"), "{ids:?}");
    let told = desk.belay(["catalog", "check", "--own"]).exits(1).stdout;
    assert!(told.contains("A runbook that was forgotten") && told.contains("unknown-program"), "{told}");
}

#[test]
fn a_rule_file_that_holds_no_rules_is_said_so() {
    let desk = Desk::new();
    let file = desk.file("other.yaml", "kind: ConfigMap\n").display().to_string();
    let report = desk.belay(["catalog", "check", "--json", "--rules", &file]).exits(1).json();
    assert_eq!(rules_of(&report, "other.yaml"), ["not-alert-rules"]);
    desk.belay(["catalog", "check", "--rules", "/no/such/file.yaml"]).exits(2);
}
