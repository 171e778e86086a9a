//! Actions on clusters, `kubernetes.*` and those on services: what they share.
//!
//! An act changes an object by one request that carries what it was read with (its uid, the value it replaces) as a
//! precondition wherever the API can compare: what somebody else changed in between is refused by the server, not
//! overwritten. Reading asks again where an answer was lost; changing never does, and says that it is not known.

mod access;
mod candidates;
mod clusters;
mod configmaps;
mod deployments;
mod examine;
mod expire;
mod forensics;
pub(crate) mod inside;
mod labels;
mod login;
mod network;
mod nodes;
mod pods;
mod services;
mod trouble;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, ActTarget, Basis, Ending, Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Effect, Impact, Sink};
use kube::Api;
use kube::api::PatchParams;
use kube::core::{NamespaceResourceScope, Resource};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::action::{Action, ActionError, OutputChunk, Stream, Surroundings, UndoPrecondition};
use crate::candidate::Candidate;
use crate::observation;
use crate::redact::Redaction;
use crate::registry::Registry;
use trouble::Trouble;

pub use access::ClusterAccess;
pub use clusters::Clusters;
pub use examine::{ClusterReport, Needed};
pub use forensics::EvidenceRoom;
pub(crate) use services::replicas;

/// Adds every action of this module.
pub(crate) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    configmaps::register(registry, clusters);
    deployments::register(registry, clusters);
    expire::register(registry, clusters);
    forensics::register(registry, clusters);
    network::register(registry, clusters);
    nodes::register(registry, clusters);
    pods::register(registry, clusters);
    services::register(registry, clusters);
}

/// How Belay writes: under its name, so that an object shows who changed it.
pub(crate) fn ours() -> PatchParams {
    PatchParams { field_manager: Some("belay".to_owned()), ..PatchParams::default() }
}

/// A JSON patch from its operations.
pub(crate) fn json_patch(operations: Value) -> Result<json_patch::Patch, Trouble> {
    serde_json::from_value(operations).map_err(|error| Trouble::before(format!("a patch cannot be written: {error}")))
}

/// An undo record: the state before, and the cluster that it is of.
pub(crate) fn record(site: &Site<'_>, mut before: Value) -> Value {
    before[CLUSTER] = Value::String(site.cluster.fingerprint.clone());
    before
}

/// How long a change whose answer was lost is left alone before anybody looks whether it happened: the request may still
/// be on its way.
const SETTLING: Duration = Duration::from_secs(3);

/// How long something is waited for where the step sets no time.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Whether it is a name as objects have one: letters, digits, `-` and `.`, so that it is one part of a path and nothing
/// else in a selector.
///
/// Source: Kubernetes, "Object Names and IDs"; a kind, which begins with a capital, is let through too.
fn is_name(value: &str) -> bool {
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    value.len() <= 253
        && ends(value.chars().next())
        && ends(value.chars().next_back())
        && !value.contains("..")
        && value.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.'))
}

/// An object as the API has it, without what only field managers read.
pub(crate) fn plain<K: Resource + serde::Serialize>(object: &K) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or(Value::Null);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

/// What an outcome tells the log, without what looks like a credential. What an undo compares stays as it is.
fn redacted(outcome: Outcome) -> Outcome {
    let redaction = Redaction::tokens();
    Outcome {
        output: redaction.owned(outcome.output),
        published: outcome.published.into_iter().map(|(name, value)| (name, redaction.owned(value))).collect(),
        excerpt: redaction.text(&outcome.excerpt),
        error: outcome.error.map(|error| redaction.text(&error)),
        ..outcome
    }
}

/// A part of something in percent, rounded up.
pub(crate) fn share(part: u32, all: u32) -> u32 {
    part.saturating_mul(100).checked_div(all).map_or(0, |_| part.saturating_mul(100).div_ceil(all).min(100))
}

