//! Requests for approval and how they end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Author;

/// A request for approval, with everything its digest covers beside the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// SHA-256 over the preimage, hex ([`crate::digest`]).
    pub digest: String,
    /// Why it is needed.
    pub reasons: Vec<String>,
    /// What an approver alone types.
    pub target: String,
    /// People and groups; everybody where empty.
    pub approvers: Vec<String>,
    /// Distinct people needed.
    pub quorum: u32,
    /// Attempts that it covers.
    pub attempts: u32,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it stands.
    pub expires_at: Timestamp,
    /// SHA-256 of the policy that was there when it was asked for and judged beside the one of the genesis; none where
    /// that was the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// How a request ended without its approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Somebody said no.
    Rejected {
        /// Who.
        by: Author,
        /// Why.
        comment: Option<String>,
    },
    /// Its time ended.
    Expired,
    /// What it rests on has changed.
    Voided {
        /// What is different.
        difference: Vec<String>,
    },
    /// The step was skipped, done by hand, or the execution stopped.
    Withdrawn,
}
