//! Searching, reading and writing runbooks.

use std::collections::BTreeMap;

use belay_runbook::finding::{Finding, FindingLevel};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::wire::{ExecutionSummary, RunbookStatistics, SearchHit};

/// What is searched for; everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
#[serde(default)]
pub struct SearchRequest {
    /// What somebody typed.
    pub query: String,
    /// Only runbooks about this service.
    pub service: Option<String>,
    /// Only this severity, or any.
    pub severity: Option<String>,
    /// Only this category.
    pub category: Option<String>,
    /// Only this domain.
    pub domain: Option<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// At most so many hits; a thousand where zero.
    pub limit: u32,
}

/// Hits, best first.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SearchAnswer {
    /// The hits.
    pub hits: Vec<SearchHit>,
    /// How many there are, shown or not; a thousand at most.
    pub total: usize,
    /// Whether there are more than that.
    pub more: bool,
    /// How many of the hits each value of each facet has.
    pub facets: Vec<Facet>,
}

/// One way to narrow a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Facet {
    /// `severity`, `category`, `domain`, `service` or `tag`.
    pub name: String,
    /// Its values, the most frequent first.
    pub values: Vec<FacetValue>,
}

/// A value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many hits have it.
    pub count: usize,
}

/// A payload of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct AlertRequest {
    /// An Alertmanager payload or a single alert, JSON.
    pub payload: String,
    /// Only the alert with this fingerprint.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

/// The runbooks for a payload.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct AlertAnswer {
    /// Its alerts, each once: those that fire first.
    pub alerts: Vec<AlertView>,
    /// What there is to know about the payload: duplicates, alerts that are over.
    pub notes: Vec<String>,
}

/// One alert with the runbooks that may help.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct AlertView {
    /// `alertname`.
    pub name: String,
    /// Whether it is over.
    pub resolved: bool,
    /// Alertmanager's fingerprint.
    pub fingerprint: Option<String>,
    /// Labels; whoever can send a metric can choose them.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it began, as written.
    pub starts_at: Option<String>,
    /// How many copies of it came besides.
    pub duplicates: usize,
    /// The runbooks, best first.
    pub runbooks: Vec<SearchHit>,
    /// The alert as a start takes it.
    pub value: Value,
}

/// Which runbook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct RunbookRequest {
    /// An id, a name or a path.
    pub runbook: String,
}

/// A runbook as its page shows it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunbookPage {
    /// The runbook.
    pub runbook: RunbookView,
    /// What validation reports.
    pub findings: Vec<FindingView>,
    /// Its executions here.
    pub statistics: RunbookStatistics,
    /// The last of them, newest first.
    pub history: Vec<ExecutionSummary>,
    /// `bundled`, or its file.
    pub source: String,
    /// SHA-256 of its file, hex.
    pub digest: String,
    /// Its file's text.
    pub text: String,
    /// Actions that it names and that this version cannot perform; with any, it can be read and planned, not run.
    pub unavailable: Vec<String>,
}

/// A runbook as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunbookView {
    /// Its id, or its name where it has none.
    pub id: String,
    /// `metadata.name`.
    pub name: String,
    /// The title.
    pub title: String,
    /// What it is about.
    pub description: Option<Prose>,
    /// The Story's taxonomy.
    pub domain: Option<String>,
    /// The Guide's taxonomy.
    pub category: Option<String>,
    /// The severity addressed.
    pub severity: String,
    /// Services affected.
    pub services: Vec<String>,
    /// Free tags.
    pub tags: Vec<String>,
    /// Alerts that it is for.
    pub alerts: Vec<String>,
    /// Other triggers, for people.
    pub triggers: Vec<String>,
    /// What people see.
    pub symptoms: Vec<String>,
    /// What it means for users.
    pub impact: Option<Prose>,
    /// What helps.
    pub resolution: Option<Prose>,
    /// Whoever wrote it.
    pub author: Option<String>,
    /// Its own version.
    pub version: Option<String>,
    /// When it was last changed.
    pub updated: Option<String>,
    /// When it is to be reviewed.
    pub review_date: Option<String>,
    /// How long an execution takes, in minutes.
    pub estimated_minutes: Option<u32>,
    /// `manual`, `semi-automated` or `fully-automated`.
    pub automation_level: Option<String>,
    /// Whether a failed execution rolls back by itself.
    pub rollback_on_failure: bool,
    /// Whether a start in production needs a change ticket.
    pub requires_change_ticket: bool,
    /// What has to be in place before the first step.
    pub prerequisites: Vec<String>,
    /// What is signed off after the last one.
    pub post_conditions: Vec<String>,
    /// The steps in the order of the file.
    pub steps: Vec<StepSpec>,
    /// What a rollback runs after the undos.
    pub rollback_steps: Vec<StepSpec>,
    /// The flow between the steps.
    pub flow: Vec<FlowEdge>,
    /// Related runbooks.
    pub related: Vec<RelatedRunbook>,
    /// References: documents, links.
    pub references: Vec<String>,
    /// Changes, newest first.
    pub changelog: Vec<ChangeView>,
}

/// Markdown, as it is written and as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Prose {
    /// As written.
    pub text: String,
    /// Sanitised HTML: no markup of the writer's own, no images, links to `http`, `https` and `mailto` alone.
    pub html: String,
}

