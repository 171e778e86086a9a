//! A request for approval and its answers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{ApprovalRequest, Author, Closing};

/// A request for approval and its answers.
#[derive(Debug, Clone)]
pub struct Request {
    /// What was asked.
    pub asked: ApprovalRequest,
    /// The host call that it is for; `None` for the plan.
    pub call: Option<u32>,
    /// Distinct people who agreed.
    pub given: BTreeMap<String, Given>,
    /// How it ended without its approval.
    pub closed: Option<Closing>,
}

impl Request {
    /// Whether enough people agreed and it was not closed.
    pub fn granted(&self) -> bool {
        self.closed.is_none() && self.given.len() as u64 >= u64::from(self.asked.quorum)
    }

    /// Whether it still waits for people.
    pub fn open(&self) -> bool {
        self.closed.is_none() && !self.granted()
    }
}

/// One person's approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Who.
    pub by: Author,
    /// When the driver counted it.
    pub at: Timestamp,
    /// Whether it is the driver's own person.
    pub self_approved: bool,
    /// A remark.
    pub comment: Option<String>,
}
