//! Starting: everything that an execution depends on, gathered and fixed in its genesis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use belay_engine::event::{Draft, Event, Genesis, PastExecution};
use belay_engine::execution::Execution;
use belay_runbook::action::ActionCatalog as _;
use belay_runbook::finding::{Finding, FindingLevel};
use belay_runbook::lint::rule::HELD_IN_CHECK;
use belay_runbook::model::{Does, InputKind, Runbook, Step, Undo};
use belay_runbook::policy::is_production;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Cockpit;
use crate::alert::Alert;
use crate::catalog::Found;
use crate::context::Context;
use crate::error::CockpitError;
use crate::inputs;
use crate::journal::{encode, hash_of};
use crate::view;

/// How many earlier executions `.History` holds.
const HISTORY: usize = 10;

/// What a person asks to start or to plan.
#[derive(Debug, Clone, Default)]
pub struct StartRequest {
    /// Id, name or path.
    pub runbook: String,
    /// Values of variables, as typed.
    pub variables: BTreeMap<String, String>,
    /// The alert that triggers it.
    pub alert: Option<Alert>,
    /// Incident id.
    pub incident: Option<String>,
    /// Change ticket.
    pub ticket: Option<String>,
    /// Where it acts; the current context where absent.
    pub context: Option<String>,
}

/// Everything but the log.
pub(crate) struct Prepared {
    pub(crate) found: Found,
    pub(crate) context: Context,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) missing: Vec<String>,
    pub(crate) automations: BTreeMap<String, Arc<str>>,
    pub(crate) policy: Arc<str>,
    pub(crate) policy_digest: String,
}

impl Cockpit {
    /// Reads everything that a start or a plan depends on.
    pub(crate) fn gather(&self, request: &StartRequest) -> Result<Prepared, CockpitError> {
        let found = self.find(&request.runbook)?;
        let chosen = request.context.as_deref().or(self.options.context.as_deref());
        let context = self.contexts_file()?.choose(chosen)?;
        let root = json!({
            "Alert": request.alert.as_ref().map_or_else(|| json!({}), |alert| alert.value.clone()),
            "Config": context.config,
            "Vars": {},
        });
        let (values, missing) = inputs::resolve(&found.runbook, &request.variables, &root)?;
        let policy = self.policy()?;
        let automations = self.automations_of(&found.runbook)?;
        Ok(Prepared {
            found,
            context,
            values,
            missing,
            automations,
            policy: Arc::from(policy.yaml.as_str()),
            policy_digest: policy.digest,
        })
    }

    fn automations_of(&self, runbook: &Runbook) -> Result<BTreeMap<String, Arc<str>>, CockpitError> {
        let names: Vec<&str> = steps_of(runbook).flat_map(automation_names).collect();
        let mut texts = BTreeMap::new();
        if names.is_empty() {
            return Ok(texts);
        }
        let automations = self.automations();
        for name in names {
            let text = automations.text(name).ok_or_else(|| {
                CockpitError::user(format!("there is no automation `{name}`"))
                    .hint("`belay actions list` shows what there is")
            })?;
            texts.insert(name.to_owned(), text);
        }
        Ok(texts)
    }

    /// The names of values that a start lacks.
    ///
    /// # Errors
    /// What else a start would be refused for before it asks for them.
    pub fn lacks(&self, request: &StartRequest) -> Result<Vec<String>, CockpitError> {
        Ok(self.startable(request)?.missing)
    }

    /// Everything that a start depends on, of a runbook that can be started.
    fn startable(&self, request: &StartRequest) -> Result<Prepared, CockpitError> {
        let prepared = self.gather(request)?;
        let runbook = &prepared.found.runbook;
        self.secrets().refuse_unknown(runbook, &request.variables)?;
        self.refuse_broken(&prepared.found)?;
        self.refuse_unavailable(runbook)?;
        Ok(prepared)
    }

    /// Starts an execution: its genesis is durable when this returns, and nothing has been done yet.
    pub fn start(&self, request: &StartRequest) -> Result<String, CockpitError> {
        let prepared = self.startable(request)?;
        let runbook = &prepared.found.runbook;
        if !prepared.missing.is_empty() {
            let names: Vec<_> = prepared.missing.iter().map(|name| format!("`{name}`")).collect();
            let example = prepared.missing.first().map(String::as_str).unwrap_or_default();
            let secret = runbook.inputs.get(example).is_some_and(|spec| spec.kind == InputKind::Secret);
            return Err(CockpitError::user(format!("no value for {}", names.join(", "))).hint(if secret {
                // Whoever types the value here has it in the log.
                format!(
                    "give the *name* of a secret with `--var {example}=NAME`; `belay secret set NAME` keeps its value"
                )
            } else {
                format!("give it with `--var {example}=VALUE`")
            }));
        }
        self.refuse_unusable(request, &prepared)?;
        if runbook.requires_change_ticket && request.ticket.is_none() && is_production(&prepared.context.environment) {
            return Err(CockpitError::refused(format!("`{}` needs a change ticket in production", runbook.name))
                .hint("give it with `--ticket ID`"));
        }
        let history = self.history_of(runbook.reference())?;
        let genesis = Genesis {
            label: Uuid::now_v7().to_string(),
            runbook: Arc::clone(&prepared.found.text),
            runbook_digest: prepared.found.digest.clone(),
            runbook_source: prepared.found.source.clone(),
            inputs: prepared.values,
            alert: request.alert.as_ref().map(|alert| alert.value.clone()),
            context: prepared.context.name,
            environment: prepared.context.environment,
            config: prepared.context.config,
            cluster: prepared.context.cluster,
            protected: prepared.context.protected,
            policy: prepared.policy,
            policy_digest: prepared.policy_digest,
            automations: prepared.automations,
            history,
            started_by: self.author()?,
            triggered_by: request
                .alert
                .as_ref()
                .map_or_else(|| "manual".to_owned(), |alert| format!("alert {}", alert.name)),
            incident: request.incident.clone(),
            ticket: request.ticket.clone(),
            at: Timestamp::now(),
        };
        let now = genesis.at;
        let event = Event::Genesis(Box::new(genesis.clone()));
        let draft = encode(&Draft { event, cites: Vec::new() }, now)?;
        let runbook = Arc::clone(runbook);
        // In one commit with its row: no execution is ever without one.
        let appended = self.store()?.append_with(None, vec![draft], move |appended| {
            let first = appended.first()?;
            let execution = Execution::begin(hash_of(first), Arc::new(genesis), runbook);
            view::row(&execution, first.execution()).ok()
        })?;
        let Some(first) = appended.first() else {
            return Err(CockpitError::bug("an append answered with nothing"));
        };
        Ok(hash_of(first).0)
    }

