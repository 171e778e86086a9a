//! What a guided run does about what happens: events, typed lines and Ctrl-C in, deeds out. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_cockpit::wire::{Candidates, DriveEvent, ExecutionView};
use belay_cockpit::{CockpitError, Saying, judge_input};
use belay_runbook::model::Runbook;
use serde_json::Value;

use super::narrator::Narrator;
use super::prompts;
use super::question::{Question, Reply};
use super::values::Values;
use crate::style::Style;
use crate::text;

/// What happens to a guided run.
#[derive(Debug)]
pub enum Happening {
    /// The drive tells something.
    Event(DriveEvent),
    /// Where the execution stands, while it is not driven here.
    Elsewhere(Box<ExecutionView>),
    /// The drive has ended.
    Ended,
    /// A line was typed.
    Line(String),
    /// The terminal was closed, or Ctrl-D typed.
    EndOfInput,
    /// Ctrl-C.
    Interrupt,
    /// What was said was taken.
    Taken,
    /// What was said was not taken.
    Refused(CockpitError),
    /// What a missing value could be, or why that cannot be listed.
    Found(Candidates),
}

/// What a guided run wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Print this.
    Print(String),
    /// Say this to the execution.
    Say(Saying),
    /// Drive the execution here.
    Drive,
    /// Look for what a missing value could be, given what was typed for others.
    Look { name: String, given: BTreeMap<String, Value> },
    /// Cancel the running act.
    Cancel,
    /// Forget what was typed and not read: it was meant for another question.
    ForgetTyped,
    /// Stop driving and end.
    Leave,
}

/// The guided run of one execution.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and every mix of them occurs")]
pub struct Guide {
    style: Style,
    execution: String,
    narrator: Narrator,
    /// The question that is asked, and those below it that come back when it is answered.
    questions: Vec<Question>,
    /// The questions whose answer is on its way; they come back should it be refused.
    answered: Vec<Question>,
    /// Whether the prompt is the last thing on the screen.
    prompted: bool,
    /// Whether an answer is on its way.
    saying: bool,
    /// Whether the question whose answer is on its way was told again meanwhile, and nothing else since.
    told_again: bool,
    interrupted: bool,
    finished: bool,
    /// Whether another process drives it.
    driven_elsewhere: bool,
    /// The value that is looked for, so that nobody looks twice.
    looking: Option<String>,
}

impl Guide {
    /// A guide for an execution as it stands.
    pub fn new(view: &ExecutionView, runbook: Option<Arc<Runbook>>, style: Style) -> Self {
        Self {
            style,
            execution: view.summary.execution.clone(),
            narrator: Narrator::new(view, runbook, style),
            questions: Vec::new(),
            answered: Vec::new(),
            prompted: false,
            saying: false,
            told_again: false,
            interrupted: false,
            finished: false,
            driven_elsewhere: false,
            looking: None,
        }
    }

    /// Takes what happens, answers with what to do.
    pub fn handle(&mut self, happening: Happening) -> Vec<Deed> {
        match happening {
            Happening::Event(event) => self.event(&event),
            Happening::Elsewhere(view) => self.elsewhere(view),
            Happening::Ended => {
                if self.questions.is_empty() {
                    vec![Deed::Leave]
                } else {
                    Vec::new()
                }
            }
            Happening::Line(line) => self.line(&line),
            Happening::EndOfInput => self.leave(),
            Happening::Interrupt => self.interrupt(),
            Happening::Taken => {
                self.saying = false;
                let answered = std::mem::take(&mut self.answered);
                if std::mem::take(&mut self.told_again) {
                    self.questions = answered;
                }
                // A remark leaves the question as it was, and no event need follow it.
                if self.questions.is_empty() || self.prompted { Vec::new() } else { self.prompt() }
            }
            Happening::Refused(error) => self.refused(&error),
            Happening::Found(found) => self.found(found),
        }
    }

    fn event(&mut self, event: &DriveEvent) -> Vec<Deed> {
        let told = self.narrator.tell(event);
        let mut deeds = self.print(&told);
        match event {
            DriveEvent::Waiting { view } => {
                self.finished = false;
                deeds.extend(self.put(Question::of(view)));
            }
            DriveEvent::Finished { view } => {
                self.finished = true;
                deeds.extend(self.put(Question::of(view)));
                if self.questions.is_empty() {
                    deeds.push(Deed::Leave);
                }
            }
            DriveEvent::Changed { .. } => {
                self.finished = false;
                deeds.extend(self.put(None));
            }
            DriveEvent::Started { .. } => {
                self.interrupted = false;
                deeds.extend(self.put(None));
            }
            DriveEvent::Stopped { .. } => {
                self.questions.clear();
                deeds.push(Deed::Leave);
            }
            DriveEvent::Output { .. } | DriveEvent::Notice { .. } | DriveEvent::Escalated { .. } => {
                if !self.prompted && !self.questions.is_empty() && !self.saying {
                    deeds.extend(self.prompt());
                }
            }
        }
        deeds
    }

