//! What people say: checked against the state, then cited by the transition that it causes.

use std::collections::BTreeMap;

use belay_runbook::act::{Ending, Outcome};
use belay_runbook::model::StepKind;
use jiff::Timestamp;
use serde_json::Value;

use super::{Busy, Driver};
use crate::event::{
    Author, Checklist, Closing, Confirmation, Event, Finish, Need, Settlement, Statement, Stop, Transition, UndoChoice,
};
use crate::execution::{Execution, Phase, Stage, UndoEntryState, Visit};
use crate::fold::Illegal;
use crate::ids::{EventHash, InvocationId, VisitId};
use crate::status::StepStatus;

/// A statement whose envelope is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    /// The envelope's hash.
    pub hash: EventHash,
    /// Who said it.
    pub by: Author,
    /// What.
    pub statement: Statement,
}

/// Why an input is not taken. The state is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The execution has ended.
    #[error("the execution has ended")]
    Ended,
    /// There is no such step here.
    #[error("step `{0}` was not reached")]
    NotReached(VisitId),
    /// The flow is elsewhere.
    #[error("step `{asked}` is not the one that waits{}", current.as_ref().map(|at| format!("; that is `{at}`")).unwrap_or_default())]
    Elsewhere {
        /// The step that was named.
        asked: VisitId,
        /// The step that the flow is at.
        current: Option<VisitId>,
    },
    /// The step does not wait for this.
    #[error("{0}")]
    NotNow(String),
    /// A decision has no such branch.
    #[error("there is no branch `{branch}`")]
    UnknownBranch {
        /// The branch that was named.
        branch: String,
        /// The branches of the step.
        known: Vec<String>,
    },
    /// The approval is for something else than what waits.
    #[error("the digest is not the one that is asked for: what would run has changed")]
    OtherDigest,
    /// The request's time has ended.
    #[error("the request has expired")]
    Expired,
    /// An approver who is alone has to type the target.
    #[error("the target's name has to be typed: `{0}`")]
    Target(String),
    /// The target that was typed is another one.
    #[error("`{typed}` is not the target of what would run, which is `{target}`")]
    OtherTarget {
        /// What was typed.
        typed: String,
        /// The request's.
        target: String,
    },
    /// An input that belongs to nothing that is under way.
    #[error("nothing that is under way waits for this")]
    Stale,
    /// The state machine does not allow it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
}

impl Execution {
    /// Whether a statement could be taken now; asked before it is made durable.
    pub fn accepts(&self, statement: &Statement, now: Timestamp) -> Result<(), Refusal> {
        match statement {
            Statement::Note { .. } => Ok(()),
            Statement::Rollback { .. } => match &self.phase {
                Phase::Undoing | Phase::RollbackSteps | Phase::Stopping(Stop::Rollback) => {
                    Err(Refusal::NotNow("it is rolling back already".to_owned()))
                }
                Phase::Finished(Finish::RolledBack) => Err(Refusal::NotNow("it was rolled back".to_owned())),
                Phase::Finished(_) | Phase::Checklist | Phase::Forward | Phase::SignOff | Phase::Stopping(_) => Ok(()),
            },
            Statement::Retry { at }
            | Statement::Skip { at, .. }
            | Statement::Confirm { at, outcome: Confirmation::Done, by_hand: true, .. }
                if self.is_finished() =>
            {
                self.accepts_reopening(at)
            }
            Statement::Check { list, items, .. } => self.accepts_check(*list, items),
            Statement::Provide { .. } => self.still_open(),
            Statement::Confirm { at, outcome, by_hand, .. } => self.accepts_confirmation(at, *outcome, *by_hand),
            Statement::Decide { at, branch } => self.accepts_decision(at, branch),
            Statement::Approve { at, digest, target, .. } => {
                let request = self.request(at, digest)?;
                if now >= request.expires_at {
                    return Err(Refusal::Expired);
                }
                match target {
                    Some(typed) if self.is_solo() && *typed != request.target => {
                        Err(Refusal::OtherTarget { typed: typed.clone(), target: request.target.clone() })
                    }
                    None if self.is_solo() => Err(Refusal::Target(request.target.clone())),
                    Some(_) | None => Ok(()),
                }
            }
            Statement::Reject { at, digest, .. } => self.request(at, digest).map(|_| ()),
            Statement::Retry { at } | Statement::Skip { at, .. } => {
                let visit = self.waiting_visit(at)?;
                self.settled(visit)
            }
            Statement::Pause => match (self.still_open(), self.paused) {
                (Ok(()), true) => Err(Refusal::NotNow("it is paused".to_owned())),
                (Ok(()), false) if matches!(self.phase, Phase::Checklist | Phase::Forward | Phase::SignOff) => Ok(()),
                (Ok(()), false) => Err(Refusal::NotNow("it is stopping or rolling back".to_owned())),
                (Err(refusal), _) => Err(refusal),
            },
            Statement::Resume if self.paused => Ok(()),
            Statement::Resume => Err(Refusal::NotNow("it is not paused".to_owned())),
            Statement::Abort { .. } => match &self.phase {
                Phase::Stopping(Stop::Abort) => Err(Refusal::NotNow("it is being aborted".to_owned())),
                Phase::Checklist
                | Phase::Forward
                | Phase::SignOff
                | Phase::Stopping(_)
                | Phase::Undoing
                | Phase::RollbackSteps
                | Phase::Finished(_) => self.still_open(),
            },
            Statement::SettleUndo { at, choice, .. } => {
                let item = self.stuck_item(at)?;
                let started = self
                    .rollback
                    .as_ref()
                    .and_then(|rollback| rollback.items.get(item as usize))
                    .is_some_and(|entry| entry.unsettled.is_some());
                if *choice == UndoChoice::Done && !started {
                    let why = format!("no undo act of step `{at}` was started; say that it was taken back by hand");
                    return Err(Refusal::NotNow(why));
                }
                Ok(())
            }
        }
    }

