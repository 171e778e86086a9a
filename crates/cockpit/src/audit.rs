//! Proof: the log with its verification.

use std::collections::BTreeMap;

use belay_engine::event::{Closing, Event, Genesis, Need, Statement, Transition};
use belay_engine::ids::{ActIndex, InvocationId};
use belay_trust::{AuditReport, EventAudit, Hash32, SignedEnvelope};
use jiff::Timestamp;
use serde::Serialize;
use ts_rs::TS;

use crate::error::CockpitError;
use crate::export::ExportEnd;
use crate::journal::{Shared, decode};
use crate::wire::LogEntry;

/// What verification found.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct VerifyReport {
    /// Whether everything holds.
    pub ok: bool,
    /// One verdict per execution; `file` for what is wrong with an exported file as such.
    pub executions: Vec<ExecutionVerdict>,
    /// What is known of the end of an exported file; `None` where no file was verified.
    pub end: Option<ExportEnd>,
}

/// The verdict on one execution.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ExecutionVerdict {
    /// Hash of its genesis, hex.
    pub execution: String,
    /// How many events were looked at.
    pub events: u64,
    /// The status that they lead to; `None` where they cannot be followed.
    pub status: Option<String>,
    /// Whether everything holds.
    pub ok: bool,
    /// What does not.
    pub faults: Vec<String>,
}

/// Verifies the envelopes of one execution: signatures, links, and that the log is one that the state machine allows.
///
/// `line` says where an event stands in a file, if it is from one.
pub(crate) fn verify(
    shared: &Shared,
    execution: String,
    events: &[SignedEnvelope],
    line: impl Fn(&Hash32) -> Option<usize>,
) -> ExecutionVerdict {
    let report = belay_trust::verify_chains(events.iter().cloned());
    let mut faults = faults_of(&report, line);
    let mut status = None;
    match shared.fold(events) {
        Ok(loaded) => status = Some(loaded.execution.status().as_str().to_owned()),
        // What is missing or forked is the reason, not what follows from it.
        Err(error) if faults.is_empty() => faults.push(error.message),
        Err(_) => {}
    }
    ExecutionVerdict { execution, events: events.len() as u64, status, ok: faults.is_empty(), faults }
}

fn faults_of(report: &AuditReport, line: impl Fn(&Hash32) -> Option<usize>) -> Vec<String> {
    let name = |hash: &Hash32| match line(hash) {
        Some(line) => format!("line {line}: event {}", short(hash)),
        None => format!("event {}", short(hash)),
    };
    let mut faults: Vec<String> = report
        .events
        .iter()
        .filter(|event| !event.is_ok())
        .map(|event| format!("{}: {}", name(&event.hash), fault_text(event)))
        .collect();
    for (missing, named_by) in &report.missing {
        let by: Vec<_> = named_by.iter().map(short).collect();
        faults.push(format!("event {} is missing; named by {}", short(missing), by.join(", ")));
    }
    for fork in &report.forks {
        faults.push(format!("device {}: history went back", fork.device));
    }
    faults
}

fn short(hash: &Hash32) -> String {
    hash.to_string().chars().take(12).collect()
}

