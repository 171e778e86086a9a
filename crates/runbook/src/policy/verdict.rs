//! What a policy says about an act, and how what two policies say is put together.

use serde::Serialize;

use crate::action::Impact;

/// What the policy says about an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether approval is needed.
    pub required: bool,
    /// Why, one reason for each rule.
    pub reasons: Vec<Reason>,
    /// People and groups who may approve; everybody eligible where empty.
    pub approvers: Vec<String>,
    /// Distinct people needed; one or more.
    pub quorum: u32,
    /// How much the act matters.
    pub impact: Impact,
    /// Why it matters that much.
    pub impact_reasons: Vec<String>,
    /// The rule that refuses the act altogether.
    pub forbidden: Option<Reason>,
}

/// Why a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule's name.
    pub rule: String,
    /// For people: lower case, no final period.
    pub text: String,
}

impl Verdict {
    /// What both policies ask for together: whatever one of them needs is needed, and nobody approves whom one of them
    /// does not let. Where they let nobody in common, nobody can agree, and the act is refused.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let approvers =
            match (self.required && !self.approvers.is_empty(), other.required && !other.approvers.is_empty()) {
                (true, true) => {
                    let both = self.approvers.iter().filter(|name| other.approvers.contains(name)).cloned().collect();
                    if Vec::is_empty(&both) {
                        let text = format!(
                            "one policy lets only {} approve, the other only {}",
                            self.approvers.join(", "),
                            other.approvers.join(", ")
                        );
                        self.forbidden.get_or_insert(Reason { rule: "approvers".to_owned(), text });
                    }
                    both
                }
                (true, false) => self.approvers,
                (false, _) => other.approvers,
            };
        self.approvers = approvers;
        self.required |= other.required;
        self.quorum = self.quorum.max(other.quorum);
        self.impact = self.impact.max(other.impact);
        self.forbidden = self.forbidden.or(other.forbidden);
        add_new(&mut self.reasons, other.reasons);
        add_new(&mut self.impact_reasons, other.impact_reasons);
        self
    }
}

fn add_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}
