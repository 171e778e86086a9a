//! What a start asks for: values with live judgement, what stands in the way, and the checklist that follows.

use belay_cockpit::api::{self, Answer, Call, CallError, CandidatesRequest, InputView, StartForm};
use serde_json::Value;

use crate::cockpit::choices::Choices;
use crate::cockpit::field::Field;
use crate::cockpit::message::Key;
use crate::cockpit::scroll::Motion;
use crate::cockpit::state::Desk;

/// Fields that every start has, behind the runbook's own.
pub const OTHERS: [(&str, &str); 3] = [
    ("incident", "the incident's id"),
    ("ticket", "the change ticket"),
    ("context", "where it acts; the current context where empty"),
];

/// A start that is being filled in.
#[derive(Debug)]
pub struct Start {
    /// The runbook.
    pub reference: String,
    /// Its title.
    pub title: String,
    /// The alert that triggers it.
    pub alert: Option<Value>,
    /// What is typed, for the runbook's inputs and then [`OTHERS`].
    pub fields: Vec<Field>,
    /// What was judged last.
    pub form: Option<StartForm>,
    /// Why it could not be judged or started.
    pub error: Option<CallError>,
    /// The row that is edited: a field, then the plan, then the start.
    pub row: usize,
    /// The start that is under way.
    pub starting: Option<u64>,
    /// The judgement that is under way; there is one at most.
    judging: Option<u64>,
    changed: bool,
    /// What the value that is edited could be.
    pub choices: Choices,
}

impl Start {
    /// An empty form.
    pub fn new(reference: String, title: String, alert: Option<Value>) -> Self {
        Self {
            reference,
            title,
            alert,
            fields: OTHERS.map(|_| Field::default()).into(),
            form: None,
            error: None,
            row: 0,
            starting: None,
            judging: None,
            changed: false,
            choices: Choices::default(),
        }
    }

    /// The runbook's inputs.
    pub fn inputs(&self) -> &[InputView] {
        self.form.as_ref().map_or(&[], |form| &form.inputs)
    }

    /// The row of the plan; the start's comes after it.
    pub fn plan_row(&self) -> usize {
        self.fields.len()
    }

    /// The row of the start.
    pub fn start_row(&self) -> usize {
        self.fields.len() + 1
    }

