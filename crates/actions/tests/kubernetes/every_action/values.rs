//! Hostile values in each parameter in turn: they reach no other object than the one that is meant, and break nothing.

use belay_runbook::action::ActionCatalog as _;
use serde_json::{Value, json};

use super::{Scenario, changed, scenarios, snapshot};

/// What an alert may carry in a label.
const HOSTILE: [&str; 14] = [
    "../../../api/v1/namespaces/kube-system/secrets",
    "checkout/../../kube-system",
    "checkout?dryRun=All",
    "checkout#x",
    "checkout%2F..%2Fx",
    "-checkout",
    "--all",
    "checkout\nHost: elsewhere",
    "checkout\0",
    "",
    " ",
    "$(reboot)",
    "{{ .Config }}",
    "checkout,metadata.name!=x",
];

/// The parameters with one text replaced, for each text in them and each parameter that is left out.
fn variants(scenario: &Scenario, spec_properties: &Value, hostile: &str) -> Vec<Value> {
    let mut all = Vec::new();
    replace_each(&scenario.parameters, hostile, &mut |changed| all.push(changed));
    for (name, schema) in spec_properties.as_object().into_iter().flatten() {
        if schema["type"] == "string" && scenario.parameters.get(name).is_none() {
            let mut changed = scenario.parameters.clone();
            changed[name] = json!(hostile);
            all.push(changed);
        }
    }
    all
}

fn replace_each(value: &Value, hostile: &str, give: &mut dyn FnMut(Value)) {
    match value {
        Value::String(_) => give(json!(hostile)),
        Value::Object(members) => {
            for (name, member) in members {
                replace_each(member, hostile, &mut |changed| {
                    let mut whole = value.clone();
                    whole[name] = changed;
                    give(whole);
                });
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                replace_each(item, hostile, &mut |changed| {
                    let mut whole = value.clone();
                    whole[at] = changed;
                    give(whole);
                });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Values that are data and no names: whatever they are, they are written as they stand.
fn is_data(action: &str, parameters: &Value, original: &Value) -> bool {
    let data = match action {
        "kubernetes.exec" => "argv",
        "kubernetes.patch_deployment" => "patch",
        "kubernetes.update_configmap" => "data",
        "config.update" => "config",
        _ => return false,
    };
    parameters[data] != original[data]
}

#[tokio::test]
async fn hostile_values_reach_no_other_object() {
    let mut tried = 0;
    for scenario in scenarios() {
        let stage = scenario.stage().await;
        let spec = stage.registry.spec(scenario.action).unwrap().clone();
        let before = snapshot(&stage);
        for hostile in HOSTILE {
            for parameters in variants(&scenario, &spec.parameters["properties"], hostile) {
                if is_data(scenario.action, &parameters, &scenario.parameters) {
                    continue;
                }
                tried += 1;
                stage.cluster.forget_calls();
                let outcome = stage.run(scenario.action, parameters.clone()).await;
                let told = format!("{} of {parameters}: {outcome:?}", scenario.action);
                for call in stage.cluster.calls() {
                    let known = call.namespace.is_empty() || call.namespace == "shop";
                    let plain =
                        |name: &str| name.chars().all(|sign| sign.is_ascii_alphanumeric() || "-.".contains(sign));
                    assert!(known || plain(&call.namespace), "{call:?}: {told}");
                    assert!(plain(&call.name), "{call:?}: {told}");
                    assert!(!call.resource.starts_with('/') || call.resource.starts_with("/api"), "{call:?}: {told}");
                    assert!(!call.dry_run, "a value is no query: {call:?}: {told}");
                }
                assert!(stage.cluster.changes().is_empty(), "nothing is changed: {told}");
                assert_eq!(changed(&stage, &before), "", "{told}");
            }
        }
    }
    assert!(tried > 400, "{tried} values");
}
