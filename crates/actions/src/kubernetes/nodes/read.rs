//! `kubernetes.get_node`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::ActionSpec;
use serde_json::{Map, Value, json};

use super::{Named, is_cordoned, is_ready, of_node};
use crate::declaration::{boolean, object};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, plain};

/// Reads a node.
pub(super) struct GetNode;

#[async_trait]
impl ClusterAct for GetNode {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        of_node("get_node", "Read a node and its conditions")
            .publishes("nodeObject", object("the node object"))
            .output("ready", boolean("whether the node is ready"))
            .output("unschedulable", boolean("whether the node is cordoned"))
            .output("conditions", object("the conditions by type"))
            .fact("nodeReady")
            .build()
    }

    fn describe(parameters: &Named) -> String {
        format!("read node {}", parameters.node_name)
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.target(), &Self::declaration());
        let node = parameters.read(site).await?;
        prepared.facts.insert("nodeExists".to_owned(), json!(node.is_some()));
        prepared.facts.insert("nodeReady".to_owned(), json!(node.as_ref().is_some_and(is_ready)));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, _preparation: &Preparation) -> Outcome {
        let node = match parameters.expect(site).await {
            Ok(node) => node,
            Err(trouble) => return trouble.outcome_midway(),
        };
        let status = node.status.as_ref();
        let conditions: Map<String, Value> = status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
            .map(|condition| (condition.type_.clone(), json!(condition.status)))
            .collect();
        let object = plain(&node);
        let mut outcome = Outcome::succeeded(json!({
            "nodeObject": object,
            "ready": is_ready(&node),
            "unschedulable": is_cordoned(&node),
            "conditions": conditions,
        }));
        outcome.published.insert("nodeObject".to_owned(), object);
        outcome
    }
}
