//! The one policy that holds the blocked addresses of some pods.

use std::collections::BTreeMap;

use belay_runbook::action::Sink;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PostParams, Preconditions};
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::Network;
use super::isolate::ISOLATED;
use super::{asked, decides, name, policies, selects};
use crate::declaration::{Declaration, text};
use crate::kubernetes::labels::{self, matches};
use crate::kubernetes::pods::pages;
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, TIME_BOXED, digest, ours};

/// The annotation with the blocked addresses, each with the end of its block or nothing.
pub(in crate::kubernetes) const BLOCKED: &str = "sre.oversight.io/blocked-addresses";

/// The name of the policy; that of the policy for some pods alone goes on with a digest of their labels.
const NAME: &str = "belay-blocked-addresses";

/// The blocked addresses and the ends of their blocks.
pub(in crate::kubernetes) type Addresses = BTreeMap<String, Option<jiff::Timestamp>>;

/// Which address, for which pods.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) ip: String,
    namespace: Option<String>,
    #[serde(default)]
    pod_labels: BTreeMap<String, String>,
}

/// The policy as it was read.
pub(in crate::kubernetes) struct Blocks {
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
    policy: Option<NetworkPolicy>,
    pub(in crate::kubernetes) addresses: Addresses,
}

/// A declaration of something done to an address.
pub(super) fn of_address(name: &str, description: &str) -> Declaration {
    Declaration::new(name, description)
        .required("ip", Sink::Host, text("an address or a network in CIDR notation"))
        .optional("namespace", Sink::Name, text("the namespace whose pods are meant; the context's own where absent"))
        .optional(
            "podLabels",
            Sink::Text,
            json!({
                "type": "object",
                "description": "labels of the pods that are meant; every pod of the namespace where absent",
                "additionalProperties": { "type": "string" },
            }),
        )
        .target("ip")
        .access("get networkpolicies.networking.k8s.io")
        .access("create networkpolicies.networking.k8s.io")
        .access("patch networkpolicies.networking.k8s.io")
        .access("delete networkpolicies.networking.k8s.io")
}

impl Named {
    pub(super) fn network(&self) -> Result<Network, Trouble> {
        Network::to_block(&self.ip).map_err(|problem| Trouble::before(format!("parameter `ip`: {problem}")))
    }

    /// What people call it.
    pub(super) fn shown(&self) -> String {
        let of = self.namespace.as_ref().map_or_else(String::new, |namespace| format!(" for pods of {namespace}"));
        format!("{}{of}", self.ip)
    }

    /// The policy that the address belongs to.
    pub(super) async fn blocks(&self, site: &Site<'_>) -> Result<Blocks, Trouble> {
        for (label, value) in &self.pod_labels {
            if !labels::is_label(label, value) {
                return Err(Trouble::before(format!(
                    "parameter `podLabels`: `{}={}` is no label",
                    label.escape_debug(),
                    value.escape_debug()
                )));
            }
        }
        let namespace = site.namespace(self.namespace.as_deref()).to_owned();
        let name = if self.pod_labels.is_empty() {
            NAME.to_owned()
        } else {
            format!("{NAME}-{}", digest(&json!(self.pod_labels)).get(..12).unwrap_or_default())
        };
        let api: Api<NetworkPolicy> = site.api(&namespace);
        let policy = match site.cluster.ask(&asked("get", &name, &namespace), || api.get(&name)).await {
            Ok(policy) => Some(policy),
            Err(trouble) if trouble.is_missing() => None,
            Err(trouble) => return Err(trouble),
        };
        Blocks::read(namespace, name, self.pod_labels.clone(), policy)
    }
}

impl Blocks {
    /// A policy of Belay's own, as it was found.
    pub(in crate::kubernetes) fn of(policy: NetworkPolicy) -> Result<Self, Trouble> {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        let labels = selects(&policy).match_labels.unwrap_or_default();
        Self::read(namespace, name(&policy).to_owned(), labels, Some(policy))
    }

    fn read(
        namespace: String,
        name: String,
        labels: BTreeMap<String, String>,
        policy: Option<NetworkPolicy>,
    ) -> Result<Self, Trouble> {
        let mut blocks = Self { namespace, name, labels, policy: None, addresses: Addresses::new() };
        let Some(policy) = policy else { return Ok(blocks) };
        let written = policy.metadata.annotations.as_ref().and_then(|annotations| annotations.get(BLOCKED));
        let addresses = written.and_then(|text| serde_json::from_str::<Addresses>(text).ok());
        blocks.addresses = addresses.ok_or_else(|| blocks.edited("it does not tell which addresses it blocks"))?;
        let found = serde_json::to_value(&policy.spec).ok();
        // Before isolated pods were left alone it selected them, too; the next change writes it as it is now.
        let former = json!({ "matchLabels": (!blocks.labels.is_empty()).then_some(&blocks.labels) });
        let shapes = [blocks.spec()?, json_with(blocks.spec()?, "podSelector", former)];
        if !shapes.iter().any(|shape| found == Some(normal(shape))) {
            return Err(blocks.edited("somebody has changed its rules"));
        }
        blocks.policy = Some(policy);
        Ok(blocks)
    }

