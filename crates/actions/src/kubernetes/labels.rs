//! Label selectors: as the API takes them in a query, and what they select.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// The selector of an object in the form of a query: `app=checkout,tier in (web,api)`.
///
/// An empty selector selects everything, as the API has it for workloads.
pub(super) fn selector(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(label, value)| format!("{label}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| {
        let values = expression.values.as_deref().unwrap_or_default().join(",");
        match expression.operator.as_str() {
            "In" => format!("{} in ({values})", expression.key),
            "NotIn" => format!("{} notin ({values})", expression.key),
            "DoesNotExist" => format!("!{}", expression.key),
            _ => expression.key.clone(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

/// Whether a selector selects everything.
pub(super) fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}

/// Whether a selector selects an object with these labels.
pub(super) fn matches(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> bool {
    let found = |label: &str| labels.and_then(|labels| labels.get(label));
    let equal = selector.match_labels.iter().flatten().all(|(label, value)| found(label) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let (found, values) = (found(&expression.key), expression.values.as_deref().unwrap_or_default());
        match expression.operator.as_str() {
            "In" => found.is_some_and(|found| values.contains(found)),
            "NotIn" => found.is_none_or(|found| !values.contains(found)),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    });
    equal && expressions
}

/// The labels without any one of which an object is no longer selected.
pub(super) fn keys(selector: &LabelSelector) -> BTreeSet<String> {
    let needs = |operator: &str| matches!(operator, "In" | "Exists");
    let expressions = selector.match_expressions.iter().flatten().filter(|expression| needs(&expression.operator));
    let equal = selector.match_labels.iter().flatten().map(|(label, _)| label.clone());
    equal.chain(expressions.map(|expression| expression.key.clone())).collect()
}

/// Whether it is a label with its value, so that it stands for itself in a query.
///
/// Source: Kubernetes, "Labels and Selectors", "Syntax and character set".
pub(super) fn is_label(label: &str, value: &str) -> bool {
    let is_plain = |text: &str| {
        let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        text.len() <= 63
            && ends(text.chars().next())
            && ends(text.chars().next_back())
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
    };
    let (domain, name) = label.split_once('/').map_or((None, label), |(domain, name)| (Some(domain), name));
    domain.is_none_or(super::is_name) && is_plain(name) && (value.is_empty() || is_plain(value))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_written_as_a_query() {
        let given: LabelSelector = serde_json::from_value(json!({
            "matchLabels": {"app": "checkout"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["web", "api"]},
                {"key": "track", "operator": "NotIn", "values": ["canary"]},
                {"key": "blue", "operator": "DoesNotExist"},
                {"key": "team", "operator": "Exists"},
            ],
        }))
        .expect("a selector");
        assert_eq!(selector(&given), "app=checkout,tier in (web,api),track notin (canary),!blue,team");
    }

    #[rstest]
    #[case(json!({}), json!({}), true)]
    #[case(json!({"matchLabels": {"app": "web"}}), json!({"app": "web", "x": "y"}), true)]
    #[case(json!({"matchLabels": {"app": "web"}}), json!({"app": "api"}), false)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}), json!({"a": "2"}), true)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}), json!({}), false)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}), json!({}), true)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}), json!({"a": ""}), true)]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}), json!({"a": ""}), false)]
    fn a_selector_selects(#[case] given: serde_json::Value, #[case] labels: serde_json::Value, #[case] selected: bool) {
        let given: LabelSelector = serde_json::from_value(given).expect("a selector");
        let labels: BTreeMap<String, String> = serde_json::from_value(labels).expect("labels");
        assert_eq!(matches(&given, Some(&labels)), selected);
        // Without any one of its keys nothing is selected any more.
        for key in keys(&given) {
            let mut left = labels.clone();
            left.remove(&key);
            assert!(!matches(&given, Some(&left)));
        }
    }

    #[rstest]
    #[case("app", "web", true)]
    #[case("example.com/app", "", true)]
    #[case("app,tier", "web", false)]
    #[case("app", "web,tier=x", false)]
    #[case("app", "a b", false)]
    #[case("a/b/c", "x", false)]
    #[case("", "x", false)]
    fn a_label_stands_for_itself(#[case] label: &str, #[case] value: &str, #[case] is: bool) {
        assert_eq!(is_label(label, value), is);
    }
}
