//! Rot: what of the catalog would let somebody down during an incident.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use belay_actions::http::dead_link;
use belay_runbook::alert_rules::{self, AlertRule};
use belay_runbook::commands;
use belay_runbook::finding::{Finding, FindingLevel, Position};
use belay_runbook::lint::rule::{
    ALERT_WITHOUT_RUNBOOK, DANGLING_RUNBOOK, DEAD_COMMAND, DEAD_LINK, LONG_WITHOUT_SUCCESS, NEVER_RUN, NOT_ALERT_RULES,
    OVERDUE_REVIEW, RUNBOOK_WITHOUT_RULE, Rule, UNKNOWN_PROGRAM,
};
use belay_runbook::model::{Does, Runbook, Undo};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use ts_rs::TS;

use crate::Cockpit;
use crate::catalog::{self, BUNDLED_SOURCE, Found};
use crate::doctor::on_path;
use crate::error::CockpitError;
use crate::library::statistics_view;
use crate::wire::RunbookStatistics;

/// How old the last success may be, in days.
const SUCCESS_DAYS: i64 = 180;
/// How many links are asked for at the same time.
const LINKS_AT_ONCE: usize = 8;

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct RotQuery {
    /// Prometheus rule files, and directories of them.
    pub rules: Vec<PathBuf>,
    /// Whether links are followed; nothing leaves this device otherwise.
    pub links: bool,
    /// Only added directories, not the bundled catalog.
    pub own: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RotReport {
    /// Each runbook, worst first.
    pub runbooks: Vec<RunbookHealth>,
    /// Everything in detail, by file and place.
    pub findings: Vec<Finding>,
    /// How many alerting rules were read; `None` where no file was given.
    pub alert_rules: Option<usize>,
    /// How many links were asked for.
    pub links: usize,
}

/// How one runbook is.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunbookHealth {
    /// Its id, or its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// `bundled`, or its file.
    pub source: String,
    /// The file that its findings name.
    pub file: String,
    /// When it is to be reviewed.
    pub review_date: Option<Date>,
    /// Its executions on this device.
    pub statistics: RunbookStatistics,
    /// How many findings it has.
    pub findings: usize,
}

/// A runbook that is looked over.
struct Spot<'f> {
    file: &'f str,
    found: &'f Found,
    findings: Vec<Finding>,
}

impl Spot<'_> {
    fn add(&mut self, rule: &Rule, needle: &str, message: String, hint: Option<String>) {
        let mut finding = rule.at(self.file, place_of(&self.found.text, needle), message);
        finding.hint = hint;
        self.findings.push(finding);
    }
}

impl Cockpit {
    /// Looks over the catalog. Links are asked for only where the query says so.
    ///
    /// # Errors
    /// When the database cannot be read, or a rule file or directory cannot be opened.
    pub async fn rot(&self, query: &RotQuery) -> Result<RotReport, CockpitError> {
        let now = Timestamp::now();
        let (mut found, mut findings) = self.listed()?;
        let own: BTreeSet<String> = found.iter().map(|found| found.runbook.reference().to_lowercase()).collect();
        let bundled =
            catalog::bundled().values().filter(|found| !own.contains(&found.runbook.reference().to_lowercase()));
        let mut known = catalog::references(found.iter().map(|found| found.runbook.as_ref()));
        known.extend(catalog::references(bundled.clone().map(|found| found.runbook.as_ref())));
        if !query.own {
            found.extend(bundled.cloned());
        }
        let rules = read_rules(&query.rules, &mut findings)?;
        let dead = if query.links { dead_links(&found).await? } else { BTreeMap::new() };
        let statistics: BTreeMap<String, RunbookStatistics> =
            self.reading()?.statistics(None)?.iter().map(|row| (row.runbook.clone(), statistics_view(row))).collect();
        let files: Vec<String> = found.iter().map(file_of).collect();
        let texts = files.iter().zip(&found).map(|(file, found)| (file.as_str(), found.text.as_bytes()));
        let validated = self.validate_beside(texts, &known);
        let mut programs = BTreeMap::new();
        let mut runbooks = Vec::with_capacity(found.len());
        for ((found, file), validated) in found.iter().zip(&files).zip(validated) {
            let runbook = &found.runbook;
            let statistics = statistics.get(runbook.reference()).cloned().unwrap_or_default();
            let mut spot = Spot { file, found, findings: validated.into_iter().filter(rotten).collect() };
            review(&mut spot, now);
            record(&mut spot, &statistics, now);
            missing_programs(&mut spot, &mut programs);
            for (link, problem) in &dead {
                if let Some(problem) = problem
                    && links(found).contains(link)
                {
                    spot.add(&DEAD_LINK, link, format!("`{link}` leads nowhere: {problem}"), None);
                }
            }
            if let Some(rules) = &rules {
                without_rule(&mut spot, rules);
            }
            runbooks.push(RunbookHealth {
                id: runbook.reference().to_owned(),
                name: runbook.name.clone(),
                title: runbook.display_title().to_owned(),
                source: found.source.clone(),
                file: file.clone(),
                review_date: runbook.review_date,
                statistics,
                findings: spot.findings.len(),
            });
            findings.append(&mut spot.findings);
        }
        if let Some(rules) = &rules {
            findings.extend(without_runbook(&found, rules));
        }
        runbooks.sort_by(|a, b| b.findings.cmp(&a.findings).then_with(|| a.name.cmp(&b.name)));
        findings.sort();
        findings.dedup();
        Ok(RotReport { runbooks, findings, alert_rules: rules.map(|rules| rules.len()), links: dead.len() })
    }

