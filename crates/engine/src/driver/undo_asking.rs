//! Approval of what takes a step back: the step's own covers it; else the policy is asked like before any other act.
//!
//! A state that an act captured is restored under the judgement of that act. Everything that is declared, acts and calls
//! of scripts, is judged on its own unless the step was approved.

use belay_runbook::act::{Act, ActTarget, Basis, Preparation, Unread};
use belay_runbook::action::{Effect as ActEffect, Impact};
use belay_runbook::model::{Step, Undo};
use belay_runbook::policy::Verdict;
use jiff::Timestamp;
use serde_json::json;

use super::judging::{Asking, stricter};
use super::planning::describe;
use super::present::JudgedTwice;
use super::script::Calling;
use super::{Busy, Driver, Effect, HostAnswer};
use crate::digest::basis_difference;
use crate::event::{Closing, PlannedAct, Transition, UndoPlan};
use crate::execution::{ActRecord, Phase, Request, UndoEntry, Visit};
use crate::fold::Illegal;
use crate::ids::{InvocationId, VisitId};

impl Driver {
    /// Whether the next act of an item may run without asking. Where its target is known, it is read first: the context
    /// may lead elsewhere by now.
    pub(super) fn undo_is_allowed(&self, item: u32, at: &VisitId, next: &Act) -> bool {
        let approved = || self.execution.visit(at).is_some_and(Visit::undo_is_approved);
        let covered = || self.policy_is_unchanged() && !self.execution.targets.is_known(next) && approved();
        self.allowed.contains(&item) || covered()
    }

    /// Asks for the state before the acts that take an item back, to judge them by.
    pub(super) fn judge_undo(&mut self, item: u32, acts: Vec<Act>) -> bool {
        let ticket = self.ticket();
        self.busy = Some(Busy::Judging { ticket, item, acts: acts.clone() });
        self.effects.push(Effect::Prepare { ticket, acts });
        false
    }

    /// The answer: they may run, or an approval is asked for.
    pub(super) fn undo_prepared(
        &mut self,
        now: Timestamp,
        item: u32,
        acts: Vec<Act>,
        results: Vec<Result<Preparation, Unread>>,
    ) -> Result<(), Illegal> {
        if self.execution.phase != Phase::Undoing || self.execution.next_undo() != Some(item) {
            return Ok(());
        }
        let Some(entry) = self.execution.rollback.as_ref().and_then(|it| it.items.get(item as usize)).cloned() else {
            return Ok(());
        };
        let at = entry.item.at.clone();
        let Some(step) = self.undoing_step(&at).cloned() else { return Ok(()) };
        if let Some(error) = self.led_elsewhere(acts.iter().zip(&results)) {
            return self.stick_undo(now, item, &error);
        }
        if let (Some(next), Some(Err(error))) = (acts.first(), results.first())
            && self.execution.targets.is_known(next)
        {
            return self.stick_undo(now, item, &error.why);
        }
        let mut judged = Vec::with_capacity(acts.len());
        let mut results = results.into_iter();
        for act in acts {
            // What could not be read is judged as what it may be.
            let preparation = results.next().and_then(Result::ok).unwrap_or_else(unread);
            match self.judge_twice(&step, act, preparation) {
                Ok(twice) => judged.push(twice),
                Err(error) => return self.stick_undo(now, item, &error),
            }
        }
        self.settle_undo_judgement(now, item, &step, judged, true)
    }

