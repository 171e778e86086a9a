//! The plan: what would happen, with nothing changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use belay_actions::action::{ActionError, SecretError, SecretSource, Surroundings, secret_names};
use belay_actions::kubernetes::Needed;
use belay_engine::driver::{Driver, Rules, StepPlan};
use belay_engine::event::Genesis;
use belay_engine::execution::Execution;
use belay_engine::ids::EventHash;
use belay_runbook::act::{Act, Preparation};
use belay_runbook::action::{ActionCatalog as _, ActionSpec};
use belay_runbook::model::{Does, Runbook, Step};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::Cockpit;
use crate::catalog::sha256;
use crate::context::Context;
use crate::drive::acts::context_of;
use crate::error::{CockpitError, chain};
use crate::secrets::SecretReader;
use crate::start::{Prepared, StartRequest, steps_of};
use crate::view;
use crate::wire::{PlanStep, PlanView, RunbookRef, UndoView};
use crate::{home, preflight};

impl Cockpit {
    /// Plans an execution; reads live state unless `offline`.
    pub async fn plan(&self, request: &StartRequest, offline: bool) -> Result<PlanView, CockpitError> {
        Ok(self.plan_in_detail(request, offline).await?.0)
    }

    /// The same, with what the problems of each step are about, in their order.
    pub(crate) async fn plan_in_detail(
        &self,
        request: &StartRequest,
        offline: bool,
    ) -> Result<(PlanView, Vec<Vec<About>>), CockpitError> {
        let prepared = self.gather(request)?;
        let (secrets, runbook) = (Arc::clone(self.secrets()), Arc::clone(&prepared.found.runbook));
        let given = request.variables.clone();
        tokio::task::spawn_blocking(move || secrets.refuse_unknown(&runbook, &given))
            .await
            .map_err(|error| CockpitError::bug(format!("the secrets cannot be looked for: {error}")))??;
        let execution = Self::pretend(request, &prepared, prepared.values.clone());
        let policy = self.shared.policy(&execution.genesis)?;
        let rules = Rules { actions: Arc::clone(self.registry()) as _, policy };
        let driver = Driver::new(execution, rules, home::nobody_yet());
        let runbook = Arc::clone(&prepared.found.runbook);
        let mut planned = Vec::new();
        for step in steps_of(&runbook) {
            planned.push(self.plan_step(&driver, step, offline).await);
        }
        if !offline && prepared.context.cluster.is_some() {
            self.tell_denied(&runbook, &prepared.context, &mut planned).await;
        }
        let (steps, about): (Vec<PlanStep>, Vec<Vec<About>>) =
            planned.into_iter().map(|planned| (planned.step, planned.about)).unzip();
        let mut view = PlanView {
            runbook: RunbookRef {
                id: runbook.reference().to_owned(),
                name: runbook.name.clone(),
                title: runbook.display_title().to_owned(),
                digest: prepared.found.digest,
            },
            context: prepared.context.name,
            environment: prepared.context.environment,
            inputs: prepared.values,
            missing: prepared.missing,
            steps,
            digest: String::new(),
        };
        let canonical = serde_json::to_value(&view)
            .map_err(|error| CockpitError::bug(format!("a plan cannot be written: {error}")))?;
        view.digest = sha256(canonical.to_string().as_bytes());
        Ok((view, about))
    }

    /// An execution that exists nowhere, to plan with the same engine that runs.
    pub(crate) fn pretend(request: &StartRequest, prepared: &Prepared, values: BTreeMap<String, Value>) -> Execution {
        let genesis = Genesis {
            label: String::new(),
            runbook: Arc::clone(&prepared.found.text),
            runbook_digest: prepared.found.digest.clone(),
            runbook_source: prepared.found.source.clone(),
            inputs: values,
            alert: request.alert.as_ref().map(|alert| alert.value.clone()),
            context: prepared.context.name.clone(),
            environment: prepared.context.environment.clone(),
            config: prepared.context.config.clone(),
            cluster: prepared.context.cluster.clone(),
            protected: prepared.context.protected.clone(),
            policy: Arc::clone(&prepared.policy),
            policy_digest: prepared.policy_digest.clone(),
            automations: prepared.automations.clone(),
            history: Vec::new(),
            started_by: home::nobody_yet(),
            triggered_by: "plan".to_owned(),
            incident: None,
            ticket: None,
            at: Timestamp::UNIX_EPOCH,
        };
        Execution::begin(EventHash(String::new()), Arc::new(genesis), Arc::clone(&prepared.found.runbook))
    }

