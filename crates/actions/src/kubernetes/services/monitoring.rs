//! `monitoring.enable_detailed`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Sink};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::{CONFIG, restarted, unless_read};
use super::settings::{Live, Place};
use super::time_box::{TIME_BOX, TimeBox};
use super::workload::{self, Running, Workload};
use super::{Level, Named, Service, Values, of_service, values_in, wrong};
use crate::action::UndoPrecondition;
use crate::declaration::{boolean, integer, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, TIME_BOXED, record};

/// How long it lasts where nobody says so.
const DURATION: u32 = 3600;

/// Puts the settings of a level of detail in force for a time.
///
/// The end, and what to put back then, stand in an annotation of the config map: whoever comes later needs nothing else.
pub(super) struct EnableDetailed;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    level: Option<String>,
    duration: Option<u32>,
}

impl Parameters {
    /// The settings of the level, as the service's entry has them.
    fn level<'a>(&'a self, service: &'a Service) -> Result<(&'a str, &'a Level), Trouble> {
        let levels = &service.entry.monitoring;
        let wanted = match (self.level.as_deref(), levels.len()) {
            (Some(level), _) => level,
            (None, 1) => levels.keys().next().map_or("", String::as_str),
            (None, _) => "detailed",
        };
        levels.get_key_value(wanted).map(|(name, level)| (name.as_str(), level)).ok_or_else(|| {
            let has: Vec<&str> = levels.keys().map(String::as_str).collect();
            let has = if has.is_empty() { "it has none".to_owned() } else { format!("it has {}", has.join(", ")) };
            wrong(
                &service.name,
                &format!(
                    "`kubernetes.monitoring` has no level `{wanted}`; {has}. A level names the settings that the service \
                     reads: `{wanted}: {{settings: {{logging: {{level: debug}}}}, restart: true}}`"
                ),
            )
        })
    }

    fn until(&self, site: &Site<'_>) -> Result<jiff::Timestamp, Trouble> {
        let duration = jiff::SignedDuration::from_secs(self.duration.unwrap_or(DURATION).into());
        let end = site.surroundings.now.checked_add(duration);
        end.map_err(|error| Trouble::before(format!("parameter `duration`: {error}")))
    }
}