/// The SHA-256 of a value's canonical JSON, in hex: tells whether it is the same without telling what it is.
pub(crate) fn digest(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The label of objects that Belay has changed for a time.
const TIME_BOXED: &str = "sre.oversight.io/time-boxed";

/// Where an undo record keeps the cluster that it is of.
const CLUSTER: &str = "cluster";

/// One thing to do on a cluster; [`OnCluster`] makes an action of it.
#[async_trait]
pub(crate) trait ClusterAct: Send + Sync + 'static {
    /// What it is given.
    type Parameters: DeserializeOwned + Send + Sync;

    /// What it declares.
    fn declaration() -> ActionSpec;

    /// One line for people.
    fn describe(parameters: &Self::Parameters) -> String;

    /// See [`Action::prepare`].
    async fn prepare(site: &Site<'_>, parameters: Self::Parameters) -> Result<Preparation, Trouble>;

    /// See [`Action::run`].
    async fn run(site: &Site<'_>, parameters: Self::Parameters, preparation: &Preparation) -> Outcome;

    /// See [`Action::undo_state`].
    async fn undo_state(
        _site: &Site<'_>,
        _parameters: Self::Parameters,
        _record: &Value,
        _after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        Ok(UndoState::Incomparable)
    }

    /// See [`Action::undo_precondition`].
    const UNDO: UndoPrecondition = UndoPrecondition::ComparedBefore;

    /// See [`Action::undo`].
    async fn undo(
        _site: &Site<'_>,
        _parameters: Self::Parameters,
        _record: &Value,
        _expected: Option<&Value>,
    ) -> Outcome {
        Outcome::failed("this action captures no undo record")
    }

    /// See [`Action::probe`].
    async fn probe(
        _site: &Site<'_>,
        _parameters: Self::Parameters,
        _preparation: &Preparation,
    ) -> Result<ProbeAnswer, Trouble> {
        Ok(ProbeAnswer::Unknown)
    }
}

/// Where one act takes place.
pub(crate) struct Site<'a> {
    cluster: Arc<clusters::Cluster>,
    /// Where evidence is kept.
    evidence: Option<EvidenceRoom>,
    /// What surrounds the invocation.
    pub(crate) surroundings: &'a Surroundings,
}

impl Site<'_> {
    /// The objects of one kind in a namespace.
    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.cluster.client(), namespace)
    }

    /// The namespace that is meant.
    pub(crate) fn namespace<'a>(&'a self, given: Option<&'a str>) -> &'a str {
        given.unwrap_or(&self.cluster.namespace)
    }

    /// Where evidence is kept on this device.
    fn evidence_room(&self) -> Result<EvidenceRoom, Trouble> {
        self.evidence.clone().ok_or_else(|| Trouble::before("this device has no folder for evidence"))
    }

    /// Shows whole lines while the act runs; what looks like a credential is left out.
    pub(crate) fn say(&self, text: &str) {
        let bytes = Redaction::tokens().bytes(text.as_bytes());
        (self.surroundings.output)(OutputChunk { stream: Stream::Stdout, bytes });
    }

    /// Waits for something until it comes, somebody cancels, or the act's time is over.
    pub(crate) async fn while_wanted<T>(
        &self,
        waiting: impl Future<Output = Result<T, Trouble>>,
        what: &str,
    ) -> Result<T, Trouble> {
        let limit = self.surroundings.timeout.unwrap_or(LONGEST_WAIT);
        tokio::select! {
            came = tokio::time::timeout(limit, waiting) => came.unwrap_or_else(|_| {
                Err(Trouble::too_late(format!("{what} did not end within {} s", limit.as_secs())))
            }),
            () = self.surroundings.cancel.cancelled() => {
                Err(Trouble::cancelled(format!("waiting for {what} was cancelled; it goes on in the cluster")))
            }
        }
    }

    /// A preparation of an act on something, with nothing known about it yet.
    pub(crate) fn preparation(&self, target: String, spec: &ActionSpec) -> Preparation {
        Preparation {
            target: ActTarget { name: target, fingerprint: Some(self.cluster.fingerprint.clone()) },
            effect: spec.effect,
            impact: Impact::Low,
            reasons: Vec::new(),
            facts: BTreeMap::new(),
            basis: Basis { known: true, ..Basis::default() },
            undo: None,
            candidates: BTreeMap::new(),
            notes: Vec::new(),
        }
    }
}