    /// Shows what came of an execution that is not driven here, and asks what it asks now.
    fn elsewhere(&mut self, view: Box<ExecutionView>) -> Vec<Deed> {
        let driven = view.summary.driver.present;
        let begins = driven && !std::mem::replace(&mut self.driven_elsewhere, driven);
        let moved = !self.narrator.knows(&view);
        let mut deeds = Vec::new();
        if begins {
            let told = "another process drives it now; what happens is shown here, and what you answer goes there";
            deeds.extend(self.event(&DriveEvent::Notice { text: told.to_owned() }));
        }
        let goes_on = driven && view.summary.waiting_on.is_empty() && view.summary.status != "paused";
        deeds.extend(match view.summary.finished_at {
            Some(_) if moved => self.event(&DriveEvent::Finished { view }),
            Some(_) => Vec::new(),
            None if goes_on => self.event(&DriveEvent::Changed { view }),
            None => self.event(&DriveEvent::Waiting { view }),
        });
        deeds
    }

    /// Makes a question the one that is asked. The same question again keeps what is being typed.
    fn put(&mut self, question: Option<Question>) -> Vec<Deed> {
        // Told before the answer got there, or asked anew after it: what is told last before the answer is taken decides.
        self.told_again = self.saying && question.is_some() && is_again(self.answered.first(), question.as_ref());
        if self.told_again {
            return Vec::new();
        }
        if is_again(self.questions.first(), question.as_ref()) {
            let ask = question.is_some() && !self.prompted && !self.saying;
            return if ask { self.prompt() } else { Vec::new() };
        }
        let mut deeds = Vec::new();
        if self.prompted {
            deeds.push(Deed::ForgetTyped);
            deeds.extend(self.print(""));
        }
        self.prompted = false;
        self.questions = question.into_iter().collect();
        if !self.questions.is_empty() {
            self.saying = false;
            deeds.extend(self.prompt());
        }
        deeds
    }

    fn prompt(&mut self) -> Vec<Deed> {
        let Some(question) = self.questions.last() else { return Vec::new() };
        if let Question::Values(values) = question
            && values.found.is_none()
            && let Some(open) = values.open()
        {
            let (name, given) = (open.name.clone(), values.given.clone());
            return self.look(name, given);
        }
        self.prompted = true;
        vec![Deed::Print(question.ask(self.style))]
    }

    /// Looks for what a value could be before it is asked for; a line that is typed meanwhile is an answer all the same.
    fn look(&mut self, name: String, given: BTreeMap<String, Value>) -> Vec<Deed> {
        if self.looking.as_ref() == Some(&name) {
            return Vec::new();
        }
        let told = format!("  looking for what {} could be …\n", text::line(&name));
        self.looking = Some(name.clone());
        vec![Deed::Print(format!("\n{}", self.style.dim(&told))), Deed::Look { name, given }]
    }

    /// What was looked for is there: it is asked for with that, unless something else is asked by now.
    fn found(&mut self, found: Candidates) -> Vec<Deed> {
        if self.looking.as_ref() == Some(&found.name) {
            self.looking = None;
        }
        let Some(Question::Values(values)) = self.questions.last_mut() else { return Vec::new() };
        if values.found.is_some() || values.open().is_none_or(|open| open.name != found.name) {
            return Vec::new();
        }
        // A number that was typed before there was a list picks nothing from it.
        let mut deeds = if found.candidates.is_empty() { Vec::new() } else { vec![Deed::ForgetTyped] };
        values.found = Some(found);
        if !self.saying {
            deeds.extend(self.prompt());
        }
        deeds
    }