fn fault_text(event: &EventAudit) -> String {
    event.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The log of an execution, one entry an event, with what verification says of each.
pub(crate) fn log(events: &[SignedEnvelope]) -> Result<Vec<LogEntry>, CockpitError> {
    let report = belay_trust::verify_chains(events.iter().cloned());
    let audits: BTreeMap<Hash32, &EventAudit> = report.events.iter().map(|audit| (audit.hash, audit)).collect();
    let mut entries = Vec::with_capacity(events.len());
    for (n, envelope) in (1_u64..).zip(events) {
        let event = decode(envelope)?;
        let audit = audits.get(&envelope.hash());
        let fault = audit.filter(|audit| !audit.is_ok()).map(|audit| fault_text(audit));
        let wall = i64::try_from(envelope.envelope().hlc.wall_ms).unwrap_or(i64::MAX);
        entries.push(LogEntry {
            n,
            hash: envelope.hash().to_string(),
            kind: envelope.envelope().kind.clone(),
            at: Timestamp::from_millisecond(wall).unwrap_or(Timestamp::UNIX_EPOCH),
            device: envelope.device().to_string().chars().take(16).collect(),
            text: sentence(&event),
            verified: audit.is_some() && fault.is_none(),
            fault,
            cites: envelope.envelope().cites.iter().map(ToString::to_string).collect(),
            event: serde_json::from_slice(&envelope.envelope().body)
                .map_err(|error| CockpitError::bug(format!("an event is not JSON: {error}")))?,
        });
    }
    Ok(entries)
}

/// One line about an event, for people.
pub(crate) fn sentence(event: &Event) -> String {
    match event {
        Event::Genesis(genesis) => begun(genesis),
        Event::Statement { by, statement } => format!("{} {}", by.responder, said(statement)),
        Event::Transition { transition, .. } => changed(transition),
    }
}

fn begun(genesis: &Genesis) -> String {
    format!("{} started it in context {} ({})", genesis.started_by.responder, genesis.context, genesis.triggered_by)
}

fn said(statement: &Statement) -> String {
    match statement {
        Statement::Note { text } => format!("noted: {text}"),
        Statement::Check { items, .. } => format!("confirmed {} item(s) of a checklist", items.len()),
        Statement::Provide { values } => {
            format!("gave {}", values.keys().cloned().collect::<Vec<_>>().join(", "))
        }
        Statement::Confirm { at, outcome, by_hand, .. } => {
            let how = if *by_hand { " by hand" } else { "" };
            format!("said that `{at}` is {}{how}", word(outcome))
        }
        Statement::Decide { at, branch } => format!("decided `{at}`: {branch}"),
        Statement::Approve { at, digest, target, .. } => {
            let target = target.as_deref().map(|target| format!(", typing `{target}`")).unwrap_or_default();
            format!("approved `{at}` ({}){target}", digest.get(..12).unwrap_or(digest))
        }
        Statement::Reject { at, .. } => format!("rejected `{at}`"),
        Statement::Retry { at } => format!("asked for `{at}` again"),
        Statement::Skip { at, reason } => format!("skipped `{at}`: {reason}"),
        Statement::Pause => "paused it".to_owned(),
        Statement::Resume => "let it go on".to_owned(),
        Statement::Abort { reason } => format!("aborted it: {reason}"),
        Statement::Rollback { reason } => format!("rolled it back: {reason}"),
        Statement::SettleUndo { at, choice, .. } => format!("settled the undo of `{at}`: {}", word(choice)),
    }
}

fn word(value: &impl Serialize) -> String {
    // Only enums of words come here, and those serialise to a string.
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(|text| text.replace('_', " ")))
        .unwrap_or_default()
}

