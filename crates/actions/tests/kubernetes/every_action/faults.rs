//! A fault at each request in turn: what is said of an act is true, and what was changed comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use belay_runbook::act::{Ending, Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::Effect;
use belay_testkit::cluster::{Fault, Matching};
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{Scenario, changed, scenarios, settled, snapshot};
use crate::stage::Stage;

/// Requests of one act that are broken one after another.
const MOST_REQUESTS: usize = 24;

/// Stages that are tried at the same time.
const AT_ONCE: usize = 8;

const FAULTS: [Fault; 11] = [
    Fault::Unavailable,
    Fault::Internal,
    Fault::Busy(1),
    Fault::Conflict,
    Fault::LostRequest,
    Fault::LostAnswer,
    Fault::HalfAnswer,
    Fault::Garbage,
    Fault::Gone,
    Fault::Slow(Duration::from_millis(50)),
    Fault::RefuseConnections(Duration::from_millis(50)),
];

/// Where a fault is, for messages.
struct Trial {
    scenario: Scenario,
    request: usize,
    fault: Fault,
}

impl Trial {
    fn shown(&self) -> String {
        format!("{} with {:?} at request {}", self.scenario.action, self.fault, self.request)
    }

    /// Runs the act with its fault, settles what is not known, and takes it back.
    async fn play(&self, requests: usize) {
        let stage = self.scenario.stage().await;
        let (action, parameters) = (self.scenario.action, &self.scenario.parameters);
        let prepared = stage.prepare(action, parameters.clone()).await.unwrap();
        let before = snapshot(&stage);
        stage.cluster.forget_calls();
        stage.cluster.fail_next(Matching::any().after(self.request), self.fault.clone());
        let outcome = stage.run_prepared(action, parameters.clone(), &prepared).await;
        stage.cluster.heal();
        // What was refused changed nothing, and may be asked for again.
        let changes = stage.cluster.changes().iter().filter(|call| call.status < 400).count();
        // An eviction names the pod's uid, so that asking for it again evicts no other one.
        let again = usize::from(action == "kubernetes.drain_node");
        assert!(changes <= requests + again, "{}: {changes} changes, {requests} are needed", self.shown());
        if outcome.ending == Ending::NotStarted {
            assert_eq!(changed(&stage, &before), "", "{}: nothing was started: {outcome:?}", self.shown());
            return;
        }
        if self.scenario.effect(&stage) == Effect::Read || prepared.undo.is_none() {
            return;
        }
        if let Some(outcome) = self.known(&stage, &prepared, outcome, &before).await {
            self.take_back(&stage, &prepared, &outcome, &before).await;
        }
    }

    /// The outcome, once a probe has said what came of an act that is not known; nothing where it did not happen.
    async fn known(
        &self,
        stage: &Stage,
        prepared: &Preparation,
        outcome: Outcome,
        before: &BTreeMap<String, Value>,
    ) -> Option<Outcome> {
        if matches!(outcome.ending, Ending::Succeeded | Ending::Failed) {
            return Some(outcome);
        }
        match stage.probe(self.scenario.action, self.scenario.parameters.clone(), prepared).await {
            ProbeAnswer::Done(outcome) => Some(outcome),
            ProbeAnswer::NotDone => {
                assert_eq!(changed(stage, before), "", "{}: a probe says that nothing happened", self.shown());
                None
            }
            ProbeAnswer::Unknown => Some(outcome),
        }
    }

    async fn take_back(
        &self,
        stage: &Stage,
        prepared: &Preparation,
        outcome: &Outcome,
        before: &BTreeMap<String, Value>,
    ) {
        settled(stage).await;
        let (action, parameters) = (self.scenario.action, &self.scenario.parameters);
        match stage.undo_state(action, parameters.clone(), prepared, outcome).await {
            UndoState::AsBefore => {}
            UndoState::AsAfter | UndoState::Incomparable => {
                let undone = stage.undo(action, parameters.clone(), prepared, outcome).await;
                assert_eq!(undone.ending, Ending::Succeeded, "{}: {outcome:?}: {undone:?}", self.shown());
            }
            other @ UndoState::Other { .. } => panic!("{}: {outcome:?}: {other:?}", self.shown()),
        }
        assert_eq!(changed(stage, before), "", "{}: {outcome:?}", self.shown());
    }
}

/// How many requests the act makes when nothing is wrong, and how many of them change something.
async fn requests(scenario: &Scenario) -> (usize, usize) {
    let stage = scenario.stage().await;
    let prepared = stage.prepare(scenario.action, scenario.parameters.clone()).await.unwrap();
    stage.cluster.forget_calls();
    let outcome = stage.run_prepared(scenario.action, scenario.parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{}: {outcome:?}", scenario.action);
    (stage.cluster.calls().len().min(MOST_REQUESTS), stage.cluster.changes().len())
}

async fn break_each_request(of: impl Fn(&Scenario) -> bool) {
    let mut trials = Vec::new();
    for scenario in scenarios().into_iter().filter(of) {
        let (all, changing) = requests(&scenario).await;
        for request in 0..all {
            for fault in FAULTS {
                trials.push((Trial { scenario: scenario.clone(), request, fault }, changing));
            }
        }
    }
    assert!(!trials.is_empty());
    let playing = trials.iter().map(|(trial, changing)| trial.play(*changing));
    futures_util::stream::iter(playing).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

macro_rules! families {
    ($($test:ident: $family:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            break_each_request(|scenario| scenario.action.starts_with($family)).await;
        })*
    };
}

families! {
    a_fault_anywhere_in_settings: "config.",
    a_fault_anywhere_in_evidence: "forensics.",
    a_fault_anywhere_on_a_node: "kubernetes.cordon",
    a_fault_anywhere_off_a_node: "kubernetes.uncordon",
    a_fault_anywhere_in_a_drain: "kubernetes.drain",
    a_fault_anywhere_in_a_command: "kubernetes.exec",
    a_fault_anywhere_in_an_expiry: "kubernetes.expire",
    a_fault_anywhere_in_a_reading: "kubernetes.get",
    a_fault_anywhere_in_a_patch: "kubernetes.patch",
    a_fault_anywhere_in_a_restart: "kubernetes.restart",
    a_fault_anywhere_in_a_roll: "kubernetes.roll",
    a_fault_anywhere_in_scaling: "kubernetes.scale",
    a_fault_anywhere_in_a_config_map: "kubernetes.update",
    a_fault_anywhere_in_monitoring: "monitoring.",
    a_fault_anywhere_in_a_network: "network.",
    a_fault_anywhere_in_credentials: "security.",
    a_fault_anywhere_in_a_service: "service.",
}

/// The same intent performed twice acts once: what has happened is recognised, or refused.
#[tokio::test]
async fn an_act_that_is_performed_twice_acts_once() {
    for scenario in scenarios() {
        let stage = scenario.stage().await;
        // A command is no state, and evidence that is taken again is more evidence.
        if ["kubernetes.exec", "forensics.snapshot"].contains(&scenario.action) {
            continue;
        }
        let prepared = stage.prepare(scenario.action, scenario.parameters.clone()).await.unwrap();
        let outcome = stage.run_prepared(scenario.action, scenario.parameters.clone(), &prepared).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{}: {outcome:?}", scenario.action);
        settled(&stage).await;
        let after = snapshot(&stage);
        let again = stage.run_prepared(scenario.action, scenario.parameters.clone(), &prepared).await;
        assert_eq!(changed(&stage, &after), "", "{}: {again:?}", scenario.action);
    }
}
