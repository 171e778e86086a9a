//! What a heading says about the text below it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the text below a heading becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The runbook's description.
    Description,
    /// `documentation.impact`.
    Impact,
    /// `documentation.symptoms`.
    Symptoms,
    /// Steps that look.
    Diagnosis,
    /// Steps that change something.
    Mitigation,
    /// Steps of the rollback.
    Rollback,
    /// The checklist at the start.
    Prerequisites,
    /// The conditions at the end.
    Verification,
    /// References and related runbooks.
    References,
    /// What starts the runbook.
    Triggers,
    /// Text that stays in the description under its heading although it is known what it is.
    Aside,
}

impl Role {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "description" => Self::Description,
            "impact" => Self::Impact,
            "symptoms" => Self::Symptoms,
            "diagnosis" => Self::Diagnosis,
            "mitigation" => Self::Mitigation,
            "rollback" => Self::Rollback,
            "prerequisites" => Self::Prerequisites,
            "verification" => Self::Verification,
            "references" => Self::References,
            "triggers" => Self::Triggers,
            "aside" => Self::Aside,
            _ => return None,
        })
    }

    /// What it becomes, for a report.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::Impact => "impact",
            Self::Symptoms => "symptoms",
            Self::Diagnosis | Self::Mitigation => "steps",
            Self::Rollback => "rollback steps",
            Self::Prerequisites => "prerequisites",
            Self::Verification => "post-conditions",
            Self::References => "references",
            Self::Triggers => "triggers",
            Self::Aside => "description, under its heading",
        }
    }

    /// Whether steps are made of it.
    pub(super) fn makes_steps(self) -> bool {
        match self {
            Self::Diagnosis | Self::Mitigation | Self::Rollback => true,
            Self::Description
            | Self::Impact
            | Self::Symptoms
            | Self::Prerequisites
            | Self::Verification
            | Self::References
            | Self::Triggers
            | Self::Aside => false,
        }
    }
}

/// Whole headings, as words.
static WHOLE: LazyLock<BTreeMap<&str, Role>> = LazyLock::new(|| {
    let mut whole = BTreeMap::new();
    for line in include_str!("headings.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((role, headings)) = line.split_once(':') else { continue };
        let Some(role) = Role::named(role) else { continue };
        for heading in headings.split(',') {
            whole.entry(heading.trim()).or_insert(role);
        }
    }
    whole
});

/// Single words that decide where the whole heading is not listed, in this order: `Diagnosis of slow disks`.
const WORDS: &[(Role, &[&str])] = &[
    (Role::Rollback, &["rollback", "backout"]),
    (Role::Diagnosis, &["diagnosis", "diagnostics", "troubleshooting", "investigation", "triage"]),
    (Role::Mitigation, &["mitigation", "remediation", "resolution", "workaround"]),
    (Role::Symptoms, &["symptoms"]),
    (Role::Prerequisites, &["prerequisites"]),
    (Role::Impact, &["impact"]),
];

/// What a heading says, whatever its case, numbering, emoji and punctuation; nothing where it is just a heading.
pub(super) fn role(heading: &str) -> Option<Role> {
    let mut words: Vec<String> = heading
        .to_lowercase()
        .replace(['\'', '’'], "")
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    // `2. Impact`, `Step 3: Resolution`, `Phase 1 - Triage`.
    if words.len() > 2
        && matches!(words.first().map(String::as_str), Some("step" | "phase" | "part" | "section"))
        && words.get(1).is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
    {
        words.drain(..2);
    }
    while words.len() > 1 && words.first().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
        words.remove(0);
    }
    let heading = words.join(" ");
    let whole = WHOLE.get(heading.as_str()).copied();
    let by_word = || {
        // A longer heading is a sentence about something else.
        let short = words.len() <= 4;
        WORDS
            .iter()
            .find(|(_, known)| short && words.iter().any(|word| known.contains(&word.as_str())))
            .map(|(role, _)| *role)
    };
    whole.or_else(by_word)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn every_line_of_the_table_has_a_role() {
        for line in include_str!("headings.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            assert!(line.split_once(':').and_then(|(role, _)| Role::named(role)).is_some(), "{line}");
        }
    }

    #[rstest]
    #[case("Meaning", Some(Role::Description))]
    #[case("🔥 IMPACT:", Some(Role::Impact))]
    #[case("1. Possible checks", Some(Role::Diagnosis))]
    #[case("Step 2: Resolution", Some(Role::Mitigation))]
    #[case("Diagnosis of slow disks", Some(Role::Diagnosis))]
    #[case("TL;DR", Some(Role::Description))]
    #[case("What's happened", None)]
    #[case("Steps", Some(Role::Mitigation))]
    #[case("Roll-back", Some(Role::Rollback))]
    #[case("Slow disk", None)]
    #[case("", None)]
    fn a_heading_is_known_by_its_words(#[case] heading: &str, #[case] expected: Option<Role>) {
        assert_eq!(role(heading), expected);
    }
}
