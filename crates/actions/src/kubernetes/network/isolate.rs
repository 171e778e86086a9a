//! `network.isolate_pod`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Impact, PolicyKind, Sink};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PostParams};
use serde_json::{Value, json};

use super::{asked, decides, name, policies, selects};
use crate::action::UndoPrecondition;
use crate::declaration::{Declaration, boolean, list, text};
use crate::kubernetes::labels::{self, matches};
use crate::kubernetes::pods::{Named, Owner};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{ClusterAct, Site, ours, record};

/// The label of an isolated pod: its uid, which no other pod has.
pub(super) const ISOLATED: &str = "sre.oversight.io/isolated";

/// Cuts a pod off from the network and keeps it running for whoever looks into it.
///
/// A policy that allows nothing selects it by a label of its own. As policies only ever add what is allowed, the pod also
/// loses every label by which a service, another policy or its controller selects it: its service no longer sends it
/// requests, no policy lets anything through, and its controller makes another one in its place and leaves it alone.
pub(super) struct IsolatePod;

/// What is to change about a pod.
struct Change {
    /// Labels that it loses, and those that it gets.
    labels: BTreeMap<String, Option<String>>,
    /// The same labels as they are.
    before: BTreeMap<String, Option<String>>,
    /// Services that no longer send it requests.
    services: Vec<String>,
    /// Policies that would still let something through.
    open: Vec<String>,
    /// Who makes another pod in its place.
    owner: Option<Owner>,
}

