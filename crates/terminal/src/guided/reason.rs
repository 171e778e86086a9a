//! Words for something that was picked: what is asked, and what they say.

use belay_cockpit::{Confirmation, Saying};

use super::question::Reply;

/// What a text is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReasonFor {
    /// A remark.
    Note,
    /// Leaving a step out.
    Skip { step: String },
    /// A step that was done by hand after it failed.
    ByHand { step: String },
    /// Ending the execution.
    Abort,
    /// Taking everything back.
    Rollback,
    /// Refusing what would run.
    Reject { step: String },
}

impl ReasonFor {
    pub(super) fn prompt(&self) -> &'static str {
        match self {
            Self::Note => "Note:",
            Self::Skip { .. } => "Why skip it?",
            Self::ByHand { .. } => "What did you do by hand?",
            Self::Abort => "Why abort?",
            Self::Rollback => "Why roll back?",
            Self::Reject { .. } => "Why reject it?",
        }
    }

    pub(super) fn answer(&self, line: &str) -> Reply {
        match line {
            "" => return Reply::Back,
            "?" => return Reply::Again("write a sentence for the log; an empty line goes back".to_owned()),
            "q" => return Reply::Leave,
            _ => {}
        }
        let words = line.to_owned();
        Reply::Say(match self {
            Self::Note => Saying::Note { text: words },
            Self::Skip { step } => Saying::Skip { step: step.clone(), reason: words },
            Self::ByHand { step } => {
                Saying::Confirm { step: step.clone(), outcome: Confirmation::Done, by_hand: true, note: Some(words) }
            }
            Self::Abort => Saying::Abort { reason: words },
            Self::Rollback => Saying::Rollback { reason: words },
            Self::Reject { step } => Saying::Reject { step: step.clone(), digest: None, comment: Some(words) },
        })
    }
}
