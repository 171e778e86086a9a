//! One execution: where it stands, what it waits for, and what the running act writes.

use belay_cockpit::api::{
    Answer, Call, CallError, Driven, Event, ExecutionPage, ExecutionRequest, Said, SayRequest, StepSpec,
};
use belay_cockpit::wire::{ExecutionView, StepView, TakenBack, Waiting};

use super::output::Output;
use crate::cockpit::scroll::{List, Motion, Scroll};
use crate::cockpit::state::Desk;
use crate::cockpit::view::execution::detail;

/// An execution's page.
#[derive(Debug, Default)]
pub struct Execution {
    /// Its id, or `@last`.
    pub id: String,
    /// Its state as it was told last.
    pub page: Option<ExecutionPage>,
    /// Why there is none.
    pub error: Option<CallError>,
    /// Why driving stopped here.
    pub stopped: Option<CallError>,
    /// The step that is shown.
    pub list: List,
    /// Whether the shown step was picked, and does not follow what happens.
    pub picked: bool,
    /// The place in what is shown of the step.
    pub scroll: Scroll,
    /// Output of the act that runs or ran last.
    pub output: Output,
    /// Whether the output fills the page.
    pub zoomed: bool,
    /// Something that was said without words and is not answered yet.
    saying: Option<Saying>,
    /// Events that came before the state that they follow.
    early: Vec<(u64, Event)>,
}

/// Something that was said and is not answered yet.
#[derive(Debug)]
struct Saying {
    /// The call.
    n: u64,
    /// What the execution waited for when it was said.
    about: Vec<Waiting>,
    /// What was said to the question that came since.
    next: Option<Said>,
}

impl Execution {
    /// The page of an execution.
    pub fn new(id: String) -> Self {
        Self { id, ..Self::default() }
    }

    /// Asks for the state anew.
    pub fn ask(&mut self, desk: &mut Desk<'_>) {
        desk.ask(Call::Execution(ExecutionRequest { execution: self.id.clone() }));
    }

    /// Says something. While an answer is on its way only what is said to another question counts: the next one stands on
    /// the screen as soon as it is there, and a key that is pressed then is not lost.
    pub fn say(&mut self, said: Said, desk: &mut Desk<'_>) {
        let about = self.view().map(|view| view.summary.waiting_on.clone()).unwrap_or_default();
        match &mut self.saying {
            None => {
                let n = desk.ask(Call::Say(SayRequest { execution: self.id.clone(), saying: said }));
                self.saying = Some(Saying { n, about, next: None });
            }
            Some(saying) if saying.about != about => saying.next = Some(said),
            Some(_) => {}
        }
    }

    /// The state.
    pub fn view(&self) -> Option<&ExecutionView> {
        self.page.as_ref().map(|page| &page.view)
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.view().is_some_and(|view| view.summary.finished_at.is_none())
    }