    /// The blocks that are over, as people read them, and the addresses that stay blocked.
    pub(in crate::kubernetes) fn over(&self, now: jiff::Timestamp) -> (Vec<String>, Addresses) {
        let (over, left): (Addresses, Addresses) =
            self.addresses.clone().into_iter().partition(|(_, until)| until.is_some_and(|until| until <= now));
        (over.into_keys().map(|address| format!("block of {address} in {}", self.namespace)).collect(), left)
    }

    fn edited(&self, why: &str) -> Trouble {
        Trouble::before(format!(
            "network policy `{}` in {} is not as belay wrote it: {why}; settle it by hand, then retry",
            self.name, self.namespace
        ))
    }

    /// What an approver types.
    pub(super) fn target(&self, network: &Network) -> String {
        format!("{network} in {}", self.namespace)
    }

    /// `networkpolicy/NAMESPACE/NAME`.
    pub(in crate::kubernetes) fn object(&self) -> String {
        format!("networkpolicy/{}/{}", self.namespace, self.name)
    }

    /// The end of the block of an address: nothing where it is not blocked.
    pub(super) fn entry(&self, network: &Network) -> Value {
        self.addresses.get(&network.to_string()).map_or_else(|| json!([]), |until| json!([until]))
    }

    /// The pods that are meant, but for isolated ones: what this policy lets through would reach them.
    fn selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: (!self.labels.is_empty()).then(|| self.labels.clone()),
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: ISOLATED.to_owned(),
                operator: "DoesNotExist".to_owned(),
                values: None,
            }]),
        }
    }

    fn spec(&self) -> Result<Value, Trouble> {
        let networks: Vec<Network> = self
            .addresses
            .keys()
            .map(|text| Network::to_block(text).map_err(|problem| self.edited(&problem)))
            .collect::<Result<_, _>>()?;
        let except = |v4: bool| -> Vec<String> {
            networks.iter().filter(|network| network.is_ipv4() == v4).map(ToString::to_string).collect()
        };
        let all_but = |cidr: &str, except: Vec<String>| {
            let block =
                if except.is_empty() { json!({ "cidr": cidr }) } else { json!({ "cidr": cidr, "except": except }) };
            json!({ "ipBlock": block })
        };
        Ok(json!({
            "podSelector": self.selector(),
            "policyTypes": ["Ingress"],
            // Some network plug-ins do not count pods of the cluster among addresses: they are allowed by name.
            "ingress": [{ "from": [
                all_but("0.0.0.0/0", except(true)), all_but("::/0", except(false)), { "namespaceSelector": {} },
            ] }],
        }))
    }

    fn written(&self) -> Result<Value, Trouble> {
        Ok(json!({
            "metadata": {
                "labels": { "app.kubernetes.io/managed-by": "belay", TIME_BOXED: "true" },
                "annotations": { BLOCKED: json!(self.addresses).to_string() },
            },
            "spec": self.spec()?,
        }))
    }

    /// Writes other addresses in one request, if the policy is still the one that was read.
    pub(in crate::kubernetes) async fn write(self, site: &Site<'_>, addresses: Addresses) -> Result<Self, Trouble> {
        let (api, namespace): (Api<NetworkPolicy>, String) = (site.api(&self.namespace), self.namespace.clone());
        let (name, before) = (self.name.clone(), self.policy.clone());
        let next = Self { addresses, policy: None, ..self };
        let policy = match before {
            None if next.addresses.is_empty() => None,
            None => {
                let mut object = next.written()?;
                object["metadata"]["name"] = json!(name);
                let object: NetworkPolicy = serde_json::from_value(object)
                    .map_err(|error| Trouble::before(format!("a network policy cannot be written: {error}")))?;
                let how = PostParams { field_manager: ours().field_manager, ..PostParams::default() };
                let sent = site.cluster.once(&asked("create", &name, &namespace), api.create(&how, &object)).await;
                Some(sent.map_err(|trouble| next.in_between(trouble))?)
            }
            Some(before) if next.addresses.is_empty() => {
                let how = DeleteParams {
                    preconditions: Some(Preconditions {
                        uid: before.metadata.uid,
                        resource_version: before.metadata.resource_version,
                    }),
                    ..DeleteParams::default()
                };
                let sent = site.cluster.once(&asked("delete", &name, &namespace), api.delete(&name, &how)).await;
                sent.map_err(|trouble| next.in_between(trouble))?;
                None
            }
            Some(before) => {
                let mut object = next.written()?;
                object["metadata"]["uid"] = json!(before.metadata.uid);
                object["metadata"]["resourceVersion"] = json!(before.metadata.resource_version);
                let (how, patch) = (ours(), Patch::Merge(object));
                let sent = site.cluster.once(&asked("patch", &name, &namespace), api.patch(&name, &how, &patch)).await;
                Some(sent.map_err(|trouble| next.in_between(trouble))?)
            }
        };
        Ok(Self { policy, ..next })
    }

    fn in_between(&self, trouble: Trouble) -> Trouble {
        match trouble.code() {
            Some(404 | 409) => Trouble::refused(
                409,
                format!("network policy `{}` was changed since it was read; prepare it anew", self.name),
            ),
            _ => trouble,
        }
    }

    /// Refuses to block beside policies that decide about the same pods; answers with those that select none of them now.
    pub(super) async fn check_others(&self, site: &Site<'_>) -> Result<Vec<String>, Trouble> {
        let others: Vec<NetworkPolicy> = policies(site, &self.namespace)
            .await?
            .into_iter()
            .filter(|policy| name(policy) != self.name && decides(policy, "Ingress"))
            .collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let mut pods: Vec<Pod> = Vec::new();
        let wanted = ListParams::default().labels(&labels::selector(&self.selector()));
        pages(site, Some(&self.namespace), wanted, |page: Vec<Pod>| {
            pods.extend(page);
            true
        })
        .await?;
        let has = |policy: &NetworkPolicy| {
            let selector = selects(policy);
            pods.iter().any(|pod| matches(&selector, pod.metadata.labels.as_ref()))
        };
        let (same, idle): (Vec<_>, Vec<_>) = others.iter().partition(|policy| has(policy));
        let names = |policies: &[&NetworkPolicy]| policies.iter().map(|policy| format!("`{}`", name(policy))).collect();
        let same: Vec<String> = names(&same);
        if same.is_empty() {
            return Ok(names(&idle));
        }
        Err(Trouble::before(format!(
            "network policy {} already decides who reaches pods of {}, and policies only ever add what is allowed: a block \
             beside it would open those pods to everybody else; take the address out of its rules (`ipBlock.except`), or \
             name other pods in `podLabels`",
            same.join(", "),
            self.namespace
        )))
    }
}