    /// Settles whether what takes an item back may run: it may, is forbidden, or an approval is asked for. Where it is not
    /// `declared` but captured by the act, the policy of the start has judged it with that.
    pub(super) fn settle_undo_judgement(
        &mut self,
        now: Timestamp,
        item: u32,
        step: &Step,
        judged: Vec<JudgedTwice>,
        declared: bool,
    ) -> Result<(), Illegal> {
        let Some(entry) = self.execution.rollback.as_ref().and_then(|it| it.items.get(item as usize)).cloned() else {
            return Ok(());
        };
        let forbidden = judged.iter().find_map(|judged| judged.by_both.1.forbidden.as_ref());
        let forbidden = forbidden.map(|reason| format!("policy rule `{}` forbids it: {}", reason.rule, reason.text));
        let unread = || self.refused_held(judged.iter().map(|judged| &judged.by_both.0));
        if let Some(error) = forbidden.or_else(unread) {
            return self.stick_undo(now, item, &error);
        }
        let at = entry.item.at.clone();
        let asked = entry.request.as_ref().filter(|request| request.call.is_none() && request.granted());
        let visit = self.execution.visit(&at);
        let agreed = asked.map(|request| &request.asked).or_else(|| visit.and_then(Visit::approval_of_step));
        let beyond = self.beyond(now, step, &at, &judged, agreed);
        let (planned, verdicts): (Vec<_>, Vec<_>) = judged.into_iter().map(|judged| judged.by_both).unzip();
        if let Some(request) = asked {
            return self.use_undo_approval(now, item, &entry, request, &planned, &verdicts, beyond);
        }
        let covered = !declared || visit.is_some_and(Visit::undo_is_approved);
        let number = visit.and_then(Visit::plan).map_or(0, |plan| plan.number);
        let undo = UndoPlan::NotNeeded;
        let asking = Asking { at: &at, plan: number, call: None, acts: &planned, undo: &undo, attempts: 1 };
        let asks = !covered || !beyond.is_empty();
        match self.approval_for(now, step, &asking, &verdicts).filter(|_| asks) {
            None => {
                self.allowed.insert(item);
                Ok(())
            }
            Some(approval) => {
                self.record(now, Transition::UndoAsked { item, acts: planned, approval: Box::new(approval) })
            }
        }
    }

    /// An item cannot go on without a person.
    pub(super) fn stick_undo(&mut self, now: Timestamp, item: u32, error: &str) -> Result<(), Illegal> {
        self.record(now, Transition::UndoStuck { item, detail: json!({ "error": error }) })
    }

    /// The step whose declaration says what takes a step back.
    fn undoing_step(&self, at: &VisitId) -> Option<&Step> {
        let step = self.execution.step(&at.step)?;
        match &step.undo {
            Some(Undo::Step(name)) => self.execution.step(name).or(Some(step)),
            Some(Undo::Does(_) | Undo::Irreversible(_)) | None => Some(step),
        }
    }

    /// Compares what was agreed to with what is there now.
    #[expect(clippy::too_many_arguments, reason = "what was agreed to, what is there now, and what goes beyond it")]
    fn use_undo_approval(
        &mut self,
        now: Timestamp,
        item: u32,
        entry: &UndoEntry,
        request: &Request,
        planned: &[PlannedAct],
        verdicts: &[Verdict],
        beyond: Vec<String>,
    ) -> Result<(), Illegal> {
        let (at, asked) = (entry.item.at.clone(), &request.asked);
        let used = self.execution.visit(&at).is_some_and(|visit| {
            visit.acts.iter().any(|act: &ActRecord| act.id.act.takes_back() && act.started_at >= asked.requested_at)
        });
        if !used && now >= asked.expires_at {
            return self.expire_undo_approval(now, entry);
        }
        // Acts that have ended since are no longer among those that are judged now.
        let rest = entry.asked.len().saturating_sub(planned.len());
        let mut difference = Vec::new();
        for ((known, fresh), verdict) in entry.asked.iter().skip(rest).zip(planned).zip(verdicts) {
            if !used {
                difference.extend(basis_difference(&describe(&known.act), &known.preparation, &fresh.preparation));
            }
            difference.extend(stricter(asked, verdict));
        }
        for more in beyond {
            if !difference.contains(&more) {
                difference.push(more);
            }
        }
        if difference.is_empty() {
            self.allowed.insert(item);
            return Ok(());
        }
        let how = Closing::Voided { difference };
        self.record(now, Transition::ApprovalClosed { at, digest: asked.digest.clone(), how })
    }

    /// Waits for the approval of an undo, until its time has ended.
    pub(super) fn await_undo_approval(&mut self, now: Timestamp, entry: &UndoEntry) -> Result<bool, Illegal> {
        let Some(request) = &entry.request else { return Ok(false) };
        if now < request.asked.expires_at {
            self.effects.push(Effect::Wake(request.asked.expires_at));
            return Ok(false);
        }
        self.expire_undo_approval(now, entry)?;
        Ok(true)
    }

    fn expire_undo_approval(&mut self, now: Timestamp, entry: &UndoEntry) -> Result<(), Illegal> {
        let Some(request) = &entry.request else { return Ok(()) };
        let (at, digest) = (entry.item.at.clone(), request.asked.digest.clone());
        self.record(now, Transition::ApprovalClosed { at: at.clone(), digest, how: Closing::Expired })?;
        self.undo_refused(now, &at, "nobody approved it in time")
    }

