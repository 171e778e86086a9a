//! Alerts of a payload, each with the runbooks that may help.

use belay_cockpit::api::{AlertAnswer, AlertView};
use belay_cockpit::wire::SearchHit;

use crate::cockpit::scroll::{List, Motion};
use crate::cockpit::state::Desk;

/// Alerts.
#[derive(Debug)]
pub struct Alerts {
    /// What came of the payload.
    pub answer: AlertAnswer,
    /// Which runbook is selected, counted over all alerts.
    pub list: List,
}

impl Alerts {
    /// The page of a payload.
    pub fn new(answer: AlertAnswer) -> Self {
        Self { answer, list: List::default() }
    }

    /// Every runbook with its alert.
    pub fn rows(&self) -> impl Iterator<Item = (&AlertView, &SearchHit)> {
        self.answer.alerts.iter().flat_map(|alert| alert.runbooks.iter().map(move |hit| (alert, hit)))
    }

    pub(super) fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        let count = self.rows().count();
        self.list.go(motion, count, desk.size.page_rows() / 3);
    }

    /// The selected runbook with its alert.
    pub fn selected(&self) -> Option<(&AlertView, &SearchHit)> {
        self.rows().nth(self.list.selected)
    }
}