/// A step as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct StepSpec {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// One of the five kinds.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub description: Option<Prose>,
    /// Commands, with placeholders as written, or with values where they are known.
    pub commands: Vec<String>,
    /// Remarks that stand between the commands.
    pub remarks: Vec<String>,
    /// The action or automation that it calls.
    pub action: Option<String>,
    /// Parameters of the action, with templates as written.
    pub parameters: Option<Value>,
    /// Its effect as declared: `read`, `mutate` or `destructive`; none where a person acts.
    pub effect: Option<String>,
    /// It is left out where this does not hold.
    pub when: Option<String>,
    /// What has to hold before it.
    pub prerequisites: Vec<String>,
    /// What has to hold of its output.
    pub post_conditions: Vec<String>,
    /// What a person should see.
    pub expected_output: Option<String>,
    /// What a person checks.
    pub success_criteria: Option<String>,
    /// Automatic retries.
    pub retries: u32,
    /// The longest time of one attempt, in seconds.
    pub timeout_seconds: Option<f64>,
    /// What to do when it fails, for people.
    pub failure_hint: Option<String>,
    /// A failure does not stop the execution.
    pub continue_on_error: bool,
    /// Whether the runbook asks for an approval; the policy may ask all the same.
    pub needs_approval: bool,
    /// Who may approve; everybody where empty.
    pub approvers: Vec<String>,
    /// People who have to approve.
    pub quorum: u32,
    /// What takes it back.
    pub undo: Option<UndoSpec>,
    /// It serves only to take another step back, and lies outside the forward flow.
    pub undo_only: bool,
    /// Branches of a decision.
    pub branches: Vec<BranchSpec>,
    /// How long it takes, in minutes.
    pub estimated_minutes: Option<u32>,
}

/// What takes a step back, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct UndoSpec {
    /// `acts`, `step` or `irreversible`.
    pub kind: String,
    /// The commands or the action, the step's name, or the reason.
    pub text: String,
}

/// A branch of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct BranchSpec {
    /// Its name.
    pub name: String,
    /// The step it leads to, or `end`.
    pub to: String,
    /// It is taken where this holds.
    pub when: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

/// An edge of the flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct FlowEdge {
    /// The step it leaves.
    pub from: String,
    /// The step it leads to, or `end`.
    pub to: String,
    /// What it is.
    pub kind: FlowKind,
    /// The branch's name.
    pub label: Option<String>,
}

/// Kinds of edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FlowKind {
    /// The step after it.
    Next,
    /// A branch of a decision.
    Branch,
    /// Where a failure goes.
    Failure,
    /// The step that takes it back.
    Undo,
}

/// A related runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct RelatedRunbook {
    /// As written.
    pub text: String,
    /// Its name, where the catalog has it.
    pub name: Option<String>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ChangeView {
    /// Date as written.
    pub date: String,
    /// Who.
    pub author: Option<String>,
    /// What.
    pub changes: String,
}

/// What validation reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct FindingView {
    /// The file, or a name in angle brackets.
    pub file: String,
    /// Line, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
    /// The rule's id.
    pub rule: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        let severity = match finding.severity {
            FindingLevel::Error => "error",
            FindingLevel::Warning => "warning",
        };
        Self {
            file: finding.file.clone(),
            line: finding.position.line,
            column: finding.position.column,
            rule: finding.rule.to_owned(),
            severity: severity.to_owned(),
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        }
    }
}

/// A text that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct ValidateRequest {
    /// The text.
    pub text: String,
}

/// What came of looking at a text.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Validated {
    /// Findings by place.
    pub findings: Vec<FindingView>,
    /// How it would look, where it can be read.
    pub preview: Option<RunbookView>,
}

/// An edit that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct EditView {
    /// The draft's text.
    pub text: String,
    /// The file that changes when the draft is kept.
    pub target: String,
    /// Whether the runbook is bundled and the target is a copy of one's own.
    pub copies: bool,
    /// Whether the draft is left over from an earlier edit.
    pub left_over: bool,
}

/// A draft's text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct DraftRequest {
    /// The runbook that the edit was begun with.
    pub runbook: String,
    /// What was typed.
    pub text: String,
}

/// How to keep a draft.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct KeepRequest {
    /// The runbook that the edit was begun with.
    pub runbook: String,
    /// What changed, for the changelog; nothing is noted where it is empty.
    #[serde(default)]
    pub changes: String,
    /// `major`, `minor` or `patch`: how much of the version changes.
    #[serde(default)]
    pub bump: Option<String>,
}

/// A draft that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct KeptView {
    /// The runbook's file.
    pub path: String,
    /// Its version now.
    pub version: Option<String>,
}

/// A directory of this device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct DirectoryRequest {
    /// Its path; `~` stands for the home folder.
    pub path: String,
}

/// A directory that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SourceAdded {
    /// The directory.
    pub path: String,
    /// How many runbooks it holds.
    pub runbooks: usize,
    /// What is wrong with files that could not be used.
    pub findings: Vec<FindingView>,
}

/// What of the catalog would let somebody down.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RotView {
    /// Each runbook, worst first.
    pub runbooks: Vec<crate::RunbookHealth>,
    /// Everything in detail.
    pub findings: Vec<FindingView>,
}