    fn still_open(&self) -> Result<(), Refusal> {
        if self.is_finished() { Err(Refusal::Ended) } else { Ok(()) }
    }

    fn accepts_reopening(&self, at: &VisitId) -> Result<(), Refusal> {
        let visit = self.visit(at).ok_or_else(|| Refusal::NotReached(at.clone()))?;
        let failed = matches!(visit.stage, Stage::Ended(StepStatus::Failed | StepStatus::Cancelled));
        match self.phase {
            Phase::Finished(Finish::Failed) if failed && self.rollback.is_none() => Ok(()),
            Phase::Finished(_)
            | Phase::Checklist
            | Phase::Forward
            | Phase::SignOff
            | Phase::Stopping(_)
            | Phase::Undoing
            | Phase::RollbackSteps => Err(Refusal::Ended),
        }
    }

    fn accepts_check(&self, list: Checklist, items: &[u32]) -> Result<(), Refusal> {
        let open = match list {
            Checklist::Prerequisites => self.phase == Phase::Checklist,
            Checklist::PostConditions => self.phase == Phase::SignOff,
        };
        if !open {
            return Err(Refusal::NotNow("that checklist is not open".to_owned()));
        }
        let count = self.checklist(list).len();
        match items.iter().find(|item| **item as usize >= count) {
            Some(item) => Err(Refusal::NotNow(format!("the checklist has no item {}", item.saturating_add(1)))),
            None => Ok(()),
        }
    }

    fn accepts_confirmation(&self, at: &VisitId, outcome: Confirmation, by_hand: bool) -> Result<(), Refusal> {
        let visit = self.waiting_visit(at)?;
        match (&visit.stage, outcome) {
            (Stage::Interrupted(_) | Stage::Person(Need::Confirmation), Confirmation::Done | Confirmation::Failed)
            | (Stage::Interrupted(_), Confirmation::NotDone | Confirmation::Undo) => Ok(()),
            (Stage::Acting(_), _) => Err(Refusal::NotNow(format!("step `{at}` is running; cancel it first"))),
            (Stage::Person(Need::Decision { .. }), _) => {
                Err(Refusal::NotNow(format!("step `{at}` waits for a decision; pick a branch")))
            }
            (_, Confirmation::Done) if by_hand => Ok(()),
            (Stage::Person(Need::Confirmation), Confirmation::NotDone | Confirmation::Undo) => {
                Err(Refusal::NotNow(format!("step `{at}` was not started; skip it, or confirm it as failed")))
            }
            (
                Stage::Entered | Stage::Person(_) | Stage::Approval | Stage::Ready | Stage::Retry(_) | Stage::Ended(_),
                Confirmation::Done | Confirmation::NotDone | Confirmation::Failed | Confirmation::Undo,
            ) => Err(Refusal::NotNow(format!("step `{at}` does not wait for a confirmation"))),
        }
    }