    /// The request as it is typed.
    pub fn request(&self) -> api::Start {
        let own = self.inputs().len();
        let other = |index: usize| {
            let text = self.fields.get(own + index).map(|field| field.text().trim().to_owned());
            text.filter(|text| !text.is_empty())
        };
        let typed = self.inputs().iter().zip(&self.fields).map(|(input, field)| (input.name.clone(), field.text()));
        api::Start {
            runbook: self.reference.clone(),
            variables: typed.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.to_owned())).collect(),
            alert: self.alert.clone(),
            incident: other(0),
            ticket: other(1),
            context: other(2),
        }
    }

    /// Has what is typed judged; while an answer is under way the next one waits for it.
    pub fn ask(&mut self, desk: &mut Desk<'_>) {
        if self.judging.is_some() {
            self.changed = true;
            return;
        }
        self.changed = false;
        self.judging = Some(desk.ask(Call::Form(self.request())));
    }

    pub(super) fn answered(&mut self, n: u64, answer: Result<Answer, CallError>, desk: &mut Desk<'_>) {
        if self.judging == Some(n) {
            self.judging = None;
            match answer {
                Ok(Answer::Form(form)) => {
                    self.judged(*form);
                    self.look(desk);
                }
                Ok(_) => {}
                Err(error) => self.error = Some(error),
            }
            if self.changed {
                self.ask(desk);
            }
        } else if self.choices.answered(n, &answer) {
            // It is shown with the field.
        } else if self.starting == Some(n) {
            self.starting = None;
            // What was typed stays where it was.
            self.error = answer.err();
        }
    }

    fn judged(&mut self, form: StartForm) {
        if self.form.is_none() {
            let own = form.inputs.iter().map(|_| Field::default());
            self.fields.splice(0..0, own);
            // What is missing comes first; with nothing missing a start is one key away.
            let missing = form.inputs.iter().position(|input| input.value.is_none() && input.required);
            self.form = Some(form);
            self.row = missing.unwrap_or_else(|| self.start_row());
        } else {
            self.form = Some(form);
        }
        self.error = None;
    }

    /// What a start needs and has not got, or would be refused for.
    pub fn lacks(&self) -> Vec<String> {
        let Some(form) = &self.form else { return vec!["the form".to_owned()] };
        let wrong = |input: &&InputView| input.problem.is_some() || (input.required && input.value.is_none());
        let mut lacks: Vec<String> = form.inputs.iter().filter(wrong).map(|input| input.name.clone()).collect();
        lacks.extend(form.needs_ticket.then(|| "a change ticket".to_owned()));
        lacks
    }

    pub(super) fn go(&mut self, motion: Motion) {
        self.row = motion.from(self.row, self.start_row() + 1, self.start_row() + 1);
    }

    /// Whether keys go into a field.
    pub fn is_typing(&self) -> bool {
        self.row < self.fields.len()
    }

    /// Looks for what the value that is edited could be, with what is typed for the others.
    fn look(&mut self, desk: &mut Desk<'_>) {
        let wanted = self.inputs().get(self.row).filter(|input| input.kind == "string" && input.options.is_empty());
        let Some(name) = wanted.map(|input| input.name.clone()) else { return self.choices.forget() };
        let mut start = self.request();
        start.variables.remove(&name);
        let about = format!("{name} {:?} {:?}", start.variables, start.context);
        if self.choices.is_new(&about) {
            let call = desk.ask(Call::Candidates(CandidatesRequest { start, names: vec![name] }));
            self.choices.look(about, call);
        }
    }

    pub(super) fn press(&mut self, key: &Key, desk: &mut Desk<'_>) -> bool {
        let row = self.row;
        let taken = self.take(key, desk);
        if self.row != row {
            self.look(desk);
        }
        taken
    }

    fn take(&mut self, key: &Key, desk: &mut Desk<'_>) -> bool {
        match key.name.as_str() {
            "Tab" | "Down" => self.go(Motion::Down),
            "BackTab" | "Up" => self.go(Motion::Up),
            "Enter" if self.is_typing() => self.go(Motion::Down),
            "Left" | "Right" if self.has_options() => self.choose(key.name == "Right", desk),
            "Left" | "Right" if self.pick(key.name == "Right") => self.ask(desk),
            _ if self.is_typing() => {
                // Esc, and keys that type nothing.
                if key.request.is_none() {
                    return false;
                }
                let typed = self.fields.get_mut(self.row).is_some_and(|field| field.press(key));
                if typed {
                    self.ask(desk);
                }
            }
            _ => return false,
        }
        true
    }

    /// Takes the candidate beside the one that was picked; says whether there is one.
    fn pick(&mut self, on: bool) -> bool {
        let Some(field) = self.fields.get_mut(self.row) else { return false };
        let Some(picked) = self.choices.pick(field.text(), on) else { return false };
        *field = Field::new(&picked);
        true
    }

    fn options(&self) -> &[String] {
        self.inputs().get(self.row).map_or(&[], |input| &input.options)
    }

    fn has_options(&self) -> bool {
        !self.options().is_empty()
    }

    /// Takes the next or the previous of the values that are allowed.
    fn choose(&mut self, on: bool, desk: &mut Desk<'_>) {
        let value = self.inputs().get(self.row).and_then(|input| input.value.clone()).unwrap_or_default();
        let options = self.options();
        let count = options.len();
        let next = match options.iter().position(|option| *option == value) {
            Some(at) if on => (at + 1) % count,
            Some(at) => (at + count - 1) % count,
            None => 0,
        };
        let chosen = options.get(next).cloned().unwrap_or_default();
        if let Some(field) = self.fields.get_mut(self.row) {
            *field = Field::new(&chosen);
            self.ask(desk);
        }
    }

    pub(super) fn paste(&mut self, text: &str, desk: &mut Desk<'_>) {
        if self.fields.get_mut(self.row).is_some_and(|field| field.paste(text)) {
            self.ask(desk);
        }
    }

    /// Starts.
    pub fn begin(&mut self, desk: &mut Desk<'_>) {
        if self.starting.is_none() {
            self.error = None;
            self.starting = Some(desk.ask(Call::Start(self.request())));
        }
    }
}