    /// Whether this process drives it.
    pub fn is_driven_here(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.driven == Driven::Here)
    }

    /// What a rollback would do, in its order, in lines for whoever confirms it.
    pub fn takes_back(&self) -> Vec<String> {
        let Some(view) = self.view() else { return Vec::new() };
        if view.takes_back.is_empty() {
            return vec!["nothing was changed that would be taken back".to_owned()];
        }
        let one = |(index, item): (usize, &TakenBack)| {
            let how = match item.status.as_str() {
                "irreversible" => format!("stays: {}", item.how),
                "undeclared" => "stays: nothing takes it back".to_owned(),
                _ => item.how.clone(),
            };
            format!("{}. {} — {how}", index + 1, item.title)
        };
        let lead = if view.takes_back.iter().all(|item| item.status == "by_hand") {
            "nothing is taken back by itself; this was done by hand:".to_owned()
        } else {
            "it is taken back in this order, each only if its state is still the one it left:".to_owned()
        };
        std::iter::once(lead).chain(view.takes_back.iter().enumerate().map(one)).collect()
    }

    /// Whether an act runs.
    pub fn runs(&self) -> bool {
        let acting = |step: &StepView| step.attempts.iter().any(|attempt| attempt.status == "running");
        self.view().is_some_and(|view| view.steps.iter().any(acting))
    }

    pub(super) fn answered(&mut self, n: u64, answer: Result<Answer, CallError>, desk: &mut Desk<'_>) {
        if let Some(saying) = self.saying.take_if(|saying| saying.n == n)
            && let (Some(next), true) = (saying.next, answer.is_ok())
        {
            self.say(next, desk);
        }
        match answer {
            Ok(Answer::Execution(page)) => {
                self.error = None;
                // `@last` is another one later.
                self.id.clone_from(&page.view.summary.execution);
                match &page.running {
                    Some(running) => self.output.restore(running),
                    None if self.page.is_none() => self.output = Output::default(),
                    None => {}
                }
                let place = page.place.n;
                self.page = Some(*page);
                for (n, event) in std::mem::take(&mut self.early) {
                    if n > place {
                        self.take(&event);
                    }
                }
                self.settle(desk);
            }
            Err(error) if self.page.is_none() => self.error = Some(error),
            Ok(_) | Err(_) => {}
        }
    }

    pub(super) fn told(&mut self, n: u64, event: &Event) {
        if !self.is_about(event) {
            return;
        }
        match &self.page {
            None => self.early.push((n, event.clone())),
            Some(page) if n > page.place.n => self.take(event),
            Some(_) => {}
        }
    }

    fn is_about(&self, event: &Event) -> bool {
        let of = match event {
            Event::Execution { view, .. } => &view.summary.execution,
            Event::ActStarted { execution, .. }
            | Event::Output { execution, .. }
            | Event::Escalated { execution, .. }
            | Event::Stopped { execution, .. } => execution,
            Event::Notice { execution, .. } => return execution.as_ref() == Some(&self.id),
            Event::OutputSkipped {} => return true,
            Event::CatalogChanged { .. } | Event::Opened { .. } => return false,
        };
        *of == self.id
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Execution { view, driven } => {
                let Some(page) = &mut self.page else { return };
                page.view.clone_from(view);
                page.driven = *driven;
                if *driven == Driven::Here {
                    self.stopped = None;
                }
                if !self.picked {
                    let now = self.now_step();
                    if now != self.list.selected {
                        self.list.selected = now;
                        self.scroll = Scroll::default();
                    }
                }
            }
            Event::ActStarted { step, .. } => self.output.begin(step),
            Event::Output { step, stream, at, text, .. } => self.output.take(step, stream, *at, text),
            Event::OutputSkipped {} => self.output.cut = true,
            Event::Stopped { error, hint, .. } => {
                self.stopped =
                    Some(CallError { class: "environment".to_owned(), message: error.clone(), hint: hint.clone() });
            }
            Event::Notice { .. } | Event::Escalated { .. } | Event::CatalogChanged { .. } | Event::Opened { .. } => {}
        }
    }

    /// The step that matters now: it runs, waits, or went wrong; else the last one that was reached.
    fn now_step(&self) -> usize {
        let Some(view) = self.view() else { return 0 };
        let running = |step: &StepView| step.attempts.iter().any(|attempt| attempt.status == "running");
        let place = |name: &str| view.steps.iter().position(|step| step.name == name);
        let waits = || view.summary.waiting_on.iter().find_map(|waiting| place(waiting.step.as_deref()?));
        let wrong = |step: &StepView| {
            matches!(step.status.as_str(), "failed" | "interrupted" | "contested" | "undo_failed" | "cancelled")
        };
        let reached = |step: &StepView| !matches!(step.status.as_str(), "pending" | "not_taken");
        view.steps
            .iter()
            .position(running)
            .or_else(waits)
            .or_else(|| view.steps.iter().rposition(wrong))
            .or_else(|| view.steps.iter().rposition(reached))
            .unwrap_or(0)
    }

    fn settle(&mut self, desk: &mut Desk<'_>) {
        if !self.picked {
            self.list.selected = self.now_step();
        }
        let count = self.view().map_or(0, |view| view.steps.len());
        self.list.settle(count, desk.size.page_rows());
    }

    /// Shows the step that matters now, and follows it.
    pub fn now(&mut self, desk: &mut Desk<'_>) {
        self.picked = false;
        self.scroll = Scroll::default();
        self.settle(desk);
    }

    /// The step that is shown.
    pub fn step(&self) -> Option<&StepView> {
        self.view()?.steps.get(self.list.selected)
    }

    /// The step that is shown, as its runbook has it.
    pub fn written(&self) -> Option<&StepSpec> {
        let name = &self.step()?.name;
        let runbook = &self.page.as_ref()?.runbook;
        runbook.steps.iter().chain(&runbook.rollback_steps).find(|step| step.name == *name)
    }

    /// What waits for a person: at the step that is shown, or else the first.
    pub fn waiting(&self) -> Option<&Waiting> {
        let waiting = &self.view()?.summary.waiting_on;
        let shown = self.step().map(|step| step.name.as_str());
        waiting.iter().find(|waiting| waiting.step.is_some() && waiting.step.as_deref() == shown).or(waiting.first())
    }

    /// The step of a name.
    pub fn step_named(&self, name: &str) -> Option<&StepView> {
        self.view()?.steps.iter().find(|step| step.name == name)
    }

    /// The step at which it failed.
    pub fn failed(&self) -> Option<&StepView> {
        let view = self.view()?;
        if view.summary.status != "failed" {
            return None;
        }
        view.steps.iter().rev().find(|step| matches!(step.status.as_str(), "failed" | "cancelled"))
    }

    /// Whether output of the shown step is at hand.
    pub fn has_output(&self) -> bool {
        self.output.count() > 0 && self.step().is_some_and(|step| step.name == self.output.step)
    }

    pub(super) fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        let seen = desk.size.page_rows();
        if self.zoomed {
            return self.output.go(motion, seen.saturating_sub(1));
        }
        let count = self.view().map_or(0, |view| view.steps.len());
        if matches!(motion, Motion::PageUp | Motion::PageDown) {
            let columns = desk.size.text_columns() * 6 / 10;
            let lines = detail(self, columns).lines().count();
            self.scroll.go(motion, lines, seen / 2);
            return;
        }
        self.picked = true;
        let before = self.list.selected;
        self.list.go(motion, count, seen.saturating_sub(2));
        if before != self.list.selected {
            self.scroll = Scroll::default();
        }
    }
}
