//! From the host functions of scripts to actions: `kubernetes.listPods({…})` is the action `kubernetes.list_pods`.

use serde_json::{Map, Value};

/// The global objects of a script whose methods are host functions. `log` and `console` are no acts and no part of it.
pub const HOST_OBJECTS: [&str; 5] = ["kubernetes", "cache", "metrics", "http", "database"];

/// The longest method name that is looked at.
const METHOD_LIMIT: usize = 64;

/// Functions whose action is not their own name in snake case.
const RENAMED: [(&str, &str); 2] = [
    ("kubernetes.getDeploymentHistory", "kubernetes.deployment_history"),
    ("kubernetes.getRolloutStatus", "kubernetes.rollout_status"),
];

/// The names of positional arguments, for functions that are called with plain values: `metrics.getCPU('checkout')`.
const POSITIONAL: [(&str, &[&str]); 15] = [
    ("cache.flush", &["pattern"]),
    ("http.healthcheck", &["url"]),
    ("kubernetes.cordon_node", &["nodeName"]),
    ("kubernetes.deployment_history", &["deployment"]),
    ("kubernetes.drain_node", &["nodeName"]),
    ("kubernetes.get_deployment", &["deployment"]),
    ("kubernetes.get_logs", &["podName"]),
    ("kubernetes.get_node", &["nodeName"]),
    ("kubernetes.get_pod", &["podName"]),
    ("kubernetes.restart_deployment", &["deployment"]),
    ("kubernetes.restart_pod", &["podName"]),
    ("kubernetes.rollback_deployment", &["deployment"]),
    ("kubernetes.scale_deployment", &["deployment", "replicas"]),
    ("metrics.get_cpu", &["service"]),
    ("metrics.get_memory", &["service"]),
];

/// Functions that a script takes a list or a number from: the field of the action's output that is its value.
const VALUES: [(&str, &str); 4] = [
    ("kubernetes.getDeploymentHistory", "revisions"),
    ("kubernetes.listPods", "pods"),
    ("metrics.getCPU", "percent"),
    ("metrics.getMemory", "percent"),
];

/// What a call is worth in a script: the action's output, or the list or the number in it where scripts expect one.
pub fn value_of(function: &str, mut output: Value) -> Value {
    let field = VALUES.iter().find(|(name, _)| *name == function).map(|(_, field)| *field);
    match field.and_then(|field| output.get_mut(field)) {
        Some(value @ (Value::Array(_) | Value::Number(_))) => value.take(),
        Some(_) | None => output,
    }
}

/// The action and its parameters that a call stands for, or `None` where it stands for none: an object that is not in
/// [`HOST_OBJECTS`], a method that is no plain name, or plain arguments that have no names.
///
/// `arguments` is the list of positional arguments. One object is the parameters themselves; plain values get the names
/// that the action knows; an object may follow them and adds the rest. Whether the action exists, and whether it takes
/// these parameters, is the registry's to say.
pub fn action_for(function: &str, arguments: &Value) -> Option<(String, Value)> {
    let (object, method) = function.split_once('.')?;
    let plain = method.len() <= METHOD_LIMIT
        && method.starts_with(|first: char| first.is_ascii_lowercase())
        && method.chars().all(|letter| letter.is_ascii_alphanumeric());
    if !plain || !HOST_OBJECTS.contains(&object) {
        return None;
    }
    let renamed = RENAMED.iter().find(|(name, _)| *name == function).map(|(_, action)| (*action).to_owned());
    let action = renamed.unwrap_or_else(|| format!("{object}.{}", snake_case(method)));
    let parameters = parameters(&action, arguments)?;
    Some((action, parameters))
}

fn parameters(action: &str, arguments: &Value) -> Option<Value> {
    let arguments = arguments.as_array()?.as_slice();
    let (mut parameters, plain) = match arguments.split_last() {
        Some((Value::Object(named), plain)) => (named.clone(), plain),
        Some(_) | None => (Map::new(), arguments),
    };
    let names = POSITIONAL.iter().find(|(name, _)| *name == action).map_or([].as_slice(), |(_, names)| names);
    if plain.len() > names.len() {
        return None;
    }
    for (name, value) in names.iter().zip(plain) {
        // A value given twice has no one meaning.
        if parameters.insert((*name).to_owned(), value.clone()).is_some() {
            return None;
        }
    }
    Some(Value::Object(parameters))
}