    async fn plan_step(&self, driver: &Driver, step: &Step, offline: bool) -> Planned {
        let mut planned = Planned::new(PlanStep {
            name: step.name.to_string(),
            title: step.display_title().to_owned(),
            kind: step.kind.as_str().to_owned(),
            acts: Vec::new(),
            effect: None,
            impact: None,
            impact_reasons: Vec::new(),
            approval: Vec::new(),
            undo: None,
            next: driver.leads_to(step),
            known_after: Vec::new(),
            problems: Vec::new(),
        });
        for problem in absent_programs(driver, step) {
            planned.tell(About::Program, problem);
        }
        let acts = match driver.rendered(step) {
            StepPlan::Nothing => return planned,
            StepPlan::Acts(acts) => acts,
            StepPlan::KnownAfter(known_after) => {
                planned.step.known_after = known_after;
                return planned;
            }
            StepPlan::Impossible(problem) => {
                planned.tell(About::Value, problem);
                return planned;
            }
        };
        for problem in self.doubtful_secrets(&acts).await {
            planned.tell(About::Secret, problem);
        }
        let mut preparations = Vec::with_capacity(acts.len());
        for act in &acts {
            match self.prepare_for_plan(&driver.execution().genesis, act, offline).await {
                Ok(preparation) => preparations.push(preparation),
                Err((about, problem)) => {
                    // A secret that is missing has been told of.
                    if !planned.step.problems.iter().any(|told| problem.contains(told)) {
                        planned.tell(about, problem);
                    }
                }
            }
        }
        let registry = self.registry();
        let shown = &mut planned.step;
        if preparations.len() < acts.len() {
            let effect = |act: &Act| driver.declared_effect(step, act);
            shown.effect = acts.iter().map(effect).max().map(|effect| effect.as_str().to_owned());
            shown.acts = acts.iter().map(|act| view::rendered(act, effect(act), "", registry)).collect();
            return planned;
        }
        match driver.judged(step, acts, preparations) {
            Ok(judged) => {
                let worst = judged.acts.iter().map(|act| act.effect).max();
                shown.effect = worst.map(|effect| effect.as_str().to_owned());
                shown.impact = Some(judged.impact.as_str().to_owned());
                shown.impact_reasons = view::impact_reasons(judged.acts.iter());
                shown.approval = judged.approval;
                shown.undo = undo_view(&judged.undo, registry);
                shown.acts = judged.acts.iter().map(|act| view::act_view(act, registry)).collect();
            }
            Err(problem) => planned.tell(About::Policy, problem),
        }
        planned
    }

    /// Says of each step which rights it needs, in the namespaces that it acts in, and this account does not have.
    async fn tell_denied(&self, runbook: &Runbook, context: &Context, steps: &mut [Planned]) {
        let needed: Vec<Vec<Needed<'_>>> =
            steps_of(runbook).zip(steps.iter()).map(|(step, planned)| self.needed(step, &planned.step)).collect();
        let all: Vec<Needed<'_>> = needed.iter().flatten().cloned().collect();
        if all.is_empty() {
            return;
        }
        // A cluster that cannot be reached is a problem of every step that needs it, and said there.
        let Ok(report) = self.rights(context, &all).await else { return };
        for (planned, needed) in steps.iter_mut().zip(needed) {
            for right in report.lacking(&needed) {
                let problem = format!("this account may not `{right}` in context `{}`", context.name);
                if !planned.step.problems.contains(&problem) {
                    planned.tell(About::Right, problem);
                }
            }
        }
    }

