//! `network.block_ip`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Impact, PolicyKind, Sink};
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::Network;
use super::policy::{Blocks, Named, check_own, of_address};
use crate::action::UndoPrecondition;
use crate::declaration::{boolean, integer, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, record};

/// Keeps an address from reaching the pods of a namespace, by the one policy that holds all blocked addresses.
///
/// An address that is blocked already stays so at least as long as before: blocking twice blocks once.
pub(super) struct BlockAddress;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    duration: Option<u32>,
}

impl Parameters {
    /// The end of the block: the later one of what is asked for and of what there is.
    fn until(&self, site: &Site<'_>, blocks: &Blocks, network: &Network) -> Result<Option<jiff::Timestamp>, Trouble> {
        let Some(seconds) = self.duration else { return Ok(None) };
        let end = site.surroundings.now.checked_add(jiff::SignedDuration::from_secs(seconds.into()));
        let end = end.map_err(|error| Trouble::before(format!("parameter `duration`: {error}")))?;
        Ok(match blocks.addresses.get(&network.to_string()) {
            None => Some(end),
            Some(until) => until.map(|until| until.max(end)),
        })
    }
}

#[async_trait]
impl ClusterAct for BlockAddress {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        of_address("network.block_ip", "Keep an address from reaching the pods of a namespace")
            .optional("duration", Sink::Json, integer(1, "for how many seconds; until unblocked where absent"))
            .output("blocked", boolean("whether the rule is in force"))
            .output("until", text("when it ends, RFC 3339; nothing where it does not end by itself"))
            .output("policy", text("the network policy with the rule"))
            .kind(PolicyKind::SecurityIsolation)
            .mutates(true)
            .captures_undo()
            .access("list networkpolicies.networking.k8s.io")
            .access("list pods")
            .access("list nodes")
            .access("get services")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let time = parameters.duration.map_or_else(String::new, |seconds| format!(" for {seconds} s"));
        format!("block {}{time}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let network = parameters.named.network()?;
        let blocks = parameters.named.blocks(site).await?;
        let mut prepared = site.preparation(blocks.target(&network), &Self::declaration());
        prepared.impact = Impact::High;
        prepared.reasons.push(format!("{network} no longer reaches the pods that {} is for", blocks.object()));
        prepared.notes.extend(check_own(site, &network).await?);
        for other in blocks.check_others(site).await? {
            prepared.notes.push(format!(
                "network policy {other} selects none of these pods now; a pod that it comes to select is not protected"
            ));
        }
        prepared.notes.push(
            "a policy sees the address that reaches the pod: behind a load balancer or a proxy that may be another one, and \
             without a network plug-in that enforces policies nothing is blocked"
                .to_owned(),
        );
        prepared.basis.objects.insert(blocks.object());
        prepared.basis.values.insert("before".to_owned(), blocks.entry(&network));
        prepared.undo = Some(record(site, json!({ "before": blocks.entry(&network) })));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        let block = async {
            let network = parameters.named.network()?;
            let blocks = parameters.named.blocks(site).await.map_err(Trouble::unsent)?;
            blocks.check_others(site).await.map_err(Trouble::unsent)?;
            let until = parameters.until(site, &blocks, &network)?;
            let mut addresses = blocks.addresses.clone();
            let blocks = match addresses.insert(network.to_string(), until) {
                Some(before) if before == until => blocks,
                _ => blocks.write(site, addresses).await?,
            };
            Ok(done(&blocks, &network))
        };
        block.await.unwrap_or_else(Trouble::outcome)
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let network = parameters.named.network()?;
        Ok(compare(&parameters.named.blocks(site).await?, &network, record, after))
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        put_back(site, &parameters.named, record, expected).await
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let network = parameters.named.network()?;
        let blocks = parameters.named.blocks(site).await?;
        let live = blocks.entry(&network);
        let before = preparation.basis.values.get("before").cloned().unwrap_or_default();
        Ok(match (live == json!([]), live == before) {
            (true, _) => ProbeAnswer::NotDone,
            (false, false) => ProbeAnswer::Done(done(&blocks, &network)),
            // It was blocked before; whether its end was to be moved, the same end does not tell.
            (false, true) => ProbeAnswer::Unknown,
        })
    }
}

fn done(blocks: &Blocks, network: &Network) -> Outcome {
    let entry = blocks.entry(network);
    let mut outcome = Outcome::succeeded(json!({ "blocked": true, "until": entry[0], "policy": blocks.object() }));
    outcome.after = Some(entry);
    outcome
}

/// The live entry of an address beside that before and after an act.
pub(super) fn compare(blocks: &Blocks, network: &Network, record: &Value, after: Option<&Value>) -> UndoState {
    let (before, live) = (record["before"].clone(), blocks.entry(network));
    match after {
        _ if live == before => UndoState::AsBefore,
        Some(after) if live == *after => UndoState::AsAfter,
        after => UndoState::Other { before, after: after.cloned().unwrap_or(Value::Null), live },
    }
}

/// Gives an address the entry that it had before an act.
pub(super) async fn put_back(site: &Site<'_>, named: &Named, record: &Value, expected: Option<&Value>) -> Outcome {
    let back = async {
        let network = named.network()?;
        let blocks = named.blocks(site).await.map_err(Trouble::unsent)?;
        match compare(&blocks, &network, record, expected) {
            UndoState::AsBefore => return Ok(()),
            UndoState::AsAfter | UndoState::Incomparable => {}
            UndoState::Other { .. } => return Err(Trouble::refused(409, "somebody changed the same block since")),
        }
        let mut addresses = blocks.addresses.clone();
        match record["before"].get(0) {
            None => addresses.remove(&network.to_string()),
            Some(until) => {
                let until = serde_json::from_value(until.clone())
                    .map_err(|error| Trouble::before(format!("the undo record cannot be read: {error}")))?;
                addresses.insert(network.to_string(), until)
            }
        };
        if !addresses.is_empty() {
            // Beside another policy it would open the same pods to everybody else.
            blocks.check_others(site).await.map_err(Trouble::unsent)?;
        }
        blocks.write(site, addresses).await.map(|_| ())
    };
    match back.await {
        Ok(()) => Outcome::succeeded(json!({ "restored": true })),
        Err(trouble) => trouble.outcome(),
    }
}