#[async_trait]
impl ClusterAct for IsolatePod {
    type Parameters = Named;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        Declaration::new("network.isolate_pod", "Cut a pod off from the network and keep it as evidence")
            .required("podName", Sink::Name, text("the pod"))
            .optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
            .output("isolated", boolean("whether the policy is in force and the pod is its own"))
            .output("policy", text("the network policy that allows nothing"))
            .output("services", list(&text("a service"), "services that no longer send it requests"))
            .output("removedLabels", list(&text("a label"), "labels that the pod has lost"))
            .target("podName")
            .fact("podExists")
            .kind(PolicyKind::SecurityIsolation)
            .mutates(true)
            .captures_undo()
            .access("get pods")
            .access("patch pods")
            .access("list services")
            .access("get replicasets.apps")
            .access("get statefulsets.apps")
            .access("get daemonsets.apps")
            .access("list networkpolicies.networking.k8s.io")
            .access("get networkpolicies.networking.k8s.io")
            .access("create networkpolicies.networking.k8s.io")
            .access("delete networkpolicies.networking.k8s.io")
            .build()
    }

    fn describe(parameters: &Named) -> String {
        format!("isolate pod {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let pod = parameters.expect(site).await?;
        let change = Change::of(site, &parameters, &pod).await?;
        let mut prepared = site.preparation(parameters.target(site), &Self::declaration());
        prepared.impact = Impact::High;
        prepared.facts.insert("podExists".to_owned(), json!(true));
        prepared.reasons.push("nothing reaches the pod, and it reaches nothing".to_owned());
        prepared
            .notes
            .extend(change.services.iter().map(|service| format!("service {service} no longer sends it requests")));
        match &change.owner {
            Some(owner) if owner.shown().starts_with("statefulset/") => prepared.notes.push(format!(
                "{} cannot make another pod of the same name as long as this one is kept",
                owner.shown()
            )),
            Some(owner) => prepared.notes.push(format!("{} makes another pod in its place", owner.shown())),
            None => {}
        }
        prepared.notes.push(
            "connections that are open may go on for a while, and without a network plug-in that enforces policies nothing \
             is cut off"
                .to_owned(),
        );
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(pod.metadata.uid));
        prepared.basis.values.insert("labels".to_owned(), json!(change.before));
        prepared.undo = Some(record(
            site,
            json!({ "uid": pod.metadata.uid, "labels": change.before, "services": change.services }),
        ));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Outcome {
        let ready = async {
            let pod = parameters.expect(site).await?;
            if json!(pod.metadata.uid) != preparation.basis.values.get("uid").cloned().unwrap_or_default() {
                return Err(another(&parameters));
            }
            if is_isolated(&pod) {
                return Ok((pod, None));
            }
            let change = Change::of(site, &parameters, &pod).await?;
            if preparation.basis.values.get("labels") != Some(&json!(change.before)) {
                return Err(Trouble::before(format!(
                    "what selects pod `{}` has changed since it was read; prepare it anew",
                    parameters.shown()
                )));
            }
            Ok((pod, Some(change)))
        };
        let (pod, change) = match ready.await.map_err(Trouble::unsent) {
            Ok(ready) => ready,
            Err(trouble) => return trouble.outcome(),
        };
        // The policy comes first: alone it is for no pod, so that what counts is a single change of the pod.
        let made = match ensure_policy(site, &parameters, &pod).await {
            Ok(made) => made,
            Err(trouble) => return trouble.outcome(),
        };
        let Some(change) = change else { return done(site, &parameters, &pod, preparation.undo.as_ref()) };
        match relabel(site, &parameters, &pod, &change.labels).await {
            Ok(pod) => done(site, &parameters, &pod, preparation.undo.as_ref()),
            Err(trouble) if made && trouble.is_refusal() => match remove_policy(site, &parameters, &pod).await {
                Ok(()) => trouble.outcome(),
                // Nothing is isolated, and the policy is still there.
                Err(_) => trouble.outcome_midway(),
            },
            Err(trouble) if made => trouble.outcome_midway(),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Named,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let pod = parameters.expect(site).await?;
        let state = compare(&pod, record, after);
        // A policy for no pod is left to be taken away.
        let ours = !was_isolated(&pod, record);
        let leftover = ours && state == UndoState::AsBefore && policy_exists(site, &parameters, &pod).await?;
        Ok(if leftover { UndoState::AsAfter } else { state })
    }

    async fn undo(site: &Site<'_>, parameters: Named, record: &Value, expected: Option<&Value>) -> Outcome {
        let back = async {
            let pod = parameters.expect(site).await.map_err(Trouble::unsent)?;
            match compare(&pod, record, expected) {
                UndoState::AsBefore => {}
                UndoState::AsAfter | UndoState::Incomparable => {
                    relabel(site, &parameters, &pod, &labels_of(record)).await?;
                }
                UndoState::Other { .. } => {
                    return Err(Trouble::refused(409, "somebody changed the same pod since"));
                }
            }
            Ok(pod)
        };
        let pod = match back.await {
            Ok(pod) => pod,
            Err(trouble) => return trouble.outcome(),
        };
        // Somebody else's isolation was there before, and stays.
        if was_isolated(&pod, record) {
            return Outcome::succeeded(json!({ "restored": true }));
        }
        match remove_policy(site, &parameters, &pod).await {
            Ok(()) => Outcome::succeeded(json!({ "restored": true })),
            Err(trouble) => trouble.outcome_midway(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let pod = parameters.expect(site).await?;
        let same = preparation.basis.values.get("uid") == Some(&json!(pod.metadata.uid));
        Ok(match (same, is_isolated(&pod)) {
            (true, isolated) => match (isolated, policy_exists(site, &parameters, &pod).await?) {
                (true, true) => ProbeAnswer::Done(done(site, &parameters, &pod, preparation.undo.as_ref())),
                (false, false) => ProbeAnswer::NotDone,
                // Half of it: a policy for no pod, or a pod that none is for.
                (true, false) | (false, true) => ProbeAnswer::Unknown,
            },
            (false, _) => ProbeAnswer::Unknown,
        })
    }
}

impl Change {
    /// What isolates a pod.
    async fn of(site: &Site<'_>, named: &Named, pod: &Pod) -> Result<Self, Trouble> {
        let spec = pod.spec.as_ref();
        if spec.is_some_and(|spec| spec.host_network == Some(true)) {
            return Err(Trouble::before(format!(
                "pod `{}` uses the network of its node, which no policy cuts off; cordon the node and take the pod off it",
                named.shown()
            )));
        }
        let own = pod.metadata.labels.clone().unwrap_or_default();
        let mut lost = BTreeSet::new();
        let mut services = Vec::new();
        for service in services_of(site, named).await? {
            let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
            let selector = LabelSelector { match_labels: Some(selector), match_expressions: None };
            if !labels::is_empty(&selector) && matches(&selector, Some(&own)) {
                lost.extend(labels::keys(&selector));
                services.extend(service.metadata.name);
            }
        }
        let (owner, selector) = Owner::with_selector(site, pod).await?.unzip();
        lost.extend(selector.iter().flat_map(labels::keys));
        let others = policies(site, named.namespace(site)).await?;
        let others: Vec<&NetworkPolicy> = others.iter().filter(|policy| name(policy) != policy_name(pod)).collect();
        for policy in others.iter().filter(|policy| matches(&selects(policy), Some(&own))) {
            lost.extend(labels::keys(&selects(policy)));
        }
        let mut changed: BTreeMap<String, Option<String>> =
            lost.into_iter().filter(|label| own.contains_key(label)).map(|label| (label, None)).collect();
        let mut left = own.clone();
        left.retain(|label, _| !changed.contains_key(label));
        left.insert(ISOLATED.to_owned(), uid(pod).to_owned());
        let lets_through = |policy: &&NetworkPolicy| matches(&selects(policy), Some(&left)) && allows(policy);
        let open: Vec<String> =
            others.into_iter().filter(lets_through).map(|policy| format!("`{}`", name(policy))).collect();
        changed.insert(ISOLATED.to_owned(), pod.metadata.uid.clone());
        let before = changed.keys().map(|label| (label.clone(), own.get(label).cloned())).collect();
        let change = Self { labels: changed, before, services, open, owner };
        if change.open.is_empty() {
            return Ok(change);
        }
        Err(Trouble::before(format!(
            "network policy {} selects pods whatever their labels and lets something through, and no other policy can take \
             that away; change it first, or delete the pod after `forensics.snapshot`",
            change.open.join(", ")
        )))
    }
}

/// Whether a policy lets anything through.
fn allows(policy: &NetworkPolicy) -> bool {
    let Some(spec) = &policy.spec else { return false };
    let some = |rules: Option<usize>| rules.is_some_and(|rules| rules > 0);
    (decides(policy, "Ingress") && some(spec.ingress.as_ref().map(Vec::len)))
        || (decides(policy, "Egress") && some(spec.egress.as_ref().map(Vec::len)))
}

async fn services_of(site: &Site<'_>, named: &Named) -> Result<Vec<Service>, Trouble> {
    let namespace = named.namespace(site);
    let api: Api<Service> = site.api(namespace);
    let wanted = ListParams::default();
    let question = Asked { verb: "list", resource: "services", name: "", namespace };
    Ok(site.cluster.ask(&question, || api.list(&wanted)).await?.items)
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

fn is_isolated(pod: &Pod) -> bool {
    pod.metadata.labels.as_ref().and_then(|labels| labels.get(ISOLATED)).is_some_and(|value| value == uid(pod))
}

fn policy_name(pod: &Pod) -> String {
    format!("belay-isolated-{}", uid(pod))
}

fn another(named: &Named) -> Trouble {
    Trouble::before(format!("`{}` is another pod of the same name now; prepare it anew", named.shown()))
}

/// Makes the policy that allows nothing; `false` where it is there already.
async fn ensure_policy(site: &Site<'_>, named: &Named, pod: &Pod) -> Result<bool, Trouble> {
    let (namespace, name) = (named.namespace(site), policy_name(pod));
    let object = json!({
        "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "belay" } },
        "spec": {
            "podSelector": { "matchLabels": { ISOLATED: uid(pod) } }, "policyTypes": ["Ingress", "Egress"],
        },
    });
    let object: NetworkPolicy = serde_json::from_value(object)
        .map_err(|error| Trouble::before(format!("a network policy cannot be written: {error}")))?;
    let api: Api<NetworkPolicy> = site.api(namespace);
    let how = PostParams { field_manager: ours().field_manager, ..PostParams::default() };
    match site.cluster.once(&asked("create", &name, namespace), api.create(&how, &object)).await {
        Ok(_) => Ok(true),
        // Its name is the pod's uid: nobody else's policy has it.
        Err(trouble) if trouble.code() == Some(409) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

async fn policy_exists(site: &Site<'_>, named: &Named, pod: &Pod) -> Result<bool, Trouble> {
    let (namespace, name) = (named.namespace(site), policy_name(pod));
    let api: Api<NetworkPolicy> = site.api(namespace);
    match site.cluster.ask(&asked("get", &name, namespace), || api.get(&name)).await {
        Ok(_) => Ok(true),
        Err(trouble) if trouble.is_missing() => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

async fn remove_policy(site: &Site<'_>, named: &Named, pod: &Pod) -> Result<(), Trouble> {
    let (namespace, name) = (named.namespace(site), policy_name(pod));
    let api: Api<NetworkPolicy> = site.api(namespace);
    let how = DeleteParams::default();
    match site.cluster.once(&asked("delete", &name, namespace), api.delete(&name, &how)).await {
        Ok(_) => Ok(()),
        Err(trouble) if trouble.is_missing() => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// Changes labels in one request, if the pod is still as it was read.
async fn relabel(
    site: &Site<'_>,
    named: &Named,
    pod: &Pod,
    labels: &BTreeMap<String, Option<String>>,
) -> Result<Pod, Trouble> {
    let patch = Patch::Merge(json!({
        "metadata": {
            "uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version, "labels": labels,
        },
    }));
    let (api, how) = (named.api(site), ours());
    match site.cluster.once(&named.asked(site, "patch", "pods"), api.patch(&named.pod_name, &how, &patch)).await {
        Err(trouble) if trouble.code() == Some(409) => Err(Trouble::refused(
            409,
            format!("pod `{}` was changed since it was read; prepare it anew", named.shown()),
        )),
        answered => answered,
    }
}

fn labels_of(record: &Value) -> BTreeMap<String, Option<String>> {
    serde_json::from_value(record["labels"].clone()).unwrap_or_default()
}

/// The labels of a pod that an act changes, as they are.
fn state(pod: &Pod, record: &Value) -> Value {
    let own = pod.metadata.labels.clone().unwrap_or_default();
    let labels: BTreeMap<String, Option<String>> =
        labels_of(record).into_keys().map(|label| (label.clone(), own.get(&label).cloned())).collect();
    json!({ "uid": pod.metadata.uid, "labels": labels })
}

/// Whether the pod was isolated before the act.
fn was_isolated(pod: &Pod, record: &Value) -> bool {
    labels_of(record).get(ISOLATED).is_some_and(|before| before.as_deref() == Some(uid(pod)))
}

fn compare(pod: &Pod, record: &Value, after: Option<&Value>) -> UndoState {
    let before = json!({ "uid": record["uid"], "labels": record["labels"] });
    let live = state(pod, record);
    match after {
        _ if live == before => UndoState::AsBefore,
        Some(after) if live == *after => UndoState::AsAfter,
        after => UndoState::Other { before, after: after.cloned().unwrap_or(Value::Null), live },
    }
}

fn done(site: &Site<'_>, named: &Named, pod: &Pod, record: Option<&Value>) -> Outcome {
    let record = record.cloned().unwrap_or_default();
    let removed: Vec<String> =
        labels_of(&record).into_iter().filter(|(_, value)| value.is_some()).map(|(label, _)| label).collect();
    let mut outcome = Outcome::succeeded(json!({
        "isolated": true,
        "policy": format!("networkpolicy/{}/{}", named.namespace(site), policy_name(pod)),
        "services": record["services"],
        "removedLabels": removed,
    }));
    outcome.after = Some(state(pod, &record));
    outcome
}