/// A [`ClusterAct`] as an action of the registry.
pub(crate) struct OnCluster<A> {
    spec: ActionSpec,
    clusters: Arc<Clusters>,
    act: std::marker::PhantomData<fn() -> A>,
}

impl<A: ClusterAct> OnCluster<A> {
    pub(crate) fn new(clusters: &Arc<Clusters>) -> Self {
        Self { spec: A::declaration(), clusters: Arc::clone(clusters), act: std::marker::PhantomData }
    }

    fn parameters(&self, act: &Act) -> Result<A::Parameters, ActionError> {
        for (name, _) in self.spec.sinks.iter().filter(|(_, sink)| **sink == Sink::Name) {
            if let Some(value) = act.parameters.get(name).and_then(Value::as_str)
                && !is_name(value)
            {
                return Err(ActionError::Parameter {
                    parameter: name.clone(),
                    problem: format!("`{}` is no name of an object", value.escape_debug()),
                });
            }
        }
        observation::parameters(act)
    }

    /// The end of an act; where the answer to a change was lost, not before that had time to arrive.
    async fn settled(&self, surroundings: &Surroundings, outcome: Outcome) -> Outcome {
        if outcome.ending == Ending::Lost && self.spec.effect != Effect::Read {
            tokio::select! {
                () = tokio::time::sleep(SETTLING) => {}
                () = surroundings.cancel.cancelled() => {}
            }
        }
        outcome
    }

    /// The namespace that an act changes something in: the one it names, else the context's.
    fn namespace_of(&self, site: &Site<'_>, act: &Act) -> Option<String> {
        let changes = self.spec.effect != Effect::Read;
        let named = changes && self.spec.parameters.pointer("/properties/namespace").is_some();
        named.then(|| site.namespace(act.parameters.get("namespace").and_then(Value::as_str)).to_owned())
    }

    async fn site<'a>(&self, surroundings: &'a Surroundings) -> Result<Site<'a>, Trouble> {
        let access = ClusterAccess::of(&surroundings.context)?;
        let cluster = self.clusters.reach(&access).await?;
        Ok(Site { cluster, evidence: self.clusters.evidence_room(), surroundings })
    }

    /// The place of an act that may change something: reached anew if need be, the cluster that was read, and only as long
    /// as somebody wants it.
    async fn site_of<'a>(&self, surroundings: &'a Surroundings, read: Option<&str>) -> Result<Site<'a>, Trouble> {
        let reached = tokio::select! {
            site = self.site(surroundings) => site,
            () = surroundings.cancel.cancelled() => Err(Trouble::before("it was cancelled before anything was asked")),
        };
        let site = reached.map_err(Trouble::unsent)?;
        same_cluster(&site, read)?;
        Ok(site)
    }
}

/// What was heard, with the command that renews the login where that is what is missing.
fn heard<T>(surroundings: &Surroundings, answer: Result<T, Trouble>) -> Result<T, ActionError> {
    answer.map_err(|trouble| trouble.with_remedy(|| remedy(surroundings)).into())
}

/// The same of an act's end.
fn told(spec: &ActionSpec, surroundings: &Surroundings, outcome: Outcome) -> Outcome {
    if !outcome.needs_login {
        return outcome;
    }
    let error = outcome.error.map(|error| format!("{error}; {}", remedy(surroundings)));
    // Who only reads has done nothing, whenever the login ended.
    let ending = if spec.effect == Effect::Read { Ending::NotStarted } else { outcome.ending };
    Outcome { error, ending, ..outcome }
}

fn remedy(surroundings: &Surroundings) -> String {
    match ClusterAccess::of(&surroundings.context) {
        Ok(access) => login::remedy(&access),
        Err(trouble) => trouble.to_string(),
    }
}

