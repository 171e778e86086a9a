//! The plan: what would happen, with nothing changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use belay_actions::action::{SecretError, SecretSource, Surroundings, secret_names};
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
        let denied = if offline { BTreeSet::new() } else { self.denied(&runbook, &prepared.context).await };
        let mut steps = Vec::new();
        for step in runbook.steps.iter().chain(&runbook.rollback_steps) {
            let mut planned = self.plan_step(&driver, step, offline).await;
            planned.problems.extend(self.unpermitted(step, &denied, &prepared.context.name));
            steps.push(planned);
        }
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
        Ok(view)
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

    async fn plan_step(&self, driver: &Driver, step: &Step, offline: bool) -> PlanStep {
        let mut planned = PlanStep {
            name: step.name.to_string(),
            title: step.display_title().to_owned(),
            kind: step.kind.as_str().to_owned(),
            acts: Vec::new(),
            effect: None,
            impact: None,
            approval: Vec::new(),
            undo: None,
            next: driver.leads_to(step),
            known_after: Vec::new(),
            problems: absent_programs(driver, step),
        };
        let acts = match driver.rendered(step) {
            StepPlan::Nothing => return planned,
            StepPlan::Acts(acts) => acts,
            StepPlan::KnownAfter(known_after) => {
                planned.known_after = known_after;
                return planned;
            }
            StepPlan::Impossible(problem) => {
                planned.problems.push(problem);
                return planned;
            }
        };
        planned.problems.extend(self.doubtful_secrets(&acts).await);
        let mut preparations = Vec::with_capacity(acts.len());
        for act in &acts {
            match self.prepare_for_plan(&driver.execution().genesis, act, offline).await {
                Ok(preparation) => preparations.push(preparation),
                Err(problem) => {
                    // A secret that is missing has been told of.
                    if !planned.problems.iter().any(|told| problem.contains(told)) {
                        planned.problems.push(problem);
                    }
                }
            }
        }
        let registry = self.registry();
        if preparations.len() < acts.len() {
            let effect = |act: &Act| driver.declared_effect(step, act);
            planned.effect = acts.iter().map(effect).max().map(|effect| effect.as_str().to_owned());
            planned.acts = acts.iter().map(|act| view::rendered(act, effect(act), "", registry)).collect();
            return planned;
        }
        match driver.judged(step, acts, preparations) {
            Ok(judged) => {
                let worst = judged.acts.iter().map(|act| act.effect).max();
                planned.effect = worst.map(|effect| effect.as_str().to_owned());
                planned.impact = Some(view::impact_word(judged.impact).to_owned());
                planned.approval = judged.approval;
                planned.undo = undo_view(&judged.undo, registry);
                planned.acts = judged.acts.iter().map(|act| view::act_view(act, registry)).collect();
            }
            Err(problem) => planned.problems.push(problem),
        }
        planned
    }

    /// The rights on the context's cluster that the runbook needs and this account does not have.
    async fn denied(&self, runbook: &Runbook, context: &Context) -> BTreeSet<String> {
        let specs: Vec<&ActionSpec> =
            steps_of(runbook).filter_map(|step| self.spec_of(step)).filter(|spec| is_of_clusters(spec)).collect();
        if context.cluster.is_none() || specs.is_empty() {
            return BTreeSet::new();
        }
        // A cluster that cannot be reached is a problem of every step that needs it, and said there.
        self.rights(context, &specs).await.map(|report| report.denied.into_iter().collect()).unwrap_or_default()
    }

    /// What this account may not do of what a step needs.
    fn unpermitted(&self, step: &Step, denied: &BTreeSet<String>, context: &str) -> Vec<String> {
        let access = self.spec_of(step).filter(|spec| is_of_clusters(spec)).map(|spec| spec.access.as_slice());
        let lacking = access.unwrap_or_default().iter().filter(|right| denied.contains(*right));
        lacking.map(|right| format!("this account may not `{right}` in context `{context}`")).collect()
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
    fn quiet_surroundings(&self, genesis: &Genesis) -> Surroundings {
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

    async fn prepare_for_plan(&self, genesis: &Genesis, act: &Act, offline: bool) -> Result<Preparation, String> {
        let Some(action) = self.registry().get(&act.action) else {
            return Err(format!("there is no action `{}`", act.action));
        };
        if !action.spec().available {
            return Err(format!("this version of belay cannot perform `{}`", act.action));
        }
        if offline && belay_engine::driver::reads_live_state(&act.action) {
            return Err("live state is not read offline".to_owned());
        }
        let surroundings = self.quiet_surroundings(genesis);
        action.prepare(act, &surroundings).await.map_err(|error| chain(&error))
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
fn is_of_clusters(spec: &ActionSpec) -> bool {
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
