//! Prometheus rule files: which alerts there are.
//!
//! The format is that of Prometheus (`groups` of `rules`), also inside the `PrometheusRule` of the Prometheus operator
//! and in a Kubernetes list of those. Only what tells alerts apart is read; expressions stay text.

use crate::finding::{Finding, FindingLevel, Position};
use crate::format::yaml;
use crate::format::{Content, Node};
use crate::lint::rule::NOT_ALERT_RULES;

/// An alerting rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// The alert's name.
    pub alert: String,
    /// The group it stands in.
    pub group: Option<String>,
    /// Its annotation `runbook_url`, templates unexpanded.
    pub runbook_url: Option<String>,
    /// Where it stands.
    pub position: Position,
}

/// Reads the alerting rules of a file in their order; recording rules are passed over.
///
/// # Errors
/// Findings with the place, when the text is no YAML, or holds no groups of rules.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<AlertRule>, Vec<Finding>> {
    let (root, findings) = yaml::read_node(file, bytes);
    if let Some(root) = root
        && !findings.iter().any(|finding| finding.severity == FindingLevel::Error)
    {
        let mut rules = Vec::new();
        return if of_document(&root, &mut rules) {
            Ok(rules)
        } else {
            let mut finding = NOT_ALERT_RULES.at(file, root.position, "the file holds no groups of Prometheus rules");
            finding.hint = Some("give a rule file with `groups`, or a `PrometheusRule`".to_owned());
            Err(vec![finding])
        };
    }
    Err(findings)
}

/// Whether a document is one of rules, which are added.
fn of_document(root: &Node, rules: &mut Vec<AlertRule>) -> bool {
    let kind = root.entry("kind").and_then(|entry| entry.value.text());
    if kind.is_some_and(|kind| kind.ends_with("List")) {
        let items = root.entry("items").map(|entry| items(&entry.value)).unwrap_or_default();
        let mut any = false;
        for item in items {
            any |= of_document(item, rules);
        }
        return any;
    }
    let spec = if kind == Some("PrometheusRule") { root.entry("spec").map(|entry| &entry.value) } else { Some(root) };
    let Some(groups) = spec.and_then(|spec| spec.entry("groups")) else { return false };
    for group in items(&groups.value) {
        let name = text(group, "name");
        for rule in group.entry("rules").map(|entry| items(&entry.value)).unwrap_or_default() {
            let Some(alert) = rule.entry("alert") else { continue };
            let Some(named) = alert.value.text() else { continue };
            rules.push(AlertRule {
                alert: named.to_owned(),
                group: name.clone(),
                runbook_url: rule.entry("annotations").and_then(|entry| text(&entry.value, "runbook_url")),
                position: alert.value.position,
            });
        }
    }
    true
}

fn items(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(items) => items,
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::Map(_) => &[],
    }
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.entry(key).and_then(|entry| entry.value.text()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const RULES: &str = "groups:
  - name: pods
    rules:
      - record: namespace:pods:count
        expr: count(kube_pod_info) by (namespace)
      - alert: KubePodCrashLooping
        expr: max_over_time(x[5m]) >= 1
        annotations:
          runbook_url: https://runbooks.example/kubepodcrashlooping
          description: 'Pod {{ $labels.pod }} restarts'
";

    #[test]
    fn alerts_are_read_with_their_place_and_recording_rules_are_passed_over() {
        let rules = read("rules.yaml", RULES.as_bytes()).unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].alert, "KubePodCrashLooping");
        assert_eq!(rules[0].group.as_deref(), Some("pods"));
        assert_eq!(rules[0].runbook_url.as_deref(), Some("https://runbooks.example/kubepodcrashlooping"));
        assert_eq!(rules[0].position.line, 6);
    }

    #[test]
    fn the_operators_objects_and_lists_of_them_are_read_too() {
        let indented = |by: &str| format!("{by}{}\n", RULES.trim_end().replace('\n', &format!("\n{by}")));
        let one = format!("apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n{}", indented("  "));
        assert_eq!(read("rule.yaml", one.as_bytes()).unwrap().len(), 1);
        let list = format!("kind: List\nitems:\n  - kind: PrometheusRule\n    spec:\n{}", indented("      "));
        assert_eq!(read("list.yaml", list.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn what_holds_no_rules_is_said_so_with_its_place() {
        let findings = read("x.yaml", b"kind: ConfigMap\n").unwrap_err();
        assert_eq!(findings[0].rule, "not-alert-rules");
        assert!(!read("x.yaml", b"groups: [\n").unwrap_err().is_empty());
        assert!(!read("x.yaml", b"\xff\xfe").unwrap_err().is_empty());
    }
}
