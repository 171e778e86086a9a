//! Label selectors as the API takes them in a query.

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

#[cfg(test)]
mod tests {
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
}
