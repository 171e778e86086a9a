//! Findings as text, JSON and SARIF.

use belay_runbook::report;

use crate::catalog::findings;
use crate::samples::with_steps;

fn sample() -> Vec<belay_runbook::finding::Finding> {
    findings(&with_steps("- name: a\n  retrys: 2\n  title: Do it\n  next: b\n"))
}

#[test]
fn text_has_a_line_per_finding_hints_and_a_count() {
    assert_eq!(
        report::text(&sample()),
        "sample.yaml:12:5: error[unknown-field]: unknown field `retrys`\n  hint: did you mean `retries`?\nsample.yaml:14:11: error[dangling-step]: there is no step `b`\n2 errors, 0 warnings\n"
    );
    assert_eq!(report::text(&[]), "");
}

#[test]
fn json_has_an_object_per_finding() {
    let value: serde_json::Value = serde_json::from_str(&report::json(&sample())).unwrap();
    assert_eq!(
        value[0],
        serde_json::json!({
            "file": "sample.yaml", "line": 12, "column": 5, "rule": "unknown-field", "severity": "error",
            "message": "unknown field `retrys`", "hint": "did you mean `retries`?"
        })
    );
}

#[test]
fn sarif_points_at_rules_and_places() {
    let mut findings = sample();
    findings[0].file = "books/a b.yaml".to_owned();
    let value: serde_json::Value = serde_json::from_str(&report::sarif(&findings)).unwrap();
    assert_eq!(value["version"], "2.1.0");
    let run = &value["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "unknown-field");
    assert_eq!(result["level"], "error");
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "books/a%20b.yaml");
    assert_eq!(location["region"]["startLine"], 12);
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    let rule = &run["tool"]["driver"]["rules"][index];
    assert_eq!(rule["id"], "unknown-field");
    assert!(rule["help"]["text"].as_str().unwrap().len() > 20);
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 2, "only rules that occur");
}