    /// The actions of a step on a cluster, and the namespaces that they act in: those of its acts, where they are known.
    fn needed(&self, step: &Step, planned: &PlanStep) -> Vec<Needed<'_>> {
        let namespace = |parameters: &Value| parameters.get("namespace").and_then(Value::as_str).map(str::to_owned);
        let of_clusters = |spec: &&ActionSpec| is_of_clusters(spec);
        if planned.acts.is_empty() {
            let spec = self.spec_of(step).filter(of_clusters);
            return spec.map(|spec| Needed { spec, namespace: None }).into_iter().collect();
        }
        let acts = planned.acts.iter();
        let specs = acts.filter_map(|act| Some((self.registry().spec(&act.action)?, namespace(&act.parameters))));
        specs.filter(|(spec, _)| of_clusters(spec)).map(|(spec, namespace)| Needed { spec, namespace }).collect()
    }

    /// What the action of a step declares.
    fn spec_of(&self, step: &Step) -> Option<&ActionSpec> {
        match &step.does {
            Does::Action(call) => self.registry().spec(&call.name),
            Does::Commands(_) | Does::Automation(_) | Does::Nothing => None,
        }
    }

    /// What stands against the secrets that acts name.
    async fn doubtful_secrets(&self, acts: &[Act]) -> Vec<String> {
        let names: BTreeSet<String> = acts.iter().flat_map(|act| secret_names(&act.parameters)).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let secrets = Arc::clone(self.secrets());
        match tokio::task::spawn_blocking(move || secrets.doubts(&names)).await {
            Ok(doubts) => doubts.iter().map(ToString::to_string).collect(),
            Err(error) => vec![format!("the secrets cannot be looked for: {error}")],
        }
    }

    /// Surroundings for reading alone: no output, nothing that an act could use, and no keyring that is unlocked for it.
    pub(crate) fn quiet_surroundings(&self, genesis: &Genesis) -> Surroundings {
        Surroundings {
            invocation: "plan".to_owned(),
            timeout: None,
            cancel: CancellationToken::new(),
            output: Arc::new(|_| {}),
            survives: false,
            context: Arc::new(context_of(genesis)),
            secrets: Arc::new(PlannedSecrets(SecretReader::looking(self.secrets()))),
            now: Timestamp::now(),
            notices: Arc::new(|_| {}),
            host: None,
        }
    }

    async fn prepare_for_plan(
        &self,
        genesis: &Genesis,
        act: &Act,
        offline: bool,
    ) -> Result<Preparation, (About, String)> {
        let Some(action) = self.registry().get(&act.action) else {
            return Err((About::Action, format!("there is no action `{}`", act.action)));
        };
        if !action.spec().available {
            return Err((About::Action, format!("this version of belay cannot perform `{}`", act.action)));
        }
        if offline && belay_engine::driver::reads_live_state(&act.action) {
            return Err((About::Offline, "live state is not read offline".to_owned()));
        }
        let surroundings = self.quiet_surroundings(genesis);
        action.prepare(act, &surroundings).await.map_err(|error| {
            let about = match &error {
                ActionError::Parameter { .. } => About::Value,
                ActionError::Login { .. } => About::Login,
                ActionError::Unreachable { .. } => About::Target,
                ActionError::NotAvailable(_) => About::Action,
            };
            (about, chain(&error))
        })
    }
}

/// What a problem of a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A program that is not here.
    Program,
    /// A secret that is missing.
    Secret,
    /// An action that cannot be performed.
    Action,
    /// A value that the step would refuse.
    Value,
    /// A login that has expired.
    Login,
    /// A target that cannot be read, or is not as it has to be.
    Target,
    /// A right that the account does not have.
    Right,
    /// A rule that forbids it.
    Policy,
    /// Nothing: live state was not asked for.
    Offline,
}

/// A step of a plan, with what its problems are about.
struct Planned {
    step: PlanStep,
    about: Vec<About>,
}

impl Planned {
    fn new(step: PlanStep) -> Self {
        Self { step, about: Vec::new() }
    }

    fn tell(&mut self, about: About, problem: String) {
        self.step.problems.push(problem);
        self.about.push(about);
    }
}

/// Programs that a step would start and that are not here.
fn absent_programs(driver: &Driver, step: &Step) -> Vec<String> {
    let missing = preflight::missing_of(&driver.execution().runbook, step);
    missing.iter().map(|program| format!("{}; {}", preflight::absent(program), preflight::REMEDY)).collect()
}

fn undo_view(plan: &belay_engine::event::UndoPlan, registry: &belay_actions::registry::Registry) -> Option<UndoView> {
    use belay_engine::event::UndoPlan;
    let status = match plan {
        UndoPlan::NotNeeded => return None,
        UndoPlan::Irreversible { .. } => "irreversible",
        UndoPlan::Undeclared => "undeclared",
        UndoPlan::Captured | UndoPlan::Acts { .. } | UndoPlan::Later { .. } | UndoPlan::Manual { .. } => "ready",
    };
    Some(UndoView { status: status.to_owned(), output: view::undo_text(plan, registry), detail: None })
}

/// Whether an action acts on a cluster and needs all of the rights that it declares. Those on a service need the rights for
/// one kind of workload, or for none; which one, their preparation finds out.
pub(crate) fn is_of_clusters(spec: &ActionSpec) -> bool {
    spec.name.starts_with("kubernetes.") || spec.name.starts_with("network.")
}

/// Secrets of a plan: a missing one is a problem of its step, and does not keep the rest of the step from being planned.
struct PlannedSecrets(SecretReader);

#[async_trait]
impl SecretSource for PlannedSecrets {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        self.0.secret(name).await
    }

    async fn missing(&self, _name: &str) -> Option<SecretError> {
        None
    }
}
