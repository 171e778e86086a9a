//! What a hit says about rot. The index keeps what validation says of the file alone; what time and executions say is put
//! beside it when the hit is shown, so that a search reads no file.

use std::collections::BTreeSet;

use belay_runbook::finding::FindingLevel;
use belay_runbook::lint::rule::{LONG_WITHOUT_SUCCESS, NEVER_RUN, OVERDUE_REVIEW, UNKNOWN_AUTOMATION};
use belay_runbook::lint::{self, Surroundings};
use belay_store::Health;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use crate::Cockpit;
use crate::catalog::{self, Found};
use crate::rot::{Record, review_due};
use crate::wire::{RotSign, RunbookStatistics};

impl Cockpit {
    /// What validation says of a file. What depends on today, on other runbooks or on the automations of this device is
    /// left out: it may change while the file stays.
    pub(crate) fn health(&self, found: &Found) -> Health {
        let surroundings = Surroundings {
            actions: self.registry().as_ref(),
            automations: &BTreeSet::new(),
            runbooks: None,
            today: Date::MIN,
        };
        let findings = match &found.places {
            Some(places) => {
                let mut findings = lint::check_runbook(&found.runbook, places, &found.source, &surroundings);
                findings.extend(found.findings.iter().cloned());
                findings
            }
            // What was made from Markdown has to be read once more.
            None => catalog::validate_bytes(&found.source, found.text.as_bytes(), &surroundings),
        };
        let count = |level: FindingLevel| {
            let of_level =
                findings.iter().filter(|finding| finding.severity == level && finding.rule != UNKNOWN_AUTOMATION.id);
            u32::try_from(of_level.count()).unwrap_or(u32::MAX)
        };
        Health {
            review_due: review_due(&found.runbook).map(|due| due.to_string()).unwrap_or_default(),
            errors: count(FindingLevel::Error),
            warnings: count(FindingLevel::Warning),
        }
    }
}

impl RunbookStatistics {
    /// How the executions here went, in words that say what is counted; `None` where there are none.
    pub fn fared(&self) -> Option<String> {
        let open = self.executions.saturating_sub(self.finished);
        let open = (open > 0).then(|| format!("{open} not finished"));
        let runs = if self.finished == 1 { "run" } else { "runs" };
        let finished =
            (self.finished > 0).then(|| format!("{} of {} finished {runs} succeeded", self.succeeded, self.finished));
        match (finished, open) {
            (Some(finished), Some(open)) => Some(format!("{finished}, {open}")),
            (finished, open) => finished.or(open),
        }
    }
}

/// What to tell of a runbook that was found, the worst first.
pub(crate) fn signs(health: &Health, statistics: &RunbookStatistics, now: Timestamp) -> Vec<RotSign> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut signs = Vec::new();
    let mut add = |rule: &str, severity: &str, text: String| {
        signs.push(RotSign { rule: rule.to_owned(), severity: severity.to_owned(), text });
    };
    if health.errors > 0 {
        add("findings", "error", count(health.errors, "error"));
    }
    if let Some(due) = health.review_due.parse::<Date>().ok().filter(|due| *due < today) {
        add(OVERDUE_REVIEW.id, "warning", format!("review was due {due}"));
    }
    match Record::of(statistics, now) {
        Record::Sound => {}
        Record::NeverRun => add(NEVER_RUN.id, "warning", "never run here".to_owned()),
        Record::NeverSucceeded => add(LONG_WITHOUT_SUCCESS.id, "warning", "never succeeded here".to_owned()),
        Record::LongAgo { days } => add(LONG_WITHOUT_SUCCESS.id, "warning", format!("last success {days} days ago")),
    }
    if health.warnings > 0 {
        add("findings", "warning", count(health.warnings, "warning"));
    }
    signs
}

fn count(number: u32, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(health: &Health, statistics: &RunbookStatistics) -> Vec<String> {
        let now = "2026-06-01T12:00:00Z".parse().expect("a time");
        signs(health, statistics, now).into_iter().map(|sign| sign.text).collect()
    }

    #[test]
    fn a_sound_runbook_has_no_sign() {
        let success = "2026-05-01T12:00:00Z".parse().ok();
        let statistics = RunbookStatistics { executions: 1, last_success: success, ..RunbookStatistics::default() };
        let health = Health { review_due: "2026-06-01".to_owned(), ..Health::default() };
        assert_eq!(told(&health, &statistics), Vec::<String>::new(), "a review that is due today is not overdue");
    }

    #[test]
    fn how_it_fared_says_what_is_counted() {
        let fared = |executions, finished, succeeded| {
            RunbookStatistics { executions, finished, succeeded, ..RunbookStatistics::default() }.fared()
        };
        assert_eq!(fared(0, 0, 0), None);
        assert_eq!(fared(3, 3, 3).as_deref(), Some("3 of 3 finished runs succeeded"));
        assert_eq!(fared(4, 1, 0).as_deref(), Some("0 of 1 finished run succeeded, 3 not finished"));
        assert_eq!(fared(2, 0, 0).as_deref(), Some("2 not finished"));
    }

    #[test]
    fn the_worst_comes_first() {
        let health = Health { review_due: "2026-05-31".to_owned(), errors: 1, warnings: 2 };
        assert_eq!(
            told(&health, &RunbookStatistics::default()),
            ["1 error", "review was due 2026-05-31", "never run here", "2 warnings"]
        );
        let failed = RunbookStatistics { executions: 2, ..RunbookStatistics::default() };
        assert_eq!(told(&Health::default(), &failed), ["never succeeded here"]);
        let old = "2025-06-01T12:00:00Z".parse().ok();
        let old = RunbookStatistics { last_success: old, ..failed };
        assert_eq!(told(&Health::default(), &old), ["last success 365 days ago"]);
    }
}
