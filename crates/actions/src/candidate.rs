//! Values that a parameter could have, for a person who is asked for one.

/// Candidates that are offered at most: more is no help to whoever has to choose.
pub const MOST_CANDIDATES: usize = 50;

/// Letters of a note that are kept.
const NOTE: usize = 120;

/// A value that a parameter could have. A proposal, and data like every value: that it was listed makes it no safer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The value.
    pub value: String,
    /// What tells it from the others, such as `owner of pod checkout-7d9f`; empty where there is nothing to say.
    pub note: String,
}

impl Candidate {
    /// A candidate; its note is cut where it is long, and is one line.
    pub fn new(value: impl Into<String>, note: &str) -> Self {
        let note = note.chars().filter(|letter| !letter.is_control()).take(NOTE).collect();
        Self { value: value.into(), note }
    }
}
