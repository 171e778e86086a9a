//! The report of a preflight: everything that would stop a run, before anything is started.

use std::time::Duration;

use belay_actions::kubernetes::Needed;
use belay_runbook::act::Unread;
use belay_runbook::action::ActionCatalog as _;
use belay_runbook::finding::Finding;
use belay_runbook::model::{Does, Runbook, Step};
use belay_runbook::policy::is_production;
use serde::Serialize;
use serde_json::Value;

use crate::Cockpit;
use crate::context::Context;
use crate::error::{CockpitError, ErrorClass};
use crate::plan::About;
use crate::start::{Prepared, StartRequest, steps_of};
use crate::wire::{PlanStep, RunbookRef};

/// Longest time that a start waits for what it only warns of.
const BEFORE_START: Duration = Duration::from_secs(8);

/// What would stop a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreflightReport {
    /// What would be run.
    pub runbook: RunbookRef,
    /// Where it would act.
    pub context: String,
    /// Its environment.
    pub environment: String,
    /// Whether nothing would stop it but a person's approval.
    pub ok: bool,
    /// Everything that was looked at: first what would stop it.
    pub checks: Vec<PreflightCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreflightCheck {
    /// What it is about.
    pub kind: PreflightKind,
    /// What it means for a run.
    pub level: PreflightLevel,
    /// The steps that it is about; empty where it is about the whole run.
    pub steps: Vec<String>,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What a check means for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreflightLevel {
    /// It would stop it.
    Stops,
    /// A person has to agree on the way.
    Waits,
    /// It is as it should be.
    Fine,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreflightKind {
    /// The runbook's text.
    Runbook,
    /// An action that this version cannot perform.
    Action,
    /// A value that is missing, or that a step would refuse.
    Value,
    /// A change ticket.
    Ticket,
    /// A secret.
    Secret,
    /// A program.
    Program,
    /// The login to a cluster.
    Login,
    /// The cluster.
    Cluster,
    /// What a step acts on.
    Target,
    /// A right of the account.
    Right,
    /// A rule of the policy.
    Policy,
    /// A freeze.
    Freeze,
    /// An approval on the way.
    Approval,
}

impl PreflightKind {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runbook => "runbook",
            Self::Action => "action",
            Self::Value => "value",
            Self::Ticket => "ticket",
            Self::Secret => "secret",
            Self::Program => "program",
            Self::Login => "login",
            Self::Cluster => "cluster",
            Self::Target => "target",
            Self::Right => "right",
            Self::Policy => "policy",
            Self::Freeze => "freeze",
            Self::Approval => "approval",
        }
    }

    /// Whose it is, as an error's class.
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Runbook | Self::Value | Self::Approval => ErrorClass::User,
            Self::Action | Self::Ticket | Self::Right | Self::Policy | Self::Freeze => ErrorClass::Refused,
            Self::Secret | Self::Program | Self::Login | Self::Cluster | Self::Target => ErrorClass::Environment,
        }
    }
}

impl PreflightReport {
    /// Whose the worst thing is that stops it: what is refused, then the environment, then what was given.
    pub fn class(&self) -> Option<ErrorClass> {
        let stops = || self.checks.iter().filter(|check| check.level == PreflightLevel::Stops);
        let classes = [ErrorClass::Refused, ErrorClass::Environment, ErrorClass::User];
        classes.into_iter().find(|class| stops().any(|check| check.kind.class() == *class))
    }
}

/// The checks as they come in; the same thing about several steps is told once.
#[derive(Default)]
struct Checks(Vec<PreflightCheck>);

impl Checks {
    fn add(&mut self, kind: PreflightKind, level: PreflightLevel, step: Option<&str>, detail: String) {
        self.put(PreflightCheck { kind, level, steps: Vec::new(), detail, hint: None }, step);
    }

    fn stops(&mut self, kind: PreflightKind, detail: String, hint: Option<String>) {
        self.put(PreflightCheck { kind, level: PreflightLevel::Stops, steps: Vec::new(), detail, hint }, None);
    }

    fn put(&mut self, check: PreflightCheck, step: Option<&str>) {
        let same = |known: &PreflightCheck| known.kind == check.kind && known.detail == check.detail;
        let place = self.0.iter().position(same).unwrap_or(self.0.len());
        let hint = check.hint.clone();
        if place == self.0.len() {
            self.0.push(check);
        }
        let known = &mut self.0[place];
        known.hint = known.hint.take().or(hint);
        if let Some(step) = step.filter(|step| !known.steps.iter().any(|known| known == step)) {
            known.steps.push(step.to_owned());
        }
    }
}

impl Cockpit {
    /// Looks for everything that would stop a run: what was given, programs, logins, the cluster, rights, the policy, a
    /// freeze, and values that steps would refuse. Changes nothing.
    ///
    /// # Errors
    /// There is no such runbook or context, or the policy cannot be used.
    pub async fn preflight(&self, request: &StartRequest) -> Result<PreflightReport, CockpitError> {
        let prepared = self.gather(request)?;
        let mut checks = Checks::default();
        self.check_start(request, &prepared, &mut checks);
        let reachable = self.check_cluster(&prepared, &mut checks).await;
        match self.plan_in_detail(request, !reachable).await {
            Ok((plan, about)) => {
                for (step, about) in plan.steps.iter().zip(&about) {
                    check_step(step, about, &mut checks);
                }
                self.check_freeze_of(&plan.steps, &mut checks);
            }
            Err(error) => checks.stops(PreflightKind::Value, error.message, error.hint),
        }
        let mut checks = checks.0;
        checks.sort_by_key(|check| check.level);
        let runbook = &prepared.found.runbook;
        Ok(PreflightReport {
            runbook: RunbookRef {
                id: runbook.reference().to_owned(),
                name: runbook.name.clone(),
                title: runbook.display_title().to_owned(),
                digest: prepared.found.digest.clone(),
            },
            context: prepared.context.name,
            environment: prepared.context.environment,
            ok: checks.iter().all(|check| check.level != PreflightLevel::Stops),
            checks,
        })
    }

