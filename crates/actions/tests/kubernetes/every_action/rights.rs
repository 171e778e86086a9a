//! A right that is missing, one after another: the error names it, nothing is changed, and the role that would allow it is
//! part of the one that the action declares.

use std::collections::BTreeSet;

use belay_runbook::action::{ActionCatalog as _, ActionSpec};
use belay_testkit::cluster::{Call, Matching};

use super::{Scenario, changed, scenarios, snapshot};
use crate::stage::Stage;

/// `VERB RESOURCE.GROUP` as access control has it.
fn right(call: &Call) -> String {
    let subresource = if call.subresource.is_empty() { String::new() } else { format!("/{}", call.subresource) };
    let group = if call.group.is_empty() { String::new() } else { format!(".{}", call.group) };
    format!("{} {}{subresource}{group}", call.verb, call.resource)
}

/// What the action needs while nothing is wrong.
async fn needed(scenario: &Scenario) -> BTreeSet<String> {
    let stage = scenario.stage().await;
    stage.run(scenario.action, scenario.parameters.clone()).await;
    stage.cluster.calls().iter().filter(|call| !call.resource.starts_with('/')).map(right).collect()
}

/// The rights that an action declares: `get pods`, `create pods/eviction`, `patch deployments.apps`.
fn declared(spec: &ActionSpec) -> BTreeSet<String> {
    spec.access.iter().cloned().collect()
}

async fn refused(stage: &Stage, scenario: &Scenario, right: &str) {
    let before = snapshot(stage);
    let outcome = stage.run(scenario.action, scenario.parameters.clone()).await;
    let Some(error) = outcome.error else {
        // It does without: the version of the server, the metrics of a node.
        return;
    };
    let (verb, resource) = right.split_once(' ').unwrap();
    let plural = resource.split(['.', '/']).next().unwrap();
    assert!(error.contains(plural), "{} without `{right}`: {error}", scenario.action);
    assert!(
        error.contains("would allow it") && (error.contains(&format!("\"{verb}\"")) || resource.contains("exec")),
        "{} without `{right}`: {error}",
        scenario.action
    );
    if outcome.ending == belay_runbook::act::Ending::NotStarted {
        assert_eq!(changed(stage, &before), "", "{} without `{right}`", scenario.action);
    }
}

#[tokio::test]
async fn each_right_that_is_missing_is_named_with_the_rule_that_would_give_it() {
    for scenario in scenarios() {
        for right in needed(&scenario).await {
            let stage = scenario.stage().await;
            stage.cluster.forbid_matching(Matching::from(right.as_str()));
            refused(&stage, &scenario, &right).await;
        }
    }
}

#[tokio::test]
async fn what_an_action_asks_for_is_what_it_declares() {
    let mut undeclared = Vec::new();
    for scenario in scenarios() {
        let stage = scenario.stage().await;
        let declared = declared(stage.registry.spec(scenario.action).unwrap());
        // Whoever may read no namespace is told clusters apart by their address.
        for right in needed(&scenario).await.into_iter().filter(|right| right != "get namespaces") {
            // A WebSocket is opened with GET and asks for `create`.
            let right = if right == "get pods/exec" { "create pods/exec".to_owned() } else { right };
            if !declared.contains(&right) {
                undeclared.push(format!("{}: {right}; it declares {declared:?}", scenario.action));
            }
        }
    }
    assert_eq!(undeclared, Vec::<String>::new());
}