    fn accepts_decision(&self, at: &VisitId, branch: &str) -> Result<(), Refusal> {
        let visit = self.waiting_visit(at)?;
        if !matches!(visit.stage, Stage::Person(Need::Decision { .. })) {
            return Err(Refusal::NotNow(format!("step `{at}` does not wait for a decision")));
        }
        let step = self.step(&at.step).ok_or_else(|| Refusal::NotReached(at.clone()))?;
        if step.branches.contains_key(branch) {
            return Ok(());
        }
        Err(Refusal::UnknownBranch { branch: branch.to_owned(), known: step.branches.keys().cloned().collect() })
    }

    fn request(&self, at: &VisitId, digest: &str) -> Result<&crate::event::ApprovalRequest, Refusal> {
        if self.phase == Phase::Undoing {
            let asked = self.asking_undo().filter(|entry| &entry.item.at == at);
            let Some(request) = asked.and_then(|entry| entry.request.as_ref()) else {
                return Err(Refusal::NotNow(format!("taking step `{at}` back does not wait for an approval")));
            };
            return if request.asked.digest == digest { Ok(&request.asked) } else { Err(Refusal::OtherDigest) };
        }
        let visit = self.waiting_visit(at)?;
        match &visit.request {
            Some(request) if request.open() && request.asked.digest == digest => Ok(&request.asked),
            Some(request) if request.open() => Err(Refusal::OtherDigest),
            Some(_) | None if matches!(visit.stage, Stage::Person(Need::Renewal)) => Err(Refusal::Expired),
            Some(_) | None => Err(Refusal::NotNow(format!("step `{at}` does not wait for an approval"))),
        }
    }

    fn waiting_visit(&self, at: &VisitId) -> Result<&Visit, Refusal> {
        self.still_open()?;
        if self.current.as_ref() != Some(at) {
            return Err(Refusal::Elsewhere { asked: at.clone(), current: self.current.clone() });
        }
        self.visit(at).ok_or_else(|| Refusal::NotReached(at.clone()))
    }

    fn settled(&self, visit: &Visit) -> Result<(), Refusal> {
        if !matches!(self.phase, Phase::Forward | Phase::RollbackSteps) {
            return Err(Refusal::NotNow("it is stopping or rolling back".to_owned()));
        }
        match &visit.stage {
            Stage::Acting(_) => Err(Refusal::NotNow(format!("step `{}` is running; cancel it first", visit.id))),
            Stage::Interrupted(_) => Err(Refusal::NotNow(format!(
                "the outcome of step `{}` is not known; confirm it first as done, not done, failed or to be undone",
                visit.id
            ))),
            Stage::Entered | Stage::Person(_) | Stage::Approval | Stage::Ready | Stage::Retry(_) | Stage::Ended(_) => {
                Ok(())
            }
        }
    }

    /// The stuck item of the rollback that takes a step back.
    pub fn stuck_item(&self, at: &VisitId) -> Result<u32, Refusal> {
        if self.phase != Phase::Undoing {
            return Err(Refusal::NotNow("nothing is being taken back".to_owned()));
        }
        self.rollback
            .iter()
            .flat_map(|rollback| rollback.items.iter().enumerate())
            .find(|(_, entry)| &entry.item.at == at && matches!(entry.state, UndoEntryState::Stuck(_)))
            .and_then(|(index, _)| u32::try_from(index).ok())
            .ok_or_else(|| Refusal::NotNow(format!("no undo of step `{at}` is stuck")))
    }
}