#[async_trait]
impl ClusterAct for EnableDetailed {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        let declared = of_service("monitoring.enable_detailed", "Collect more about a service for a time")
            .optional(
                "level",
                Sink::Name,
                text("a level of the service's entry; the only one, else `detailed`, where absent"),
            )
            .optional("duration", Sink::Json, integer(1, "for how many seconds, 3600 where absent"))
            .output("enabled", boolean("whether it is in force"))
            .output("level", text("the level"))
            .output("until", text("when it ends, RFC 3339"))
            .output("configMap", text("the config map"))
            .mutates(true)
            .captures_undo()
            .access("get configmaps")
            .access("patch configmaps");
        workload::rolls(declared).build()
    }

    fn describe(parameters: &Parameters) -> String {
        let level = parameters.level.as_deref().unwrap_or("more");
        let duration = parameters.duration.unwrap_or(DURATION);
        format!("collect {level} about service {} for {duration} s", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let service = parameters.named.find(site)?;
        let (name, level) = parameters.level(&service)?;
        parameters.until(site)?;
        let place = Place::of(&service);
        let live = place.read(site).await?;
        let boxed = TimeBox::of(&live)?;
        if let Some(boxed) = boxed.as_ref().filter(|boxed| boxed.level != name) {
            return Err(Trouble::before(format!(
                "level `{}` of `{}` is in force until {}; put it back first, by the undo of its step or by \
                 `kubernetes.expire_changes` once its time is over",
                boxed.level, service.name, boxed.until
            )));
        }
        let (before, after) = live.merge(&level.settings)?;
        let mut prepared = site.preparation(place.target(), &Self::declaration());
        prepared.basis.namespaces.insert(service.namespace.clone());
        prepared.basis.pods = Some(0);
        if level.restart {
            let running = Workload::of(site, &service).await?;
            running.check_restarts()?;
            prepared.basis.pods = workload::pods([&running]);
            prepared.basis.objects.insert(running.target());
            prepared.reasons.push(format!("every pod of {} is replaced, and again when it ends", running.shown()));
        }
        prepared.facts.insert("serviceExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(live.map.metadata.uid));
        prepared.basis.values.insert("before".to_owned(), json!(before));
        prepared.notes.push(
            "it does not end by itself: the undo of this step, or `kubernetes.expire_changes` after its end, puts it back"
                .to_owned(),
        );
        if live.has_comments() {
            prepared.notes.push("the document is written anew: comments in it are lost".to_owned());
        }
        prepared.undo = Some(record(
            site,
            json!({
                "before": before, "after": after, "uid": live.map.metadata.uid, "key": live.key(),
                "timeBox": boxed.map(|boxed| boxed.written()),
            }),
        ));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let Some(record) = &preparation.undo else { return Trouble::before("it was never prepared").outcome() };
        let enabled = async {
            let (service, place, live) = read(site, &parameters, record).await.map_err(Trouble::unsent)?;
            let (name, level) = parameters.level(&service)?;
            let running =
                if level.restart { Some(Workload::of(site, &service).await.map_err(Trouble::unsent)?) } else { None };
            let (before, after) = (values_in(record, "before"), values_in(record, "after"));
            let held = live.held(&after);
            if held != before && held != after {
                return Err(place.changed());
            }
            let boxed = TimeBox {
                level: name.to_owned(),
                until: parameters.until(site)?,
                key: live.key().map(str::to_owned),
                before,
                after: after.clone(),
                workload: running.as_ref().map(Running::shown),
            };
            let earlier = TimeBox::of(&live)?;
            if earlier.as_ref().is_some_and(|earlier| earlier.level != boxed.level) {
                return Err(place.changed());
            }
            // What it was before the first of several is what comes back in the end.
            let boxed = boxed.after(earlier.clone());
            if held == after && earlier.as_ref() == Some(&boxed) {
                return Ok((live, place, running, boxed));
            }
            let metadata = json!({
                "annotations": { TIME_BOX: boxed.written() }, "labels": { TIME_BOXED: "true" },
            });
            let live = place.write(site, &live, &after, metadata).await?;
            Ok((live, place, running, boxed))
        };
        let (live, place, running, boxed) = match enabled.await {
            Ok(enabled) => enabled,
            Err(trouble) => return trouble.outcome(),
        };
        let outcome = done(&place, &live, &boxed, &values_in(record, "after"));
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
        let (service, _, live) = read(site, &parameters, record).await?;
        let state = compare(&live, record, after);
        let restarts = service.entry.monitoring.values().any(|level| level.restart);
        Ok(if restarts { unless_read(site, &service, &live, state).await? } else { state })
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        let back = async {
            let (service, place, live) = read(site, &parameters, record).await.map_err(Trouble::unsent)?;
            let restart = service.entry.monitoring.values().any(|level| level.restart);
            let running =
                if restart { Some(Workload::of(site, &service).await.map_err(Trouble::unsent)?) } else { None };
            let running = running.filter(|running| running.annotation(CONFIG).is_some());
            match compare(&live, record, expected) {
                UndoState::AsBefore => Ok((live, running)),
                UndoState::AsAfter | UndoState::Incomparable => {
                    let boxed = &record["timeBox"];
                    let label = if boxed.is_null() { Value::Null } else { json!("true") };
                    let metadata = json!({ "annotations": { TIME_BOX: boxed }, "labels": { TIME_BOXED: label } });
                    let live = place.write(site, &live, &values_in(record, "before"), metadata).await?;
                    Ok((live, running))
                }
                UndoState::Other { .. } => Err(Trouble::refused(409, "somebody changed the same settings since")),
            }
        };
        let (live, running) = match back.await {
            Ok(back) => back,
            Err(trouble) => return trouble.outcome(),
        };
        match restarted(site, running.as_ref(), &live).await {
            Ok(()) => Outcome::succeeded(json!({ "restored": true })),
            Err(trouble) => trouble.outcome_midway(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let Some(record) = &preparation.undo else { return Ok(ProbeAnswer::Unknown) };
        let (service, place, live) = read(site, &parameters, record).await?;
        let (before, after) = (values_in(record, "before"), values_in(record, "after"));
        let boxed = TimeBox::of(&live)?;
        if json!(boxed.as_ref().map(TimeBox::written)) == record["timeBox"] {
            return Ok(if live.held(&after) == before { ProbeAnswer::NotDone } else { ProbeAnswer::Unknown });
        }
        let (_, level) = parameters.level(&service)?;
        let Some(boxed) = boxed.filter(|_| live.held(&after) == after) else { return Ok(ProbeAnswer::Unknown) };
        if level.restart {
            let running = Workload::of(site, &service).await?;
            if running.annotation(CONFIG) != Some(&live.digest()) || !running.is_rolled_out()? {
                return Ok(ProbeAnswer::Unknown);
            }
        }
        Ok(ProbeAnswer::Done(done(&place, &live, &boxed, &after)))
    }
}

/// The service, where its settings lie, and what they are.
async fn read(site: &Site<'_>, parameters: &Parameters, record: &Value) -> Result<(Service, Place, Live), Trouble> {
    let service = parameters.named.find(site)?;
    let place = Place::of(&service).in_key(record.get("key").and_then(Value::as_str));
    let live = place.read(site).await?;
    if json!(live.map.metadata.uid) != record["uid"] {
        return Err(place.changed());
    }
    Ok((service, place, live))
}

/// Settings and time-box, as they are kept and compared.
fn state(values: &Values, boxed: &Value) -> Value {
    json!({ "values": values, "timeBox": boxed })
}

fn live_state(live: &Live, places: &Values) -> Value {
    let boxed = live.map.metadata.annotations.as_ref().and_then(|annotations| annotations.get(TIME_BOX));
    state(&live.held(places), &json!(boxed))
}

fn compare(live: &Live, record: &Value, after: Option<&Value>) -> UndoState {
    let before = state(&values_in(record, "before"), &record["timeBox"]);
    let live = live_state(live, &values_in(record, "after"));
    match after {
        _ if live == before => UndoState::AsBefore,
        Some(after) if live == *after => UndoState::AsAfter,
        after => UndoState::Other { before, after: after.cloned().unwrap_or(Value::Null), live },
    }
}

fn done(place: &Place, live: &Live, boxed: &TimeBox, places: &Values) -> Outcome {
    let mut outcome = Outcome::succeeded(json!({
        "enabled": true, "level": boxed.level, "until": boxed.until, "configMap": place.target(),
    }));
    outcome.after = Some(live_state(live, places));
    outcome
}
