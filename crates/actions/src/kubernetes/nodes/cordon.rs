//! `kubernetes.cordon_node` and `kubernetes.uncordon_node`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, PolicyKind};
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::{Named, is_cordoned, of_node, uid};
use crate::declaration::{Declaration, boolean};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, record};

/// Keeps new pods off a node; undone by letting them on again, where it let them on before.
pub(super) struct Cordon;

/// Lets pods onto a node again; undone by keeping them off, where it kept them off before.
pub(super) struct Uncordon;

fn declare(declaration: Declaration) -> ActionSpec {
    declaration.mutates(true).captures_undo().kind(PolicyKind::NodeOperation).access("patch nodes").build()
}

#[async_trait]
impl ClusterAct for Cordon {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        declare(
            of_node("cordon_node", "Keep new pods off a node")
                .output("cordoned", boolean("whether the node is cordoned"))
                .output("changed", boolean("whether it was not before")),
        )
    }

    fn describe(parameters: &Named) -> String {
        format!("cordon node {}", parameters.node_name)
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        prepare(site, &parameters, &Self::declaration(), true).await
    }

    async fn run(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Outcome {
        run(site, &parameters, preparation, true).await
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Named,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        compare(site, &parameters, record, after).await
    }

    async fn undo(site: &Site<'_>, parameters: Named, record: &Value, _expected: Option<&Value>) -> Outcome {
        put_back(site, &parameters, record).await
    }

    async fn probe(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        probe(site, &parameters, preparation, true).await
    }
}

#[async_trait]
impl ClusterAct for Uncordon {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        declare(
            of_node("uncordon_node", "Let pods onto a node again")
                .output("uncordoned", boolean("whether the node takes pods"))
                .output("changed", boolean("whether it did not before")),
        )
    }

    fn describe(parameters: &Named) -> String {
        format!("uncordon node {}", parameters.node_name)
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        prepare(site, &parameters, &Self::declaration(), false).await
    }

    async fn run(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Outcome {
        run(site, &parameters, preparation, false).await
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Named,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        compare(site, &parameters, record, after).await
    }

    async fn undo(site: &Site<'_>, parameters: Named, record: &Value, _expected: Option<&Value>) -> Outcome {
        put_back(site, &parameters, record).await
    }

    async fn probe(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        probe(site, &parameters, preparation, false).await
    }
}

async fn prepare(
    site: &Site<'_>,
    named: &Named,
    spec: &ActionSpec,
    unschedulable: bool,
) -> Result<Preparation, Trouble> {
    let mut prepared = site.preparation(named.target(), spec);
    let node = named.expect(site).await?;
    prepared.facts.insert("nodeExists".to_owned(), json!(true));
    prepared.basis.nodes.insert(named.node_name.clone());
    prepared.basis.objects.insert(prepared.target.name.clone());
    let before = state(&node);
    for (name, value) in before.as_object().into_iter().flatten() {
        prepared.basis.values.insert(name.clone(), value.clone());
    }
    if is_cordoned(&node) == unschedulable {
        let is = if unschedulable { "cordoned" } else { "not cordoned" };
        prepared.notes.push(format!("it is so already: the node is {is}"));
    }
    prepared.undo = Some(record(site, before));
    Ok(prepared)
}

async fn run(site: &Site<'_>, named: &Named, preparation: &Preparation, unschedulable: bool) -> Outcome {
    let uid = preparation.basis.values.get("uid").and_then(Value::as_str).unwrap_or_default();
    match named.set_unschedulable(site, uid, unschedulable).await {
        Ok(node) => done(&node, preparation, unschedulable),
        Err(trouble) => trouble.outcome(),
    }
}

async fn probe(
    site: &Site<'_>,
    named: &Named,
    preparation: &Preparation,
    unschedulable: bool,
) -> Result<ProbeAnswer, Trouble> {
    let node = named.expect(site).await?;
    Ok(if is_cordoned(&node) == unschedulable {
        ProbeAnswer::Done(done(&node, preparation, unschedulable))
    } else {
        ProbeAnswer::NotDone
    })
}

pub(super) async fn compare(
    site: &Site<'_>,
    named: &Named,
    record: &Value,
    after: Option<&Value>,
) -> Result<UndoState, Trouble> {
    let live = state(&named.expect(site).await?);
    let before = json!({ "unschedulable": record["unschedulable"], "uid": record["uid"] });
    Ok(match after {
        _ if live == before => UndoState::AsBefore,
        Some(after) if live == *after => UndoState::AsAfter,
        after => UndoState::Other { before, after: after.cloned().unwrap_or(Value::Null), live },
    })
}

pub(super) async fn put_back(site: &Site<'_>, named: &Named, record: &Value) -> Outcome {
    let uid = record["uid"].as_str().unwrap_or_default();
    match named.set_unschedulable(site, uid, record["unschedulable"] == json!(true)).await {
        Ok(_) => Outcome::succeeded(json!({ "restored": true })),
        Err(trouble) => trouble.outcome(),
    }
}

fn state(node: &Node) -> Value {
    json!({ "unschedulable": is_cordoned(node), "uid": uid(node) })
}

fn done(node: &Node, preparation: &Preparation, unschedulable: bool) -> Outcome {
    let word = if unschedulable { "cordoned" } else { "uncordoned" };
    let before = preparation.basis.values.get("unschedulable") == Some(&json!(true));
    let mut outcome = Outcome::succeeded(json!({ word: true, "changed": before != unschedulable }));
    outcome.after = Some(state(node));
    outcome
}
