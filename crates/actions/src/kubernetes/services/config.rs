//! `config.update`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Sink};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::{Live, Place};
use super::workload::{self, Running, Workload};
use super::{Named, Service, Values, document, of_service, values_in};
use crate::action::UndoPrecondition;
use crate::declaration::{boolean, object, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, record};

/// The annotation of a pod template that tells which settings its pods began with. A template with the same one again
/// replaces nothing, so that asking for it twice restarts once.
pub(super) const CONFIG: &str = "sre.oversight.io/config-digest";

/// Merges settings into those of a service, and puts back what they replaced.
///
/// Each request carries the version of the object that was read, and is made only where the settings that it replaces
/// are those that were read before: other settings may have changed in between, these may not.
pub(super) struct UpdateConfig;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    config: Map<String, Value>,
    #[serde(default)]
    restart: bool,
}

#[async_trait]
impl ClusterAct for UpdateConfig {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        let declared = of_service("config.update", "Merge settings into those of a service in its config map")
            .required("config", Sink::Json, object("settings, merged into those in force; null removes one"))
            .optional("restart", Sink::Json, boolean("also replace the service's pods, so that they read them"))
            .output("updated", boolean("whether anything changed"))
            .output("previous", object("the settings before, as far as they changed; null for what was not there"))
            .output("configMap", text("the config map"))
            .output("key", text("the key of the document in it; nothing where each setting is a key"))
            .output("restarted", text("the workload whose pods have read the settings, where that was asked for"))
            .mutates(true)
            .captures_undo()
            .access("get configmaps")
            .access("patch configmaps");
        workload::rolls(declared).build()
    }

    fn describe(parameters: &Parameters) -> String {
        let names: Vec<&str> = parameters.config.keys().map(String::as_str).collect();
        let restart = if parameters.restart { " and restart it" } else { "" };
        format!("set {} of service {}{restart}", names.join(", "), parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let service = parameters.named.find(site)?;
        let place = Place::of(&service);
        let live = place.read(site).await?;
        let (before, after) = live.merge(&parameters.config)?;
        let mut prepared = site.preparation(place.target(), &Self::declaration());
        prepared.basis.namespaces.insert(service.namespace.clone());
        prepared.basis.pods = Some(0);
        if parameters.restart {
            let running = Workload::of(site, &service).await?;
            running.check_restarts()?;
            prepared.basis.pods = workload::pods([&running]);
            prepared.basis.objects.insert(running.target());
            prepared.basis.values.insert("workload".to_owned(), json!(running.uid()));
            prepared.reasons.push(format!("every pod of {} is replaced", running.shown()));
        }
        prepared.facts.insert("serviceExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(live.map.metadata.uid));
        prepared.basis.values.insert("before".to_owned(), json!(before));
        if before == after {
            prepared.notes.push("it is so already".to_owned());
        } else if live.has_comments() {
            prepared.notes.push("the document is written anew: comments in it are lost".to_owned());
        }
        prepared.undo = Some(record(
            site,
            json!({ "before": before, "after": after, "uid": live.map.metadata.uid, "key": live.key() }),
        ));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let Some(record) = &preparation.undo else { return Trouble::before("it was never prepared").outcome() };
        let ready = async {
            let (service, place) = places(site, &parameters, record)?;
            let running = if parameters.restart { Some(runs(site, &service, preparation).await?) } else { None };
            Ok((place, running))
        };
        let (place, running) = match ready.await.map_err(Trouble::unsent) {
            Ok(ready) => ready,
            Err(trouble) => return trouble.outcome(),
        };
        let (before, after) = (values_in(record, "before"), values_in(record, "after"));
        let live = match replace(site, &place, record, &before, &after).await {
            Ok(live) => live,
            Err(trouble) => return trouble.outcome(),
        };
        let outcome = done(&place, &live, &before, &after, running.as_ref());
        match restarted(site, running.as_ref(), &live).await {
            Ok(()) => outcome,
            Err(trouble) => Outcome { after: outcome.after, ..trouble.outcome_midway() },
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let (service, place) = places(site, &parameters, record)?;
        let live = place.read(site).await?;
        let state = compare(&live, record, after);
        Ok(if parameters.restart { unless_read(site, &service, &live, state).await? } else { state })
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        let ready = async {
            let (service, place) = places(site, &parameters, record)?;
            let running = if parameters.restart { Some(Workload::of(site, &service).await?) } else { None };
            let live = place.read(site).await?;
            Ok((place, running, live))
        };
        let (place, running, live) = match ready.await.map_err(Trouble::unsent) {
            Ok(ready) => ready,
            Err(trouble) => return trouble.outcome(),
        };
        let state = compare(&live, record, expected);
        // Pods that never read the settings need not be replaced.
        let running = running.filter(|running| state != UndoState::AsBefore || running.annotation(CONFIG).is_some());
        let written = match state {
            UndoState::AsBefore => Ok(live),
            UndoState::AsAfter => place.write(site, &live, &values_in(record, "before"), json!({})).await,
            UndoState::Incomparable | UndoState::Other { .. } => {
                Err(Trouble::refused(409, "somebody changed the same settings since"))
            }
        };
        let live = match written {
            Ok(live) => live,
            Err(trouble) => return trouble.outcome(),
        };
        match restarted(site, running.as_ref(), &live).await {
            Ok(()) => Outcome::succeeded(json!({ "restored": true })),
            Err(trouble) => trouble.outcome_midway(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let Some(record) = &preparation.undo else { return Ok(ProbeAnswer::Unknown) };
        let (service, place) = places(site, &parameters, record)?;
        let live = place.read(site).await?;
        let (before, after) = (values_in(record, "before"), values_in(record, "after"));
        let held = live.held(&after);
        if held != after {
            return Ok(if held == before { ProbeAnswer::NotDone } else { ProbeAnswer::Unknown });
        }
        let running = if parameters.restart { Some(Workload::of(site, &service).await?) } else { None };
        if let Some(running) = &running
            && !(running.annotation(CONFIG) == Some(&live.digest()) && running.is_rolled_out()?)
        {
            return Ok(ProbeAnswer::Unknown);
        }
        Ok(ProbeAnswer::Done(done(&place, &live, &before, &after, running.as_ref())))
    }
}

/// The service, and the place that its settings were read from.
fn places(site: &Site<'_>, parameters: &Parameters, record: &Value) -> Result<(Service, Place), Trouble> {
    let service = parameters.named.find(site)?;
    let place = Place::of(&service).in_key(record.get("key").and_then(Value::as_str));
    Ok((service, place))
}

/// What runs the service, if it is still what was prepared.
async fn runs(site: &Site<'_>, service: &Service, preparation: &Preparation) -> Result<Running, Trouble> {
    let running = Workload::of(site, service).await?;
    if preparation.basis.values.get("workload").and_then(Value::as_str) != Some(running.uid()) {
        return Err(Trouble::before(format!("{} is another one now; prepare it anew", running.target())));
    }
    Ok(running)
}

/// Writes settings where those that they replace are still what was read. Settings that are so already stay untouched.
async fn replace(
    site: &Site<'_>,
    place: &Place,
    record: &Value,
    before: &Values,
    after: &Values,
) -> Result<Live, Trouble> {
    let live = place.read(site).await.map_err(Trouble::unsent)?;
    if json!(live.map.metadata.uid) != record["uid"] {
        return Err(place.changed());
    }
    let held = live.held(after);
    match () {
        () if held == *after => Ok(live),
        () if held == *before => place.write(site, &live, after, json!({})).await,
        () => Err(place.changed()),
    }
}

/// Lets the pods read the settings, where that was asked for: they are replaced unless they began with these.
pub(super) async fn restarted(site: &Site<'_>, running: Option<&Running>, live: &Live) -> Result<(), Trouble> {
    let Some(running) = running else { return Ok(()) };
    let digest = live.digest();
    if running.annotation(CONFIG) != Some(&digest) {
        running.roll(site, json!({ CONFIG: digest })).await?;
    }
    running.rolled_out(site).await
}

/// Settings that are back, while pods still run that began with other ones, leave something to undo.
pub(super) async fn unless_read(
    site: &Site<'_>,
    service: &Service,
    live: &Live,
    state: UndoState,
) -> Result<UndoState, Trouble> {
    if state != UndoState::AsBefore {
        return Ok(state);
    }
    let running = Workload::of(site, service).await?;
    let began = running.annotation(CONFIG);
    Ok(if began.is_some_and(|began| *began != live.digest()) { UndoState::AsAfter } else { state })
}

fn compare(live: &Live, record: &Value, after: Option<&Value>) -> UndoState {
    let state = |values: &Values| json!({ "uid": record["uid"], "values": values });
    let written = values_in(record, "after");
    let before = state(&values_in(record, "before"));
    let after = after.cloned().unwrap_or_else(|| state(&written));
    let live = json!({ "uid": live.map.metadata.uid, "values": live.held(&written) });
    match () {
        () if live == before => UndoState::AsBefore,
        () if live == after => UndoState::AsAfter,
        () => UndoState::Other { before, after, live },
    }
}

fn done(place: &Place, live: &Live, before: &Values, after: &Values, running: Option<&Running>) -> Outcome {
    let changed: Values = before
        .iter()
        .filter(|(name, value)| after.get(*name) != Some(*value))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let mut outcome = Outcome::succeeded(json!({
        "updated": !changed.is_empty(),
        "previous": document::nested(&changed),
        "configMap": place.target(),
        "key": live.key(),
        "restarted": running.map(Running::shown),
    }));
    outcome.after = Some(json!({ "uid": live.map.metadata.uid, "values": live.held(after) }));
    outcome
}