    fn line(&mut self, line: &str) -> Vec<Deed> {
        self.prompted = false;
        if self.saying {
            return Vec::new();
        }
        self.interrupted = false;
        let Some(question) = self.questions.last() else { return self.line_while_running(line) };
        let reply = question.answer(line);
        if let Some(error) = self.unfit(question, &reply) {
            let mut deeds = vec![Deed::Print(prompts::refused(&error, self.style))];
            deeds.extend(self.prompt());
            return deeds;
        }
        self.looking = None;
        match reply {
            Reply::Say(saying) => {
                self.saying = true;
                let stays = matches!(saying, Saying::Note { .. });
                if matches!(question, Question::Reason(_)) {
                    self.questions.pop();
                }
                if !stays {
                    // What is asked next depends on the answer; the same question may be the next one, too.
                    self.answered = std::mem::take(&mut self.questions);
                }
                vec![Deed::Say(saying)]
            }
            Reply::Ask(next) => {
                self.questions.push(next);
                self.prompt()
            }
            Reply::Instead(next) => {
                self.questions.pop();
                self.questions.push(next);
                self.prompt()
            }
            Reply::Drive => {
                self.saying = true;
                self.answered = std::mem::take(&mut self.questions);
                vec![Deed::Drive]
            }
            Reply::Leave => self.leave(),
            Reply::Help => {
                let help = question.help(&self.execution, self.style);
                let mut deeds = vec![Deed::Print(help)];
                deeds.extend(self.prompt());
                deeds
            }
            Reply::Again(why) => {
                let mut deeds = vec![Deed::Print(format!("{} {why}\n", self.style.care("?")))];
                deeds.extend(self.prompt());
                deeds
            }
            Reply::Back => {
                self.questions.pop();
                self.prompt()
            }
        }
    }

    /// Why a value that was just typed does not fit its declaration.
    fn unfit(&self, question: &Question, reply: &Reply) -> Option<CockpitError> {
        let Question::Values(Values { given: before, .. }) = question else { return None };
        let (Reply::Instead(Question::Values(Values { given, .. })) | Reply::Say(Saying::Provide { values: given })) =
            reply
        else {
            return None;
        };
        given.iter().filter(|(name, _)| !before.contains_key(*name)).find_map(|(name, value)| {
            let spec = self.narrator.input(name.strip_prefix(".Vars.").unwrap_or(name))?;
            judge_input(name, spec, value.as_str()?).err()
        })
    }

    /// Nothing is asked, but a person may still steer.
    fn line_while_running(&mut self, line: &str) -> Vec<Deed> {
        let word = line.trim();
        let note = word.strip_prefix("n ").or_else(|| word.strip_prefix("note ")).map(str::trim);
        if let Some(note) = note.filter(|note| !note.is_empty()) {
            return vec![Deed::Say(Saying::Note { text: note.to_owned() })];
        }
        match word {
            "" => Vec::new(),
            "p" | "pause" => vec![Deed::Say(Saying::Pause)],
            "q" | "quit" => self.leave(),
            _ => {
                let help = "  While it runs: p pause · n TEXT note · q leave safely · Ctrl-C cancels what runs\n";
                vec![Deed::Print(help.to_owned())]
            }
        }
    }

    fn interrupt(&mut self) -> Vec<Deed> {
        if self.interrupted {
            return self.leave();
        }
        self.interrupted = true;
        if self.narrator.is_running() {
            let told = "  cancelling what runs; Ctrl-C again leaves safely\n";
            let mut deeds = self.print(&format!("\n{told}"));
            deeds.push(Deed::Cancel);
            return deeds;
        }
        let mut deeds = vec![Deed::Print("\n  nothing is running; Ctrl-C again leaves safely\n".to_owned())];
        self.prompted = false;
        deeds.push(Deed::ForgetTyped);
        if !self.saying {
            deeds.extend(self.prompt());
        }
        deeds
    }

    fn leave(&mut self) -> Vec<Deed> {
        self.questions.clear();
        let mut deeds = Vec::new();
        if self.prompted {
            deeds.push(Deed::Print("\n".to_owned()));
            self.prompted = false;
        }
        if !self.finished {
            let command = format!("belay resume {}", text::short(&self.execution));
            deeds.push(Deed::Print(format!(
                "\nLeft safely; nothing is lost. Go on with {}\n",
                self.style.code(&command)
            )));
        }
        deeds.push(Deed::Leave);
        deeds
    }

    fn refused(&mut self, error: &CockpitError) -> Vec<Deed> {
        self.saying = false;
        self.told_again = false;
        if self.questions.is_empty() {
            self.questions = std::mem::take(&mut self.answered);
        }
        let failure = crate::failure::Failure::Cockpit(error.clone());
        let mut deeds = self.print(&crate::page::described(&failure, self.style));
        deeds.extend(self.prompt());
        deeds
    }

    /// Prints below a prompt that is open, not behind it.
    fn print(&mut self, told: &str) -> Vec<Deed> {
        if told.is_empty() {
            return Vec::new();
        }
        let lead = if std::mem::take(&mut self.prompted) { "\n" } else { "" };
        vec![Deed::Print(format!("{lead}{told}"))]
    }
}

/// Whether the same is asked, or nothing both times.
fn is_again(one: Option<&Question>, other: Option<&Question>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_again(other),
        (None, None) => true,
        _ => false,
    }
}
