//! Host calls of scripts, and the path that a script took.

use std::collections::BTreeMap;

use belay_runbook::act::Act;
use jiff::Timestamp;

use crate::event::PlannedAct;

/// A host call of a script.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function that the script called.
    pub function: String,
    /// The act it became.
    pub act: PlannedAct,
}

/// A host call that was refused before it started.
#[derive(Debug, Clone)]
pub struct RefusedCall {
    /// The function that the script called.
    pub function: String,
    /// The act that it stands for; `None` where there is no such function.
    pub act: Option<Act>,
    /// Why.
    pub error: String,
    /// When.
    pub at: Timestamp,
}

/// The path that a script took which takes something back: a replay answers from it.
#[derive(Debug, Clone, Default)]
pub struct UndoPath {
    /// Planned host calls, by index.
    pub calls: BTreeMap<u32, Call>,
    /// Refused host calls, by index.
    pub refused: BTreeMap<u32, RefusedCall>,
    /// The call that a person wants tried again, with the position in [`Visit::acts`](super::Visit::acts) from which its records count.
    pub again: Option<(u32, usize)>,
}

impl UndoPath {
    /// The last call of the path.
    fn last(&self) -> Option<u32> {
        self.calls.keys().chain(self.refused.keys()).max().copied()
    }

    /// A person has it tried again: the failure at the end of the path counts no longer, those that the script went
    /// past do.
    pub(crate) fn try_again(&mut self, acts: usize) {
        let Some(last) = self.last() else { return };
        if self.refused.remove(&last).is_none() {
            self.again = Some((last, acts));
        }
    }
}