impl Driver {
    pub(super) fn hear(&mut self, now: Timestamp, stated: &Stated) -> Result<(), Refusal> {
        if self.execution.cited.contains(&stated.hash) {
            // It took effect before; events count once, however often they arrive.
            return Err(Refusal::Stale);
        }
        self.execution.accepts(&stated.statement, now)?;
        let cites = vec![stated.hash.clone()];
        let by = stated.by.clone();
        match &stated.statement {
            Statement::Note { text } => {
                Ok(self.record_citing(now, Transition::Noted { by, text: text.clone() }, cites)?)
            }
            Statement::Check { list, items, note } => {
                self.record_citing(now, Transition::Checked { list: *list, items: items.clone() }, cites)?;
                self.remark(now, &by, note.as_ref())
            }
            Statement::Provide { values } => self.provide(now, values, cites),
            Statement::Confirm { at, outcome, by_hand, note } => {
                self.confirm(now, at, *outcome, *by_hand, stated)?;
                self.remark(now, &by, note.as_ref())
            }
            Statement::Decide { at, branch } => self.decide(now, at, branch, cites),
            Statement::Approve { at, digest, comment, .. } => {
                let self_approved = by.responder == self.me.responder;
                let transition = Transition::ApprovalCounted {
                    at: at.clone(),
                    digest: digest.clone(),
                    by,
                    self_approved,
                    comment: comment.clone(),
                };
                Ok(self.record_citing(now, transition, cites)?)
            }
            Statement::Reject { at, digest, comment } => {
                let how = Closing::Rejected { by: by.clone(), comment: comment.clone() };
                let transition = Transition::ApprovalClosed { at: at.clone(), digest: digest.clone(), how };
                self.record_citing(now, transition, cites)?;
                if self.execution.phase == Phase::Undoing {
                    return Ok(self.undo_refused(now, at, &format!("{} rejected it", by.responder))?);
                }
                let waits = self.execution.visit(at).is_some_and(|visit| visit.stage == Stage::Approval);
                if !waits {
                    // The script that asked is still ending, or something is not settled: that comes first.
                    return Ok(());
                }
                let why = comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
                let error = format!("{} rejected it{why}", by.responder);
                Ok(self.fail_step(now, at, &error, StepStatus::Cancelled)?)
            }
            Statement::Retry { at } => {
                self.withdraw_request(now, at)?;
                self.forget_wait();
                self.needed.remove(at);
                Ok(self.record_citing(now, Transition::Retried { at: at.clone(), by }, cites)?)
            }
            Statement::Skip { at, reason } => self.skip(now, at, reason, by, cites),
            Statement::Pause => Ok(self.record_citing(now, Transition::Paused, cites)?),
            Statement::Resume => Ok(self.record_citing(now, Transition::Resumed, cites)?),
            Statement::Abort { reason } => self.stop_because(now, Stop::Abort, reason, cites),
            Statement::Rollback { reason } => self.stop_because(now, Stop::Rollback, reason, cites),
            Statement::SettleUndo { at, choice, note } => {
                let item = self.execution.stuck_item(at)?;
                if self.busy == Some(Busy::Comparing(item)) {
                    self.busy = None;
                }
                let transition = Transition::UndoSettled { item, choice: *choice, by: Some(by.clone()) };
                self.record_citing(now, transition, cites)?;
                self.allowed.remove(&item);
                if *choice == UndoChoice::Retry {
                    self.compared.remove(&item);
                }
                self.remark(now, &by, note.as_ref())
            }
        }
    }

    fn remark(&mut self, now: Timestamp, by: &Author, note: Option<&String>) -> Result<(), Refusal> {
        match note {
            Some(text) => Ok(self.record(now, Transition::Noted { by: by.clone(), text: text.clone() })?),
            None => Ok(()),
        }
    }

    fn provide(
        &mut self,
        now: Timestamp,
        values: &BTreeMap<String, Value>,
        cites: Vec<EventHash>,
    ) -> Result<(), Refusal> {
        Ok(self.record_citing(now, Transition::Provided { values: values.clone() }, cites)?)
    }

    fn decide(&mut self, now: Timestamp, at: &VisitId, branch: &str, cites: Vec<EventHash>) -> Result<(), Refusal> {
        let Some(step) = self.execution.step(&at.step).cloned() else {
            return Err(Refusal::NotReached(at.clone()));
        };
        self.take_branch(now, at, &step, branch)?;
        self.cite_last(cites);
        Ok(())
    }