    /// What a start itself would refuse.
    fn check_start(&self, request: &StartRequest, prepared: &Prepared, checks: &mut Checks) {
        let runbook = &prepared.found.runbook;
        for finding in self.faults(&prepared.found) {
            let hint = finding.hint.clone();
            checks.stops(PreflightKind::Runbook, Finding { hint: None, ..finding }.to_string(), hint);
        }
        for action in self.unavailable(runbook) {
            let detail = format!("this version of belay cannot perform `{action}`");
            checks.stops(PreflightKind::Action, detail, Some("do its steps by hand".to_owned()));
        }
        for name in &prepared.missing {
            let hint = format!("give it with `--var {name}=VALUE`");
            checks.stops(PreflightKind::Value, format!("no value for `{name}`"), Some(hint));
        }
        if runbook.requires_change_ticket && request.ticket.is_none() && is_production(&prepared.context.environment) {
            let hint = Some("give it with `--ticket ID`".to_owned());
            checks.stops(PreflightKind::Ticket, "a change ticket is needed in production".to_owned(), hint);
        }
    }

    /// Whether live state of a cluster can be read.
    async fn check_cluster(&self, prepared: &Prepared, checks: &mut Checks) -> bool {
        if prepared.context.cluster.is_none() || self.declared_needs(&prepared.found.runbook).is_empty() {
            return true;
        }
        match self.examine(&prepared.context, &[]).await {
            Ok(report) => {
                let detail = format!("{}, Kubernetes {}, can be reached", report.fingerprint, report.version);
                checks.add(PreflightKind::Cluster, PreflightLevel::Fine, None, detail);
                true
            }
            Err(Unread { why, needs_login }) => {
                let kind = if needs_login { PreflightKind::Login } else { PreflightKind::Cluster };
                checks.stops(kind, format!("context `{}`: {why}", prepared.context.name), None);
                false
            }
        }
    }

    fn check_freeze_of(&self, steps: &[PlanStep], checks: &mut Checks) {
        let changes = |step: &PlanStep| match step.effect.as_deref() {
            Some(effect) => effect != "read",
            None => !step.known_after.is_empty(),
        };
        if !steps.iter().any(changes) {
            return;
        }
        match self.frozen() {
            Ok(None) => {}
            Ok(Some(freeze)) => checks.stops(PreflightKind::Freeze, freeze.why(), None),
            Err(error) => checks.stops(PreflightKind::Freeze, error.message, error.hint),
        }
    }

    /// The actions on a cluster that a runbook names in so many words, with the namespaces that they name.
    pub(crate) fn declared_needs(&self, runbook: &Runbook) -> Vec<Needed<'_>> {
        let need = |step: &Step| match &step.does {
            Does::Action(call) => {
                let spec = self.registry().spec(&call.name).filter(|spec| crate::plan::is_of_clusters(spec))?;
                let named = call.parameters.get("namespace").and_then(Value::as_str);
                let namespace = named.filter(|name| !name.contains(['{', '$'])).map(str::to_owned);
                Some(Needed { spec, namespace })
            }
            Does::Commands(_) | Does::Automation(_) | Does::Nothing => None,
        };
        steps_of(runbook).filter_map(need).collect()
    }

    /// What is wrong with the cluster of a start, for a warning before its first step: an expired login, a cluster that
    /// cannot be reached, rights that are missing. A cluster that takes its time holds no start up for long.
    ///
    /// # Errors
    /// There is no such runbook or context.
    pub async fn doubts_of_cluster(&self, request: &StartRequest) -> Result<Vec<String>, CockpitError> {
        let prepared = self.gather(request)?;
        let needed = self.declared_needs(&prepared.found.runbook);
        let context: &Context = &prepared.context;
        if context.cluster.is_none() || needed.is_empty() {
            return Ok(Vec::new());
        }
        Ok(match tokio::time::timeout(BEFORE_START, self.examine(context, &needed)).await {
            Ok(Ok(report)) => {
                let lacking = report.lacking(&needed);
                let told = |right: String| format!("this account may not `{right}` in context `{}`", context.name);
                lacking.into_iter().map(told).collect()
            }
            Ok(Err(unread)) => vec![format!("context `{}`: {unread}", context.name)],
            Err(_) => vec![format!(
                "context `{}`: no answer of the cluster within {} s",
                context.name,
                BEFORE_START.as_secs()
            )],
        })
    }
}

/// What the plan says of a step.
fn check_step(step: &PlanStep, about: &[About], checks: &mut Checks) {
    let name = Some(step.name.as_str());
    for (problem, about) in step.problems.iter().zip(about) {
        let kind = match about {
            About::Program => PreflightKind::Program,
            About::Secret => PreflightKind::Secret,
            About::Action => PreflightKind::Action,
            About::Value => PreflightKind::Value,
            About::Login => PreflightKind::Login,
            About::Target => PreflightKind::Target,
            About::Right => PreflightKind::Right,
            About::Policy => PreflightKind::Policy,
            // Why nothing was read is told of the cluster.
            About::Offline => continue,
        };
        checks.add(kind, PreflightLevel::Stops, name, problem.clone());
    }
    for reason in &step.approval {
        checks.add(PreflightKind::Approval, PreflightLevel::Waits, name, reason.clone());
    }
}