    /// The runbooks of added directories, with a finding for every file that could not be used.
    fn listed(&self) -> Result<(Vec<Found>, Vec<Finding>), CockpitError> {
        let (mut found, mut findings) = (Vec::new(), Vec::new());
        for source in self.reading()?.sources()? {
            let listing = catalog::read_directory(Path::new(&source.path));
            found.extend(listing.found);
            findings.extend(listing.broken.into_iter().flat_map(|broken| broken.findings));
        }
        Ok((found, findings))
    }
}

/// Whether a finding of validation is one that time brings about, or that keeps the runbook from running.
fn rotten(finding: &Finding) -> bool {
    finding.severity == FindingLevel::Error
        || [OVERDUE_REVIEW.id, DANGLING_RUNBOOK.id, DEAD_COMMAND.id].contains(&finding.rule)
}

const START: Position = Position { line: 1, column: 1 };

/// The file that findings of a runbook name: a bundled one has its place in the sources of Belay.
fn file_of(found: &Found) -> String {
    if found.source == BUNDLED_SOURCE { format!("runbooks/{}.yaml", found.runbook.name) } else { found.source.clone() }
}

/// Where a text first stands in a file; its start where it does not stand there as such.
fn place_of(text: &str, needle: &str) -> Position {
    let Some(at) = text.find(needle) else { return START };
    let before = &text[..at];
    let line = u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = u32::try_from(before[start..].chars().count()).unwrap_or(u32::MAX).saturating_add(1);
    Position { line, column }
}

fn days_since(then: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(then).as_hours() / 24
}

/// The day by which somebody has to look a runbook through: its review date, or a year after it was last touched.
pub(crate) fn review_due(runbook: &Runbook) -> Option<Date> {
    let forgotten = || runbook.updated.or(runbook.created).and_then(|touched| touched.checked_add(1.year()).ok());
    runbook.review_date.or_else(forgotten)
}

/// A review without a date is never due, which is said once the runbook is old enough to have been forgotten.
fn review(spot: &mut Spot<'_>, now: Timestamp) {
    let runbook = &spot.found.runbook;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let touched = runbook.updated.or(runbook.created);
    if runbook.review_date.is_none()
        && let Some(touched) = touched
        && review_due(runbook).is_some_and(|due| due < today)
    {
        let message = format!("it was last touched on {touched} and has no review date");
        spot.add(&OVERDUE_REVIEW, "apiVersion", message, Some("set `reviewDate`".to_owned()));
    }
}

fn record(spot: &mut Spot<'_>, statistics: &RunbookStatistics, now: Timestamp) {
    let name = spot.found.runbook.name.clone();
    let rehearse = Some(format!("`belay plan {name}` shows what it would do"));
    let (rule, message) = match Record::of(statistics, now) {
        Record::Sound => return,
        Record::NeverRun => (&NEVER_RUN, "it was never executed here".to_owned()),
        Record::NeverSucceeded => {
            let times = statistics.executions;
            (&LONG_WITHOUT_SUCCESS, format!("it was executed {times} times here and never succeeded"))
        }
        Record::LongAgo { days } => (&LONG_WITHOUT_SUCCESS, format!("it last succeeded {days} days ago")),
    };
    spot.add(rule, &name, message, rehearse);
}

/// What the executions of a runbook here say about whether it still works.
pub(crate) enum Record {
    /// It succeeded not long ago.
    Sound,
    /// There are none.
    NeverRun,
    /// None of them succeeded.
    NeverSucceeded,
    /// The last success is long ago.
    LongAgo {
        /// So many days.
        days: i64,
    },
}

impl Record {
    pub(crate) fn of(statistics: &RunbookStatistics, now: Timestamp) -> Self {
        let days = statistics.last_success.map(|success| days_since(success, now));
        match days {
            _ if statistics.executions == 0 => Self::NeverRun,
            None => Self::NeverSucceeded,
            Some(days) if days > SUCCESS_DAYS => Self::LongAgo { days },
            Some(_) => Self::Sound,
        }
    }
}