/// Whether the context still leads to the cluster that something was read from.
fn same_cluster(site: &Site<'_>, read: Option<&str>) -> Result<(), Trouble> {
    match read {
        Some(read) if read != site.cluster.fingerprint => Err(Trouble::before(format!(
            "the context leads to another cluster now ({read} before, {} now)",
            site.cluster.fingerprint
        ))),
        _ => Ok(()),
    }
}

#[async_trait]
impl<A: ClusterAct> Action for OnCluster<A> {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        match A::Parameters::deserialize(parameters) {
            Ok(parameters) => A::describe(&parameters),
            Err(_) => self.spec.description.clone(),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let parameters = self.parameters(act)?;
        let answer = async {
            let site = self.site(surroundings).await?;
            let mut prepared = A::prepare(&site, parameters).await?;
            // A service's is where the context's file says, and its own preparation has found that out.
            if prepared.basis.namespaces.is_empty()
                && let Some(namespace) = self.namespace_of(&site, act)
            {
                prepared.basis.namespaces.insert(namespace);
            }
            Ok(prepared)
        }
        .await;
        heard(surroundings, answer)
    }

    async fn run(&self, act: &Act, preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let parameters = match self.parameters(act) {
            Ok(parameters) => parameters,
            Err(error) => return Trouble::before(error.to_string()).outcome(),
        };
        match self.site_of(surroundings, preparation.target.fingerprint.as_deref()).await {
            Ok(site) => {
                let outcome = A::run(&site, parameters, preparation).await;
                self.settled(surroundings, told(&self.spec, surroundings, redacted(outcome))).await
            }
            Err(trouble) => told(&self.spec, surroundings, trouble.outcome()),
        }
    }

    async fn undo_state(
        &self,
        act: &Act,
        record: &Value,
        after: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<UndoState, ActionError> {
        let parameters = self.parameters(act)?;
        let answer = async {
            let site = self.site(surroundings).await?;
            same_cluster(&site, record.get(CLUSTER).and_then(Value::as_str))?;
            A::undo_state(&site, parameters, record, after).await
        }
        .await;
        heard(surroundings, answer)
    }

    fn undo_precondition(&self) -> UndoPrecondition {
        A::UNDO
    }

    async fn undo(&self, act: &Act, record: &Value, expected: Option<&Value>, surroundings: &Surroundings) -> Outcome {
        let parameters = match self.parameters(act) {
            Ok(parameters) => parameters,
            Err(error) => return Trouble::before(error.to_string()).outcome(),
        };
        match self.site_of(surroundings, record.get(CLUSTER).and_then(Value::as_str)).await {
            Ok(site) => {
                let outcome = A::undo(&site, parameters, record, expected).await;
                self.settled(surroundings, told(&self.spec, surroundings, redacted(outcome))).await
            }
            Err(trouble) => told(&self.spec, surroundings, trouble.outcome()),
        }
    }

    async fn probe(
        &self,
        act: &Act,
        preparation: &Preparation,
        surroundings: &Surroundings,
    ) -> Result<ProbeAnswer, ActionError> {
        let parameters = self.parameters(act)?;
        let answer = async {
            let site = self.site(surroundings).await?;
            same_cluster(&site, preparation.target.fingerprint.as_deref())?;
            A::probe(&site, parameters, preparation).await
        }
        .await;
        heard(surroundings, answer)
    }
    async fn candidates(
        &self,
        parameter: &str,
        known: &Act,
        surroundings: &Surroundings,
    ) -> Result<Vec<Candidate>, ActionError> {
        if !self.spec.sinks.contains_key(parameter) {
            return Ok(Vec::new());
        }
        if let Some(named) = candidates::named(parameter, &known.parameters, &surroundings.context) {
            return Ok(named);
        }
        let answer = async {
            let site = self.site(surroundings).await?;
            candidates::listed(&site, &self.spec, parameter, &known.parameters).await
        }
        .await;
        heard(surroundings, answer)
    }
}