    /// What takes a step back was not allowed: a person says what becomes of it.
    pub(super) fn undo_refused(&mut self, now: Timestamp, at: &VisitId, why: &str) -> Result<(), Illegal> {
        let running = self.execution.is_undo_running();
        match self.execution.next_undo() {
            // The script that asked is still ending, and is stuck by that.
            Some(_) if running => Ok(()),
            Some(item) => self.stick_undo(now, item, why),
            None => Err(Illegal { transition: "undo_stuck", why: format!("`{at}` is not being taken back") }),
        }
    }

    /// A call of a script that takes a step back: covered by the step's approval, or asked for like any other.
    pub(super) fn judge_undo_call(
        &mut self,
        now: Timestamp,
        calling: &Calling<'_>,
        undo: u32,
        planned: PlannedAct,
        verdict: &Verdict,
    ) -> Result<(), Illegal> {
        let (script, index, function) = (calling.script, calling.index, calling.function.clone());
        let at = script.at.clone();
        let visit = self.execution.visit(&at);
        let known =
            visit.and_then(|visit| visit.undo_paths.get(&undo)).and_then(|path| path.calls.get(&index)).cloned();
        let covered = visit.is_some_and(Visit::undo_is_approved);
        let request = self.undo_request_of(script);
        let of_acts = request.as_ref().is_some_and(|request| request.call.is_none() && request.granted());
        let of_call = request.clone().filter(|request| request.call == Some(index) && request.granted());
        let Some(step) = self.undoing_step(&at).cloned() else { return Ok(()) };
        let agreed = match &request {
            Some(request) if of_acts => Some(&request.asked),
            Some(_) | None => visit.and_then(Visit::approval_of_step),
        };
        let beyond = self.beyond_call(now, &step, calling, &planned, agreed);
        let mut asks = verdict.required && ((!covered && !of_acts) || !beyond.is_empty());
        if let Some(request) = of_call.filter(|_| asks) {
            let asked = request.asked;
            let mut difference = known.as_ref().map_or_else(Vec::new, |known| {
                basis_difference(&describe(&known.act.act), &known.act.preparation, &planned.preparation)
            });
            difference.extend(stricter(&asked, verdict));
            let how = match (now >= asked.expires_at, difference.is_empty()) {
                (true, _) => Some(Closing::Expired),
                (false, false) => Some(Closing::Voided { difference }),
                (false, true) => None,
            };
            match how {
                Some(how) => {
                    self.record(now, Transition::ApprovalClosed { at: at.clone(), digest: asked.digest, how })?;
                }
                None => asks = false,
            }
        }
        let number = self.execution.visit(&at).and_then(Visit::plan).map_or(0, |plan| plan.number);
        let acts = std::slice::from_ref(&planned);
        let nothing = UndoPlan::NotNeeded;
        let asking = Asking { at: &at, plan: number, call: Some(index), acts, undo: &nothing, attempts: 1 };
        let approval = if asks {
            self.approval_for(now, &step, &asking, std::slice::from_ref(verdict)).map(Box::new)
        } else {
            None
        };
        let waits = approval.is_some();
        if known.is_none() || waits {
            let act = Box::new(planned.clone());
            self.record(now, Transition::CallPlanned { at, undo: Some(undo), call: index, function, act, approval })?;
        }
        if waits {
            self.answer(script, index, HostAnswer::Suspend);
            return Ok(());
        }
        self.start_call(now, script, index, planned)
    }

    /// The request of the entry whose script runs.
    fn undo_request_of(&self, script: &InvocationId) -> Option<Request> {
        let running = crate::execution::UndoEntryState::Acting(script.clone());
        let mut entries = self.execution.rollback.iter().flat_map(|rollback| &rollback.items);
        entries.find(|entry| entry.state == running)?.request.clone()
    }
}

/// What is known of an act whose state before could not be read: nothing.
fn unread() -> Preparation {
    Preparation {
        target: ActTarget { name: String::new(), fingerprint: None },
        effect: ActEffect::Read,
        impact: Impact::High,
        reasons: Vec::new(),
        facts: std::collections::BTreeMap::new(),
        basis: Basis::default(),
        undo: None,
        candidates: std::collections::BTreeMap::new(),
        notes: Vec::new(),
    }
}
