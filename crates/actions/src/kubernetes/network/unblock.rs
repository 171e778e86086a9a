//! `network.unblock_ip`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, PolicyKind};
use serde_json::{Value, json};

use super::address::Network;
use super::block::{compare, put_back};
use super::policy::{Blocks, Named, of_address};
use crate::action::UndoPrecondition;
use crate::declaration::boolean;
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, record};

/// Lifts the block of an address; the policy goes with the last one.
pub(super) struct UnblockAddress;

#[async_trait]
impl ClusterAct for UnblockAddress {
    type Parameters = Named;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        of_address("network.unblock_ip", "Lift the block of an address")
            .output("unblocked", boolean("whether it is not blocked"))
            .kind(PolicyKind::SecurityIsolation)
            .mutates(true)
            .captures_undo()
            .build()
    }

    fn describe(parameters: &Named) -> String {
        format!("lift the block of {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let network = parameters.network()?;
        let blocks = parameters.blocks(site).await?;
        let mut prepared = site.preparation(blocks.target(&network), &Self::declaration());
        if blocks.entry(&network) == json!([]) {
            prepared.notes.push("it is not blocked".to_owned());
            prepared.notes.extend(around(&blocks, &network));
        } else {
            prepared.reasons.push(format!("{network} reaches these pods again"));
        }
        prepared.basis.objects.insert(blocks.object());
        prepared.basis.values.insert("before".to_owned(), blocks.entry(&network));
        prepared.undo = Some(record(site, json!({ "before": blocks.entry(&network) })));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, _preparation: &Preparation) -> Outcome {
        let lift = async {
            let network = parameters.network()?;
            let blocks = parameters.blocks(site).await.map_err(Trouble::unsent)?;
            let mut addresses = blocks.addresses.clone();
            if addresses.remove(&network.to_string()).is_some() {
                blocks.write(site, addresses).await?;
            }
            Ok(done())
        };
        lift.await.unwrap_or_else(Trouble::outcome)
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Named,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let network = parameters.network()?;
        Ok(compare(&parameters.blocks(site).await?, &network, record, after))
    }

    async fn undo(site: &Site<'_>, parameters: Named, record: &Value, expected: Option<&Value>) -> Outcome {
        put_back(site, &parameters, record, expected).await
    }

    async fn probe(site: &Site<'_>, parameters: Named, _preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let network = parameters.network()?;
        let blocked = parameters.blocks(site).await?.entry(&network) != json!([]);
        Ok(if blocked { ProbeAnswer::NotDone } else { ProbeAnswer::Done(done()) })
    }
}

/// Blocks that hold the address all the same.
fn around(blocks: &Blocks, network: &Network) -> Option<String> {
    let holds = |text: &&String| Network::parse(text).is_ok_and(|other| other.overlaps(network));
    let others: Vec<&str> = blocks.addresses.keys().filter(holds).map(String::as_str).collect();
    (!others.is_empty()).then(|| format!("a block of {} concerns it all the same", others.join(", ")))
}

fn done() -> Outcome {
    Outcome { after: Some(json!([])), ..Outcome::succeeded(json!({ "unblocked": true })) }
}
