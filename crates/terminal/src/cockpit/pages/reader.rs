//! Something to read: a plan, a log, kept output, a postmortem's draft, the device's settings.

use belay_cockpit::api::{
    About, Answer, Call, CallError, Document, ExecutionRequest, Nothing, OutputView, PlanRequest, SecretsRequest,
    SecretsView, Start, StepRequest,
};
use belay_cockpit::wire::{LogEntry, PlanView};
use belay_cockpit::{CatalogSource, ContextView, DoctorReport, PolicyText, VerifyReport};

use crate::cockpit::scroll::{Motion, Scroll};
use crate::cockpit::state::Desk;
use crate::cockpit::view::reader::text;

/// Rows above the text: the title, and a space.
pub const HEAD_ROWS: usize = 2;

/// What is read.
#[derive(Debug)]
pub enum Content {
    /// What a start would do.
    Plan { start: Box<Start>, plan: Option<Box<PlanView>> },
    /// The events of an execution, and whether their signatures and links hold.
    Log { execution: String, entries: Option<Vec<LogEntry>>, verdict: Option<VerifyReport> },
    /// All that is kept of what a step wrote.
    Output { execution: String, step: String, pieces: Option<Vec<OutputView>> },
    /// A postmortem's draft.
    Postmortem { execution: String, document: Option<Document> },
    /// The device.
    Settings(Box<Device>),
}

/// The device as it is read.
#[derive(Debug, Default)]
pub struct Device {
    /// The program and the person.
    pub about: Option<About>,
    /// Where it may act.
    pub contexts: Option<Vec<ContextView>>,
    /// Directories of the catalog.
    pub catalog: Option<Vec<CatalogSource>>,
    /// What is missing.
    pub doctor: Option<DoctorReport>,
    /// The secrets that the keyring holds.
    pub secrets: Option<SecretsView>,
    /// The policy.
    pub policy: Option<PolicyText>,
}

/// A page that is read.
#[derive(Debug)]
pub struct Reader {
    /// What is read.
    pub content: Content,
    /// What could not be had.
    pub errors: Vec<CallError>,
    /// The place in it.
    pub scroll: Scroll,
    /// The lines, dressed, for the width of the terminal.
    pub lines: Vec<String>,
}

impl Reader {
    /// A page of a content that is not there yet.
    pub fn new(content: Content) -> Self {
        Self { content, errors: Vec::new(), scroll: Scroll::default(), lines: Vec::new() }
    }

    /// The device's page.
    pub fn of_device() -> Self {
        Self::new(Content::Settings(Box::default()))
    }

    /// Its title.
    pub fn title(&self) -> String {
        match &self.content {
            Content::Plan { .. } => "Plan".to_owned(),
            Content::Log { execution, .. } => format!("Log of {}", crate::text::short(execution)),
            Content::Output { step, .. } => format!("Output of {step}"),
            Content::Postmortem { .. } => "Postmortem, a draft".to_owned(),
            Content::Settings(_) => "Settings".to_owned(),
        }
    }

    /// Whether something is still to come.
    pub fn is_loading(&self) -> bool {
        self.errors.is_empty()
            && match &self.content {
                Content::Plan { plan, .. } => plan.is_none(),
                Content::Log { entries, .. } => entries.is_none(),
                Content::Output { pieces, .. } => pieces.is_none(),
                Content::Postmortem { document, .. } => document.is_none(),
                Content::Settings(device) => device.doctor.is_none() || device.policy.is_none(),
            }
    }

    pub(super) fn ask(&mut self, desk: &mut Desk<'_>) {
        self.errors.clear();
        match &self.content {
            Content::Plan { start, .. } => {
                desk.ask(Call::Plan(PlanRequest { start: start.as_ref().clone(), offline: false }));
            }
            Content::Log { execution, .. } => {
                let of = ExecutionRequest { execution: execution.clone() };
                desk.ask(Call::Log(of.clone()));
                desk.ask(Call::Verify(of));
            }
            Content::Output { execution, step, .. } => {
                desk.ask(Call::Output(StepRequest { execution: execution.clone(), step: step.clone() }));
            }
            Content::Postmortem { execution, .. } => {
                desk.ask(Call::Postmortem(ExecutionRequest { execution: execution.clone() }));
            }
            Content::Settings(_) => {
                desk.ask(Call::About(Nothing {}));
                desk.ask(Call::Contexts(Nothing {}));
                desk.ask(Call::Catalog(Nothing {}));
                desk.ask(Call::Doctor(Nothing {}));
                desk.ask(Call::Secrets(SecretsRequest::default()));
                desk.ask(Call::Policy(Nothing {}));
            }
        }
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, CallError>, desk: &mut Desk<'_>) {
        match (answer, &mut self.content) {
            (Ok(Answer::Plan(of)), Content::Plan { plan, .. }) => *plan = Some(of),
            (Ok(Answer::Log(of)), Content::Log { entries, .. }) => *entries = Some(*of),
            (Ok(Answer::Verify(of)), Content::Log { verdict, .. }) => *verdict = Some(*of),
            (Ok(Answer::Output(of)), Content::Output { pieces, .. }) => *pieces = Some(*of),
            (Ok(Answer::Postmortem(of)), Content::Postmortem { document, .. }) => *document = Some(*of),
            (Ok(Answer::About(of)), Content::Settings(device)) => device.about = Some(*of),
            (Ok(Answer::Contexts(of)), Content::Settings(device)) => device.contexts = Some(*of),
            (Ok(Answer::Catalog(of)), Content::Settings(device)) => device.catalog = Some(*of),
            (Ok(Answer::Doctor(of)), Content::Settings(device)) => device.doctor = Some(*of),
            (Ok(Answer::Secrets(of)), Content::Settings(device)) => device.secrets = Some(*of),
            (Ok(Answer::Policy(of)), Content::Settings(device)) => device.policy = Some(*of),
            (Ok(_), _) => {}
            (Err(error), _) => self.errors.push(error),
        }
        self.lay_out(desk);
    }

    /// Lays the text out for the width of the terminal.
    pub fn lay_out(&mut self, desk: &Desk<'_>) {
        self.lines = text(self, desk.size.text_columns()).lines().map(str::to_owned).collect();
    }

    fn seen(desk: &Desk<'_>) -> usize {
        desk.size.page_rows().saturating_sub(HEAD_ROWS).max(1)
    }

    pub(super) fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        self.scroll.go(motion, self.lines.len(), Self::seen(desk));
    }

    /// Goes to the next or previous line that holds what is searched for.
    pub fn hit(&mut self, back: bool) -> bool {
        self.scroll.hit(self.lines.iter().map(String::as_str).enumerate(), back)
    }
}