    fn confirm(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        outcome: Confirmation,
        by_hand: bool,
        stated: &Stated,
    ) -> Result<(), Refusal> {
        let cites = vec![stated.hash.clone()];
        let stage = self.execution.visit(at).map(|visit| visit.stage.clone());
        if let Some(Stage::Interrupted(id)) = stage {
            return self.settle_by_person(now, &id, outcome, stated);
        }
        if outcome == Confirmation::Failed {
            self.fail_step(now, at, "a person said that it failed", StepStatus::Failed)?;
            self.cite_last(cites);
            return Ok(());
        }
        if self.execution.is_finished() {
            // Done by hand after it failed: the flow goes on after it.
            let by = stated.by.clone();
            self.record_citing(now, Transition::Retried { at: at.clone(), by }, cites.clone())?;
        }
        let manual = self.execution.step(&at.step).is_some_and(|step| step.kind == StepKind::Manual);
        self.withdraw_request(now, at)?;
        self.forget_wait();
        let next = Some(self.next_of(at));
        let transition = Transition::StepEnded {
            at: at.clone(),
            status: StepStatus::Succeeded,
            error: None,
            branch: None,
            by_hand: by_hand && !manual,
            by: Some(stated.by.clone()),
            next,
        };
        Ok(self.record_citing(now, transition, cites)?)
    }

    fn settle_by_person(
        &mut self,
        now: Timestamp,
        id: &InvocationId,
        outcome: Confirmation,
        stated: &Stated,
    ) -> Result<(), Refusal> {
        if matches!(&self.busy, Some(Busy::Probing(_))) {
            self.busy = None;
        }
        let settlement = match outcome {
            Confirmation::Done => {
                let seen = self.execution.act(id).and_then(|record| record.outcome.clone());
                let outcome = seen.unwrap_or_else(|| Outcome::bare(Ending::Lost));
                Settlement::Done(Box::new(Outcome { ending: Ending::Succeeded, error: None, ..outcome }))
            }
            Confirmation::NotDone => Settlement::NotDone,
            Confirmation::Failed => Settlement::Failed,
            Confirmation::Undo => Settlement::Undo,
        };
        let by = Some(stated.by.clone());
        let transition = Transition::ActSettled { id: id.clone(), settlement, by };
        Ok(self.record_citing(now, transition, vec![stated.hash.clone()])?)
    }

    fn skip(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        reason: &str,
        by: Author,
        cites: Vec<EventHash>,
    ) -> Result<(), Refusal> {
        if self.execution.is_finished() {
            self.record_citing(now, Transition::Retried { at: at.clone(), by }, cites.clone())?;
        }
        self.forget_wait();
        self.end_step(now, at, StepStatus::Skipped, Some(reason.to_owned()))?;
        self.cite_last(cites);
        Ok(())
    }

    fn stop_because(&mut self, now: Timestamp, then: Stop, reason: &str, cites: Vec<EventHash>) -> Result<(), Refusal> {
        self.record_citing(now, Transition::Stopping { then, reason: reason.to_owned() }, cites)?;
        self.forget_wait();
        Ok(self.cancel(now)?)
    }

    /// Lets go of a read or a pause whose answer no longer matters; a running act is never let go of.
    fn forget_wait(&mut self) {
        match &self.busy {
            Some(
                Busy::Planning { .. }
                | Busy::Rereading { .. }
                | Busy::Pausing { .. }
                | Busy::Needing(_)
                | Busy::Checking(_)
                | Busy::Judging { .. },
            ) => self.busy = None,
            Some(Busy::Acting(_) | Busy::Probing(_) | Busy::Comparing(_)) | None => {}
        }
        self.check = None;
        if !matches!(self.busy, Some(Busy::Acting(_))) {
            self.poll = None;
        }
    }

    /// Puts what the last transition rests on into its draft.
    fn cite_last(&mut self, cites: Vec<EventHash>) {
        let Some(draft) = self.drafts.last_mut() else { return };
        if let Event::Transition { transition, .. } = &draft.event {
            self.execution.cite(transition, &cites);
        }
        draft.cites.extend(cites);
    }
}
