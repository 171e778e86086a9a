//! `security.rotate_credentials`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Impact, Sink};
use serde_json::{Map, Value, json};

use super::credentials::{Keys, Live, Parameters, expect_new};
use super::workload::{self, Running};
use super::{Service, of_service};
use crate::action::UndoPrecondition;
use crate::declaration::{list, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, record};

/// Replaces credentials in their Secrets, keeps the old values beside the new ones, and replaces the pods that read them.
///
/// A rotation has an id that follows from the Secret as it was read: whoever asks for the same one again finds it done.
pub(super) struct RotateCredentials;

#[async_trait]
impl ClusterAct for RotateCredentials {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        let declared =
            of_service("security.rotate_credentials", "Replace a service's credentials in their Secrets, and its pods")
                .optional("scope", Sink::Name, text("one credential of the service's entry; all of them where absent"))
                .output("rotated", list(&text("a credential's name"), "what was replaced"))
                .output(
                    "secrets",
                    list(&text("a Secret"), "the Secrets with the new values, and with the old ones until revoked"),
                )
                .output(
                    "workloads",
                    list(&text("a workload"), "workloads whose pods have all begun with the new values"),
                )
                .mutates(false)
                .captures_undo()
                .access("get secrets")
                .access("patch secrets");
        workload::rolls(declared).build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("replace {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let service = parameters.named.find(site)?;
        let all = parameters.keys(&service)?;
        expect_new(site, &all).await?;
        let target = format!("credentials/{}/{}", service.namespace, service.name);
        let mut prepared = site.preparation(target, &Self::declaration());
        prepared.basis.namespaces.insert(service.namespace.clone());
        prepared.impact = Impact::High;
        prepared.facts.insert("serviceExists".to_owned(), json!(true));
        let mut secrets = Map::new();
        let mut replaced: Vec<Running> = Vec::new();
        for keys in &all {
            let live = keys.read(site).await?;
            if let [first, ..] = live.kept(keys).as_slice() {
                return Err(Trouble::before(format!(
                    "the value of `{first}` before its last rotation is still kept in secret `{}`; \
                     `security.revoke_credentials` first",
                    keys.secret
                )));
            }
            for running in keys.workloads(site, &service).await? {
                running.check_restarts()?;
                if prepared.basis.objects.insert(running.target()) {
                    prepared.reasons.push(format!("every pod of {} is replaced", running.shown()));
                    replaced.push(running);
                }
            }
            prepared.basis.objects.insert(keys.object());
            secrets.insert(
                keys.secret.clone(),
                json!({
                    "uid": live.uid(), "version": live.version(), "rotation": live.rotation(),
                    "next": live.next_rotation(keys),
                }),
            );
        }
        prepared.basis.pods = workload::pods(&replaced);
        prepared.notes.push(
            "the old values stay in the Secrets until `security.revoke_credentials`; what another system issued is to be \
             revoked there"
                .to_owned(),
        );
        prepared.basis.values.insert("secrets".to_owned(), json!(secrets));
        prepared.undo = Some(record(site, json!({ "secrets": secrets })));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let record = preparation.undo.clone().unwrap_or_default();
        let ready = async {
            let service = parameters.named.find(site)?;
            let all = parameters.keys(&service)?;
            for keys in &all {
                let live = keys.read(site).await?;
                if !is_written(keys, &live, &record) && !is_unwritten(keys, &live, &record) {
                    return Err(keys.changed());
                }
            }
            Ok((service, all))
        };
        let (service, all) = match ready.await.map_err(Trouble::unsent) {
            Ok(ready) => ready,
            Err(trouble) => return trouble.outcome(),
        };
        let (mut written, mut begun) = (Map::new(), false);
        for keys in &all {
            match rotate(site, keys, &record).await {
                Ok(live) => {
                    site.say(&format!("{} has new values\n", keys.object()));
                    written.insert(keys.secret.clone(), live.version());
                    begun = true;
                }
                Err(trouble) if begun => return with(&written, trouble.outcome_midway()),
                Err(trouble) => return trouble.outcome(),
            }
        }
        match renew(site, &service, &all, |keys, _| Some(next(&record, keys))).await {
            Ok(workloads) => with(&written, done(&all, &workloads)),
            Err(trouble) => with(&written, trouble.outcome_midway()),
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let service = parameters.named.find(site)?;
        let all = parameters.keys(&service)?;
        let (state, _) = compare(site, &all, record, after).await?;
        // The old values are back, and pods that began with the new ones still run: there is something left to undo.
        if state == UndoState::AsBefore && is_read(site, &service, &all, record).await? {
            return Ok(UndoState::AsAfter);
        }
        Ok(state)
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        let ready = async {
            let service = parameters.named.find(site)?;
            let all = parameters.keys(&service)?;
            let (state, lives) = compare(site, &all, record, expected).await?;
            match state {
                UndoState::AsBefore | UndoState::AsAfter => Ok((service, all, lives)),
                UndoState::Incomparable | UndoState::Other { .. } => Err(Trouble::refused(
                    409,
                    "somebody changed the same Secrets since, or the old values were revoked",
                )),
            }
        };
        let (service, all, lives) = match ready.await.map_err(Trouble::unsent) {
            Ok(ready) => ready,
            Err(trouble) => return trouble.outcome(),
        };
        let mut begun = false;
        for (keys, live) in all.iter().zip(&lives).filter(|(keys, live)| is_written(keys, live, record)) {
            let before = &record["secrets"][&keys.secret]["rotation"];
            match keys.put_back(site, live, before).await {
                Ok(_) => begun = true,
                Err(trouble) if begun => return trouble.outcome_midway(),
                Err(trouble) => return trouble.outcome(),
            }
        }
        // Pods that never began with the new values need not be replaced.
        let id = |keys: &Keys, present: Option<&str>| {
            let next = next(record, keys);
            (begun || present == Some(&next)).then(|| format!("{next}-undone"))
        };
        match renew(site, &service, &all, id).await {
            Ok(_) => Outcome::succeeded(json!({ "restored": true })),
            Err(trouble) => trouble.outcome_midway(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let record = preparation.undo.clone().unwrap_or_default();
        let service = parameters.named.find(site)?;
        let all = parameters.keys(&service)?;
        let (mut written, mut unwritten, mut workloads) = (Map::new(), 0, Vec::new());
        for keys in &all {
            let live = keys.read(site).await?;
            unwritten += usize::from(is_unwritten(keys, &live, &record));
            if is_written(keys, &live, &record) {
                written.insert(keys.secret.clone(), live.version());
            }
            for running in keys.workloads(site, &service).await? {
                let has_begun = running.annotation(&keys.mark()) == Some(&next(&record, keys));
                if has_begun && running.is_rolled_out()? {
                    workloads.push(running.shown());
                } else if unwritten == 0 {
                    return Ok(ProbeAnswer::Unknown);
                }
            }
        }
        workloads.dedup();
        Ok(match (written.len() == all.len(), unwritten == all.len()) {
            (true, _) => ProbeAnswer::Done(with(&written, done(&all, &workloads))),
            (false, true) => ProbeAnswer::NotDone,
            (false, false) => ProbeAnswer::Unknown,
        })
    }
}

/// Whether a workload still runs with what a rotation wrote.
async fn is_read(site: &Site<'_>, service: &Service, all: &[Keys], record: &Value) -> Result<bool, Trouble> {
    for keys in all {
        let next = next(record, keys);
        let running = keys.workloads(site, service).await?;
        if running.iter().any(|running| running.annotation(&keys.mark()) == Some(&next)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The id of the rotation of a Secret.
fn next(record: &Value, keys: &Keys) -> String {
    record["secrets"][&keys.secret]["next"].as_str().unwrap_or_default().to_owned()
}

/// Whether a Secret has been rotated by this act, and the old values are there.
fn is_written(keys: &Keys, live: &Live, record: &Value) -> bool {
    live.uid() == record["secrets"][&keys.secret]["uid"]
        && live.rotation() == Some(&next(record, keys))
        && live.kept(keys).len() == keys.credentials.len()
}

/// Whether a Secret is as it was read.
fn is_unwritten(keys: &Keys, live: &Live, record: &Value) -> bool {
    let before = &record["secrets"][&keys.secret];
    live.uid() == before["uid"] && live.version() == before["version"]
}

async fn rotate(site: &Site<'_>, keys: &Keys, record: &Value) -> Result<Live, Trouble> {
    let live = keys.read(site).await.map_err(Trouble::unsent)?;
    match (is_written(keys, &live, record), is_unwritten(keys, &live, record)) {
        (true, _) => Ok(live),
        (false, true) => match keys.replace(site, &live, &next(record, keys)).await {
            // The answer was lost; what is there now tells whether it was written.
            Err(trouble) if !trouble.is_refusal() => match keys.read(site).await {
                Ok(live) if is_written(keys, &live, record) => Ok(live),
                Ok(_) | Err(_) => Err(trouble),
            },
            replaced => replaced,
        },
        (false, false) => Err(keys.changed()),
    }
}

/// Replaces the pods that read credentials, unless they began with them, and waits until all of them are available.
async fn renew(
    site: &Site<'_>,
    service: &Service,
    all: &[Keys],
    id: impl Fn(&Keys, Option<&str>) -> Option<String>,
) -> Result<Vec<String>, Trouble> {
    let mut waiting: Vec<Running> = Vec::new();
    for keys in all {
        let mark = keys.mark();
        for running in keys.workloads(site, service).await? {
            let present = running.annotation(&mark);
            if let Some(id) = id(keys, present).filter(|id| present != Some(id)) {
                running.roll(site, json!({ &mark: id })).await?;
            }
            if !waiting.iter().any(|known| known.target() == running.target()) {
                waiting.push(running);
            }
        }
    }
    for running in &waiting {
        running.rolled_out(site).await?;
    }
    Ok(waiting.iter().map(Running::shown).collect())
}

/// The live Secrets beside what was recorded of them: versions and ids, and no value.
async fn compare(
    site: &Site<'_>,
    all: &[Keys],
    record: &Value,
    after: Option<&Value>,
) -> Result<(UndoState, Vec<Live>), Trouble> {
    let (mut lives, mut seen, mut as_before, mut clear) = (Vec::new(), Map::new(), 0, true);
    for keys in all {
        let live = keys.read(site).await?;
        let before = &record["secrets"][&keys.secret];
        let is_before =
            live.uid() == before["uid"] && json!(live.rotation()) == before["rotation"] && live.kept(keys).is_empty();
        let written = after.and_then(|after| after["secrets"].get(&keys.secret));
        // Where the answer to the write was lost, its version is not known; that it is this rotation is.
        let is_after = is_written(keys, &live, record) && written.is_none_or(|version| *version == live.version());
        as_before += usize::from(is_before);
        clear &= is_before || is_after;
        seen.insert(
            keys.secret.clone(),
            json!({ "uid": live.uid(), "version": live.version(), "rotation": live.rotation(), "kept": live.kept(keys) }),
        );
        lives.push(live);
    }
    let state = match (clear, as_before == all.len()) {
        (true, true) => UndoState::AsBefore,
        (true, false) => UndoState::AsAfter,
        (false, _) => UndoState::Other {
            before: record["secrets"].clone(),
            after: after.cloned().unwrap_or(Value::Null),
            live: Value::Object(seen),
        },
    };
    Ok((state, lives))
}

fn done(all: &[Keys], workloads: &[String]) -> Outcome {
    let names: Vec<&String> = all.iter().flat_map(|keys| keys.credentials.keys()).collect();
    let secrets: Vec<String> = all.iter().map(Keys::object).collect();
    Outcome::succeeded(json!({ "rotated": names, "secrets": secrets, "workloads": workloads }))
}

/// An outcome with the versions of what has been written.
fn with(written: &Map<String, Value>, outcome: Outcome) -> Outcome {
    Outcome { after: Some(json!({ "secrets": written })), ..outcome }
}