/// Programs are looked for once, whoever names them.
fn missing_programs(spot: &mut Spot<'_>, known: &mut BTreeMap<String, bool>) {
    let runbook = &spot.found.runbook;
    let variables: BTreeSet<String> = runbook.inputs.keys().cloned().collect();
    let mut named = BTreeSet::new();
    for step in runbook.steps.iter().chain(&runbook.rollback_steps) {
        let undo = match &step.undo {
            Some(Undo::Does(does)) => Some(does),
            Some(Undo::Step(_) | Undo::Irreversible(_)) | None => None,
        };
        for does in std::iter::once(&step.does).chain(undo) {
            if let Does::Commands(lines) = does {
                named.extend(commands::programs(lines, &variables));
            }
        }
    }
    for program in named {
        let there = known.entry(program.clone()).or_insert_with(|| {
            if program.contains('/') { Path::new(&program).is_file() } else { on_path(&program).is_some() }
        });
        if !*there {
            let message = format!("`{program}` is not on this device");
            spot.add(&UNKNOWN_PROGRAM, &program, message, None);
        }
    }
}

/// The links of a runbook: its references, and those in its texts.
fn links(found: &Found) -> BTreeSet<String> {
    found
        .text
        .match_indices("http")
        .filter_map(|(at, _)| {
            let rest = &found.text[at..];
            let end = rest
                .find(|c: char| c.is_whitespace() || c.is_control() || "\"'`<>)]}|\\^,".contains(c))
                .unwrap_or(rest.len());
            let link = rest[..end].trim_end_matches(['.', ':', ';', '!', '?']);
            let host = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"))?;
            // What a placeholder completes cannot be asked for, and what stands in a command is no page.
            let complete = !host.is_empty() && !link.contains(['{', '$', '*']) && !rest[end..].starts_with(['{', '<']);
            let local = host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]");
            (complete && (!local || is_reference(&found.runbook, link))).then(|| link.to_owned())
        })
        .collect()
}

fn is_reference(runbook: &Runbook, link: &str) -> bool {
    runbook.references.iter().any(|reference| reference.contains(link))
}

/// What is wrong with each link; `None` where it leads somewhere.
async fn dead_links(found: &[Found]) -> Result<BTreeMap<String, Option<String>>, CockpitError> {
    let gate = Arc::new(Semaphore::new(LINKS_AT_ONCE));
    let mut asked = JoinSet::new();
    for link in found.iter().flat_map(links).collect::<BTreeSet<_>>() {
        let gate = Arc::clone(&gate);
        asked.spawn(async move {
            let turn = gate.acquire().await;
            let problem = dead_link(&link).await;
            drop(turn);
            (link, problem)
        });
    }
    let mut answers = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        let (link, problem) =
            answer.map_err(|error| CockpitError::bug(format!("a link's task ended by itself: {error}")))?;
        answers.insert(link, problem);
    }
    Ok(answers)
}

/// The rules of every file that was given, with the file of each.
type Rules = BTreeMap<String, (String, AlertRule)>;

fn read_rules(paths: &[PathBuf], findings: &mut Vec<Finding>) -> Result<Option<Rules>, CockpitError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut rules = Rules::new();
    for path in paths {
        // In a directory other YAML may lie beside the rules.
        let whole = path.is_dir();
        let files = if whole {
            let (files, problems) = catalog::files_below(path);
            findings.extend(problems);
            files
        } else {
            vec![path.clone()]
        };
        for file in files {
            let name = file.display().to_string();
            match alert_rules::read(&name, &catalog::read_bytes(&file)?) {
                Ok(read) => {
                    rules.extend(read.into_iter().map(|rule| (rule.alert.clone(), (name.clone(), rule))));
                }
                Err(problems) if whole && problems.iter().all(|problem| problem.rule == NOT_ALERT_RULES.id) => {}
                Err(problems) => findings.extend(problems),
            }
        }
    }
    Ok(Some(rules))
}

fn without_rule(spot: &mut Spot<'_>, rules: &Rules) {
    for alert in &spot.found.runbook.trigger.alerts.clone() {
        if !rules.contains_key(alert) {
            let near = rules
                .keys()
                .filter(|known| strsim::damerau_levenshtein(&known.to_lowercase(), &alert.to_lowercase()) <= 2)
                .map(|near| format!("did you mean `{near}`?"))
                .next();
            spot.add(&RUNBOOK_WITHOUT_RULE, alert, format!("no rule raises the alert `{alert}`"), near);
        }
    }
}

fn without_runbook(found: &[Found], rules: &Rules) -> Vec<Finding> {
    let handled: BTreeSet<&str> =
        found.iter().flat_map(|found| found.runbook.trigger.alerts.iter().map(String::as_str)).collect();
    let names: BTreeSet<String> = catalog::references(found.iter().map(|found| found.runbook.as_ref()))
        .into_iter()
        .map(|name| name.to_lowercase())
        .collect();
    rules
        .values()
        .filter(|(_, rule)| !handled.contains(rule.alert.as_str()))
        .filter(|(_, rule)| {
            let page = rule.runbook_url.as_deref().and_then(|url| url.trim_end_matches('/').rsplit('/').next());
            !page.is_some_and(|page| names.contains(&page.to_lowercase()))
        })
        .map(|(file, rule)| {
            let message = format!("no runbook is triggered by the alert `{}`", rule.alert);
            let mut finding = ALERT_WITHOUT_RUNBOOK.at(file, rule.position, message);
            finding.hint = Some(format!("`belay search {}` looks for one that should be", rule.alert));
            finding
        })
        .collect()
}