/// `getCPU` → `get_cpu`, `listPods` → `list_pods`, `getHTTPStatus` → `get_http_status`.
fn snake_case(method: &str) -> String {
    let mut name = String::with_capacity(method.len() + 4);
    let mut letters = method.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(letter) = letters.next() {
        let after_small = before.is_some_and(|before| !before.is_ascii_uppercase());
        let begins_word = letters.peek().is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && before.is_some() && (after_small || begins_word) {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
        before = Some(letter);
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("http.healthcheck", json!(["http://shop/health"]), "http.healthcheck", json!({"url": "http://shop/health"}))]
    #[case("http.healthcheck", json!([{"url": "http://shop"}]), "http.healthcheck", json!({"url": "http://shop"}))]
    #[case("kubernetes.listPods", json!([{"fieldSelector": "x"}]), "kubernetes.list_pods", json!({"fieldSelector": "x"}))]
    #[case("kubernetes.listPods", json!([]), "kubernetes.list_pods", json!({}))]
    #[case("kubernetes.scaleDeployment", json!([{"deployment": "a", "replicas": 3}]), "kubernetes.scale_deployment", json!({"deployment": "a", "replicas": 3}))]
    #[case("kubernetes.scaleDeployment", json!(["a", {"replicas": 3}]), "kubernetes.scale_deployment", json!({"deployment": "a", "replicas": 3}))]
    #[case("kubernetes.getDeploymentHistory", json!([{"limit": 1}]), "kubernetes.deployment_history", json!({"limit": 1}))]
    #[case("kubernetes.rollbackDeployment", json!([{}]), "kubernetes.rollback_deployment", json!({}))]
    #[case("cache.flush", json!([{"pattern": "session:*"}]), "cache.flush", json!({"pattern": "session:*"}))]
    #[case("metrics.getCPU", json!(["checkout"]), "metrics.get_cpu", json!({"service": "checkout"}))]
    #[case("http.getHTTPStatus2", json!([]), "http.get_http_status2", json!({}))]
    fn a_call_names_an_action_and_its_parameters(
        #[case] function: &str,
        #[case] arguments: Value,
        #[case] action: &str,
        #[case] parameters: Value,
    ) {
        assert_eq!(action_for(function, &arguments), Some((action.to_owned(), parameters)));
    }

    #[rstest]
    #[case("kubernetes.listPods", json!({"pods": [1, 2], "count": 2}), json!([1, 2]))]
    #[case("kubernetes.getDeploymentHistory", json!({"revisions": []}), json!([]))]
    #[case("metrics.getCPU", json!({"percent": 81.5, "at": "x"}), json!(81.5))]
    #[case::a_mock_without_it("kubernetes.listPods", json!({"count": 2}), json!({"count": 2}))]
    #[case("kubernetes.getNode", json!({"pods": [1]}), json!({"pods": [1]}))]
    fn a_list_is_a_list_in_a_script(#[case] function: &str, #[case] output: Value, #[case] value: Value) {
        assert_eq!(value_of(function, output), value);
    }

    #[rstest]
    #[case::no_such_object("command.run", json!([{}]))]
    #[case::a_script_in_a_script("script.execute", json!([{}]))]
    #[case::no_method("kubernetes", json!([]))]
    #[case::a_nested_method("kubernetes.apps.list", json!([]))]
    #[case::an_odd_name("kubernetes.list pods", json!([]))]
    #[case::not_a_method_name("kubernetes.ListPods", json!([]))]
    #[case::the_log("log", json!(["x"]))]
    #[case::a_plain_value_without_a_name("kubernetes.listPods", json!(["x"]))]
    #[case::too_many_values("metrics.getCPU", json!(["a", "b"]))]
    #[case::a_value_given_twice("metrics.getCPU", json!(["a", {"service": "b"}]))]
    #[case::arguments_that_are_no_list("metrics.getCPU", json!({"service": "a"}))]
    fn a_call_that_stands_for_no_action_has_none(#[case] function: &str, #[case] arguments: Value) {
        assert_eq!(action_for(function, &arguments), None);
    }
}