    /// Refuses a runbook with actions that this version only declares, before anything starts.
    fn refuse_unavailable(&self, runbook: &Runbook) -> Result<(), CockpitError> {
        let missing: Vec<String> = self.unavailable(runbook).into_iter().map(|name| format!("`{name}`")).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(CockpitError::refused(format!(
            "`{}` cannot be run: this version of belay cannot perform {}",
            runbook.name,
            missing.join(", ")
        ))
        .hint(format!("`belay plan {}` and `belay show {}` work; do these steps by hand", runbook.name, runbook.name)))
    }

    /// Refuses to start what could not run as it is written, so that it does not stop half way.
    ///
    /// # Errors
    /// The findings, with their places.
    pub fn refuse_broken(&self, found: &Found) -> Result<(), CockpitError> {
        let faults = self.faults(found);
        let Some((first, more)) = faults.split_first() else { return Ok(()) };
        let more = match more.len() {
            0 => String::new(),
            1 => " (and one more)".to_owned(),
            count => format!(" (and {count} more)"),
        };
        let (place, name) = (&found.source, &found.runbook.name);
        let first = Finding { hint: None, ..first.clone() };
        Err(CockpitError::user(format!("`{name}` cannot be run as it is written: {first}{more}")).hint(format!(
            "`belay validate {place}` says what to do, `belay edit {place}` mends it; `belay show {place}` has its steps"
        )))
    }

    /// The errors that keep a runbook from being started.
    pub(crate) fn faults(&self, found: &Found) -> Vec<Finding> {
        // A reference to another runbook is never an error, so the catalog need not be asked.
        let known = BTreeSet::new();
        let findings = self.validate_beside([(found.source.as_str(), found.text.as_bytes())], &known);
        let held = |finding: &Finding| HELD_IN_CHECK.iter().any(|rule| rule.id == finding.rule);
        findings
            .into_iter()
            .flatten()
            .filter(|finding| finding.severity == FindingLevel::Error && !held(finding))
            .collect()
    }

    /// The actions of a runbook that this version only declares, or does not know.
    pub(crate) fn unavailable(&self, runbook: &Runbook) -> BTreeSet<String> {
        let registry = self.registry();
        steps_of(runbook)
            .flat_map(action_names)
            .filter(|name| registry.spec(name).is_none_or(|spec| !spec.available))
            .map(str::to_owned)
            .collect()
    }

    fn history_of(&self, reference: &str) -> Result<Vec<PastExecution>, CockpitError> {
        let filter = belay_store::ExecutionFilter {
            runbook: Some(reference.to_owned()),
            limit: Some(HISTORY),
            ..belay_store::ExecutionFilter::default()
        };
        let rows = self.rows(&filter)?;
        Ok(rows
            .into_iter()
            .map(|row| PastExecution {
                execution: row.id.to_string(),
                status: row.status,
                started_at: Timestamp::from_millisecond(row.started_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            })
            .collect())
    }
}

pub(crate) fn steps_of(runbook: &Runbook) -> impl Iterator<Item = &Step> {
    runbook.steps.iter().chain(&runbook.rollback_steps)
}

pub(crate) fn does_of(step: &Step) -> impl Iterator<Item = &Does> {
    let undo = match &step.undo {
        Some(Undo::Does(does)) => Some(does),
        Some(Undo::Step(_) | Undo::Irreversible(_)) | None => None,
    };
    std::iter::once(&step.does).chain(undo)
}

fn automation_names(step: &Step) -> Vec<&str> {
    does_of(step)
        .filter_map(|does| match does {
            Does::Automation(call) => Some(call.name.as_str()),
            Does::Action(_) | Does::Commands(_) | Does::Nothing => None,
        })
        .collect()
}

fn action_names(step: &Step) -> Vec<&str> {
    does_of(step)
        .filter_map(|does| match does {
            Does::Action(call) => Some(call.name.as_str()),
            Does::Automation(_) | Does::Commands(_) | Does::Nothing => None,
        })
        .collect()
}