fn changed(transition: &Transition) -> String {
    match transition {
        Transition::Noted { by, text } => format!("note by {}: {text}", by.responder),
        Transition::Checked { items, .. } => format!("{} item(s) checked", items.len()),
        Transition::Provided { values } => {
            format!("values taken: {}", values.keys().cloned().collect::<Vec<_>>().join(", "))
        }
        Transition::StepEntered { at } => format!("step `{at}` reached"),
        Transition::PersonAwaited { at, need: Need::Policy { why } | Need::Login { why } } => {
            format!("step `{at}` waits for a person: {why}")
        }
        Transition::PersonAwaited { at, .. } => format!("step `{at}` waits for a person"),
        Transition::Planned { at, plan } => format!(
            "step `{at}` planned: {} act(s){}",
            plan.acts.len(),
            plan.approval
                .as_ref()
                .map(|asked| format!(", approval asked for ({})", asked.reasons.join("; ")))
                .unwrap_or_default()
        ),
        Transition::CallPlanned { at, call, function, .. } => format!("step `{at}` calls {function} (call {call})"),
        Transition::CallRefused { at, call, function, error, .. } => {
            format!("step `{at}` may not call {function} (call {call}): {error}")
        }
        Transition::ApprovalCounted { at, by, self_approved, .. } => {
            let alone = if *self_approved { " (self-approved)" } else { "" };
            format!("approval of `{at}` by {} counted{alone}", by.responder)
        }
        Transition::ApprovalClosed { at, how: Closing::Voided { difference }, .. } => {
            format!("request for `{at}` closed: voided ({})", difference.join("; "))
        }
        Transition::ApprovalClosed { at, how, .. } => format!("request for `{at}` closed: {}", tag(how)),
        Transition::ActStarted { id, act_digest, .. } => {
            format!("{} starts ({})", invoked(id), act_digest.get(..12).unwrap_or(act_digest))
        }
        Transition::ActEnded { id, outcome } => format!("{} ended: {}", invoked(id), word(&outcome.ending)),
        Transition::ActInterrupted { id, why, .. } => format!("{} interrupted: {why}", invoked(id)),
        Transition::ActSettled { id, settlement, by } => {
            let by = by.as_ref().map_or("the action's probe", |by| by.responder.as_str());
            format!("{} settled as {} by {by}", invoked(id), tag(settlement))
        }
        Transition::OutcomeArrived { id, outcome } => format!("{} ended late: {}", invoked(id), word(&outcome.ending)),
        Transition::Observed { id, holds, .. } => {
            let holds = match holds {
                Some(true) => "holds",
                Some(false) => "does not hold",
                None => "no data",
            };
            format!("{} observed: {holds}", invoked(id))
        }
        Transition::RetryScheduled { at, not_before, error } => {
            format!("step `{at}` is tried again at {not_before}: {error}")
        }
        Transition::StepEnded { at, status, error, branch, by_hand, by, .. } => {
            let branch = branch.as_deref().map(|branch| format!(", branch {branch}")).unwrap_or_default();
            let by_hand = match by {
                Some(by) if *by_hand => format!(", by hand by {}", by.responder),
                None if *by_hand => ", by hand".to_owned(),
                Some(_) | None => String::new(),
            };
            let error = error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("step `{at}` {}{branch}{by_hand}{error}", status.as_str())
        }
        Transition::Retried { at, .. } => format!("step `{at}` begins again"),
        Transition::Dismissed { why } => format!("a statement came too late: {why}"),
        Transition::Paused => "paused".to_owned(),
        Transition::Resumed => "goes on".to_owned(),
        Transition::Stopping { then, reason } => format!("stopping, then {}: {reason}", tag(then)),
        Transition::RollbackPlanned { items, by_hand } => {
            let by_hand = by_hand.iter().map(|done| format!("; {}: {}", done.title, done.told()));
            format!("{} item(s) to take back{}", items.len(), by_hand.collect::<String>())
        }
        Transition::UndoAsked { item, acts, approval } => {
            format!("undo {item} asks for an approval of {} act(s) ({})", acts.len(), approval.reasons.join("; "))
        }
        Transition::UndoRendered { item, .. } => format!("undo {item} rendered"),
        Transition::UndoSkipped { item, why } => format!("undo {item} needs no act: {}", tag(why)),
        Transition::UndoStuck { item, detail } => {
            let why = detail.get("error").and_then(serde_json::Value::as_str);
            format!("undo {item} is stuck{}", why.map(|why| format!(": {why}")).unwrap_or_default())
        }
        Transition::UndoSettled { item, choice, by } => {
            let by = by.as_ref().map_or("what was seen", |by| by.responder.as_str());
            format!("undo {item} settled by {by}: {}", word(choice))
        }
        Transition::UndoDone { item } => format!("undo {item} done"),
        Transition::Escalated { at, reason } => format!("escalated `{at}`: {reason}"),
        Transition::RollbackStepsEntered => "the runbook's own rollback begins".to_owned(),
        Transition::SignOffAwaited => "waits for the sign-off".to_owned(),
        Transition::Finished { ending, error } => {
            let error = error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("finished as {}{error}", word(ending))
        }
    }
}

/// An invocation in words.
fn invoked(id: &InvocationId) -> String {
    let at = &id.at;
    let what = match id.act {
        ActIndex::Act(0) => format!("step `{at}`"),
        ActIndex::Act(n) => format!("act {} of step `{at}`", n + 1),
        ActIndex::Call(n) => format!("call {} of step `{at}`", n + 1),
        ActIndex::Undo(0) => format!("the undo of step `{at}`"),
        ActIndex::Undo(n) => format!("act {} of the undo of step `{at}`", n + 1),
        ActIndex::UndoCall { call, .. } => format!("call {} of the undo of step `{at}`", call + 1),
    };
    if id.attempt > 1 { format!("{what}, attempt {},", id.attempt) } else { what }
}

/// The tag of an enum whose variants may hold something.
fn tag(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let tag = match &value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_) => String::new(),
    };
    tag.replace('_', " ")
}
