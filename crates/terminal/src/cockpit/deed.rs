//! What a key, a line of a menu or of the palette does.

use std::collections::BTreeMap;

use belay_cockpit::api::{OutcomeWord, Said, Start};
use belay_cockpit::wire::WaitingOption;
use serde_json::Value;

use super::scroll::Motion;

/// Something that a person does.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Go to a place.
    Go(Destination),
    /// Go back to where one came from.
    Back,
    /// Leave safely.
    Quit,
    /// Show the keys.
    Help,
    /// Show everything that can be done here.
    Palette,
    /// Ask anew for what is shown.
    Reload,
    /// Move.
    Move(Motion),
    /// Open what is selected, or do what waits.
    Open,
    /// Type into the search.
    Search,
    /// The next or previous hit of the search in a text.
    Hit { back: bool },
    /// Narrow the list: shows what there is.
    Narrow,
    /// Narrow by one value, or not any more.
    Facet { name: String, value: String },
    /// Show the whole list.
    Widen,
    /// Show another part of the page.
    Tab(usize),
    /// The next part of the page.
    NextTab,
    /// Fill in what a start asks for.
    Prepare { runbook: String, title: String, alert: Option<Value> },
    /// Start.
    Begin,
    /// Show what would happen.
    Plan(Box<Start>),
    /// Show a runbook.
    Runbook { runbook: String, alert: Option<Value> },
    /// Show an execution.
    Execution(String),
    /// Say something that needs no words.
    Say(Box<Said>),
    /// Ask for words, then say something.
    Words(Box<Purpose>),
    /// Choose one of the branches, outcomes or items that wait.
    Choose,
    /// Go on driving here.
    Drive,
    /// Stop driving here.
    Leave,
    /// Cancel what runs.
    Cancel,
    /// Show the log.
    Log,
    /// Show all output of the selected step.
    Output,
    /// Show the postmortem's draft.
    Postmortem,
    /// Save the log as a file that verifies alone.
    Export,
    /// Save the document that is shown.
    Save,
    /// Show the newest output, and what comes.
    Follow,
    /// Go back to the step that matters now.
    Now,
}

/// Places that can be gone to from everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The catalog.
    Catalog,
    /// Executions.
    History,
    /// What waits for a person.
    Waiting,
    /// An alert that is pasted or read from a file.
    Alert,
    /// The device, its contexts, policy and doctor.
    Settings,
}

/// What words are asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// A remark.
    Note,
    /// Why a step is left out.
    Skip { step: String },
    /// What somebody did by hand.
    ByHand { step: String },
    /// Why an execution ends.
    Abort,
    /// Why everything is taken back; what that is stands above.
    Rollback,
    /// Why a step may not run.
    Reject { step: String, digest: String },
    /// The target's name, which approves exactly what is shown.
    Approve { step: String, digest: String, target: String },
    /// A value that is missing, those that were given, and those that are left.
    Provide { given: BTreeMap<String, Value>, missing: Vec<WaitingOption> },
    /// How a step went wrong, or what was seen.
    Outcome { step: String, outcome: OutcomeWord },
    /// What to look for in a text.
    Find,
    /// An alert as JSON, or the path of a file that holds one.
    Alert,
}

impl Purpose {
    /// The heading of the question.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Note => "Note",
            Self::Skip { .. } => "Skip this step",
            Self::ByHand { .. } => "Done by hand",
            Self::Abort => "Abort",
            Self::Rollback => "Roll back",
            Self::Reject { .. } => "Reject",
            Self::Approve { .. } => "Approve",
            Self::Provide { .. } => "A value is missing",
            Self::Outcome { .. } => "What happened",
            Self::Find => "Find",
            Self::Alert => "Alert",
        }
    }

    /// The question.
    pub fn question(&self) -> String {
        match self {
            Self::Note => "A remark for the log:".to_owned(),
            Self::Skip { step } => format!("Why is `{step}` left out?"),
            Self::ByHand { step } => format!("What did you do by hand instead of `{step}`?"),
            Self::Abort => "Why does it end? Nothing is taken back.".to_owned(),
            Self::Rollback => "Why is it taken back?".to_owned(),
            Self::Reject { step, .. } => format!("Why may `{step}` not run?"),
            Self::Approve { target, .. } if target.is_empty() => "Enter approves exactly this.".to_owned(),
            Self::Approve { target, .. } => {
                format!("Type the target's name to approve exactly this: {target}")
            }
            Self::Provide { missing, .. } => {
                missing.first().map(|option| format!("{} =", option.name)).unwrap_or_default()
            }
            Self::Outcome { step, .. } => format!("What went wrong with `{step}`? (may stay empty)"),
            Self::Find => "Text to look for:".to_owned(),
            Self::Alert => "Paste the alert's JSON, or type the path of a file that holds it:".to_owned(),
        }
    }

    /// Whether it may be sent empty.
    pub fn optional(&self) -> bool {
        match self {
            // Where nobody approves alone there is no target to type.
            Self::Approve { target, .. } => target.is_empty(),
            Self::Outcome { .. } | Self::Find => true,
            Self::Note
            | Self::Skip { .. }
            | Self::ByHand { .. }
            | Self::Abort
            | Self::Rollback
            | Self::Reject { .. }
            | Self::Provide { .. }
            | Self::Alert => false,
        }
    }

    /// What the draft of its words is kept under.
    pub fn draft(&self) -> String {
        let step = match self {
            Self::Skip { step } | Self::ByHand { step } | Self::Reject { step, .. } | Self::Outcome { step, .. } => {
                step
            }
            // The target is typed anew for every approval.
            Self::Approve { .. } | Self::Find => return String::new(),
            Self::Provide { missing, .. } => missing.first().map_or("", |option| option.name.as_str()),
            Self::Note | Self::Abort | Self::Rollback | Self::Alert => "",
        };
        format!("{}/{step}", self.title())
    }
}