/// A specification with one member replaced.
fn json_with(mut spec: Value, name: &str, value: Value) -> Value {
    spec[name] = value;
    spec
}

/// A specification as the API answers it.
fn normal(spec: &Value) -> Value {
    serde_json::from_value::<k8s_openapi::api::networking::v1::NetworkPolicySpec>(spec.clone())
        .and_then(serde_json::to_value)
        .unwrap_or(Value::Null)
}

/// Refuses the addresses that the cluster itself lives on; answers with what could not be looked at.
pub(super) async fn check_own(site: &Site<'_>, network: &Network) -> Result<Option<String>, Trouble> {
    let own = |text: &str, what: &str| match Network::parse(text) {
        Ok(own) if own.overlaps(network) => Err(Trouble::before(format!("parameter `ip`: `{network}` holds {what}"))),
        Ok(_) | Err(_) => Ok(()),
    };
    own(&site.cluster.host, "the address of the API server")?;
    let services: Api<Service> = Api::namespaced(site.cluster.client(), "default");
    let question = Asked { verb: "get", resource: "services", name: "kubernetes", namespace: "default" };
    match site.cluster.ask(&question, || services.get("kubernetes")).await {
        Ok(service) => {
            for address in service.spec.iter().flat_map(|spec| spec.cluster_ips.iter().flatten()) {
                own(address, "the address of the API server")?;
            }
        }
        Err(trouble) if matches!(trouble.code(), Some(403 | 404)) => {}
        Err(trouble) => return Err(trouble),
    }
    let nodes: Api<Node> = Api::all(site.cluster.client());
    let wanted = ListParams::default();
    let question = Asked { verb: "list", resource: "nodes", name: "", namespace: "" };
    let nodes = match site.cluster.ask(&question, || nodes.list(&wanted)).await {
        Ok(nodes) => nodes.items,
        Err(trouble) if trouble.code() == Some(403) => {
            return Ok(Some(format!("whether it is an address of a node or a pod was not looked at: {trouble}")));
        }
        Err(trouble) => return Err(trouble),
    };
    for node in nodes {
        let name = node.metadata.name.as_deref().unwrap_or("?");
        for address in node.status.iter().flat_map(|status| status.addresses.iter().flatten()) {
            own(&address.address, &format!("the address of node {name}, behind which anybody may come"))?;
        }
        for pods in node.spec.iter().flat_map(|spec| spec.pod_cidrs.iter().flatten()) {
            own(pods, &format!("addresses of pods on node {name}; `network.isolate_pod` cuts a pod off"))?;
        }
    }
    Ok(None)
}
