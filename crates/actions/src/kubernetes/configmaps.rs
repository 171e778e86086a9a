//! `kubernetes.update_configmap`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::Patch;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::trouble::{Asked, Trouble};
use super::{ClusterAct, Clusters, OnCluster, Site, ours, record};
use crate::action::UndoPrecondition;
use crate::declaration::{Declaration, boolean, list, object, text};
use crate::registry::Registry;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<UpdateConfigMap>::new(clusters)));
}

/// Sets and removes keys of a config map, and puts back what they held.
///
/// Each request carries the version of the object that was read: what somebody else wrote in between is not overwritten.
pub(super) struct UpdateConfigMap;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    name: String,
    namespace: Option<String>,
    data: Map<String, Value>,
}

impl Parameters {
    fn namespace<'a>(&'a self, site: &'a Site<'_>) -> &'a str {
        site.namespace(self.namespace.as_deref())
    }

    fn asked<'a>(&'a self, site: &'a Site<'_>, verb: &'a str) -> Asked<'a> {
        Asked { verb, resource: "configmaps", name: &self.name, namespace: self.namespace(site) }
    }

    async fn read(&self, site: &Site<'_>) -> Result<ConfigMap, Trouble> {
        let api: Api<ConfigMap> = site.api(self.namespace(site));
        site.cluster.ask(&self.asked(site, "get"), || api.get(&self.name)).await
    }

    /// The values to write, as texts: a config map holds nothing else. `None` removes a key.
    fn wanted(&self) -> Result<BTreeMap<String, Option<String>>, Trouble> {
        let text = |(key, value): (&String, &Value)| match value {
            Value::Null => Ok((key.clone(), None)),
            Value::String(text) => Ok((key.clone(), Some(text.clone()))),
            Value::Bool(_) | Value::Number(_) => Ok((key.clone(), Some(value.to_string()))),
            Value::Array(_) | Value::Object(_) => {
                Err(Trouble::before(format!("parameter `data`: `{key}` is no text; a config map holds texts alone")))
            }
        };
        self.data.iter().map(text).collect()
    }

    /// What the keys that are written hold.
    fn held(&self, map: &ConfigMap) -> BTreeMap<String, Option<String>> {
        let found = |key: &String| map.data.as_ref().and_then(|data| data.get(key)).cloned();
        self.data.keys().map(|key| (key.clone(), found(key))).collect()
    }
}

#[async_trait]
impl ClusterAct for UpdateConfigMap {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        Declaration::new("kubernetes.update_configmap", "Set keys of a config map")
            .required("name", Sink::Name, text("the config map"))
            .optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
            .required("data", Sink::Json, object("keys and their new values; null removes a key"))
            .output("updated", boolean("whether anything changed"))
            .output("changedKeys", list(&text("a key"), "the keys that changed"))
            .target("name")
            .fact("configMapExists")
            .mutates(true)
            .captures_undo()
            .access("get configmaps")
            .access("patch configmaps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let keys: Vec<&str> = parameters.data.keys().map(String::as_str).collect();
        format!("set {} of config map {}", keys.join(", "), parameters.name)
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let target = format!("configmap/{}/{}", parameters.namespace(site), parameters.name);
        let mut prepared = site.preparation(target, &Self::declaration());
        let wanted = parameters.wanted()?;
        let live = parameters.read(site).await?;
        if live.immutable == Some(true) {
            return Err(Trouble::before(format!("config map `{}` is immutable", parameters.name)));
        }
        let held = parameters.held(&live);
        prepared.facts.insert("configMapExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(live.metadata.uid));
        prepared.basis.values.insert("data".to_owned(), json!(held));
        if held == wanted {
            prepared.notes.push("it is so already".to_owned());
        }
        prepared.undo = Some(record(
            site,
            json!({ "data": held, "uid": live.metadata.uid, "version": live.metadata.resource_version }),
        ));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let (Ok(wanted), Some(before)) = (parameters.wanted(), &preparation.undo) else {
            return Trouble::before("it was never prepared").outcome();
        };
        match write(site, &parameters, &before["uid"], &before["version"], &json!(wanted)).await {
            Ok(live) => done(&parameters, &live, &before["data"]),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let live = parameters.read(site).await?;
        Ok(compare(&parameters, &live, record, after))
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        let put_back = async {
            let live = parameters.read(site).await.map_err(Trouble::unsent)?;
            match compare(&parameters, &live, record, expected) {
                UndoState::AsBefore => return Ok(()),
                UndoState::AsAfter | UndoState::Incomparable => {}
                UndoState::Other { .. } => {
                    return Err(Trouble::refused(409, "somebody changed the same keys since"));
                }
            }
            let version = json!(live.metadata.resource_version);
            write(site, &parameters, &record["uid"], &version, &record["data"]).await.map(|_| ())
        };
        match put_back.await {
            Ok(()) => Outcome::succeeded(json!({ "restored": true })),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let live = parameters.read(site).await?;
        let held = parameters.held(&live);
        let before = preparation.basis.values.get("data").cloned().unwrap_or(Value::Null);
        Ok(if held == parameters.wanted()? {
            ProbeAnswer::Done(done(&parameters, &live, &before))
        } else if json!(held) == before {
            ProbeAnswer::NotDone
        } else {
            ProbeAnswer::Unknown
        })
    }
}

fn compare(parameters: &Parameters, live: &ConfigMap, record: &Value, after: Option<&Value>) -> UndoState {
    let before = json!({ "data": record["data"], "uid": record["uid"] });
    let live = json!({ "data": parameters.held(live), "uid": live.metadata.uid });
    match after {
        _ if live == before => UndoState::AsBefore,
        Some(after) if live == *after => UndoState::AsAfter,
        after => UndoState::Other { before, after: after.cloned().unwrap_or(Value::Null), live },
    }
}

async fn write(
    site: &Site<'_>,
    parameters: &Parameters,
    uid: &Value,
    version: &Value,
    data: &Value,
) -> Result<ConfigMap, Trouble> {
    let api: Api<ConfigMap> = site.api(parameters.namespace(site));
    let patch = Patch::Merge(json!({ "metadata": { "uid": uid, "resourceVersion": version }, "data": data }));
    let (asked, how) = (parameters.asked(site, "patch"), ours());
    match site.cluster.once(&asked, api.patch(&parameters.name, &how, &patch)).await {
        Err(trouble) if trouble.code() == Some(409) => {
            Err(Trouble::refused(409, format!("config map `{}` was changed since it was read", parameters.name)))
        }
        answered => answered,
    }
}

fn done(parameters: &Parameters, live: &ConfigMap, before: &Value) -> Outcome {
    let held = parameters.held(live);
    let changed: Vec<&String> =
        held.iter().filter(|(key, value)| before.get(*key) != Some(&json!(value))).map(|(key, _)| key).collect();
    let mut outcome = Outcome::succeeded(json!({ "updated": !changed.is_empty(), "changedKeys": changed }));
    outcome.after = Some(json!({ "data": held, "uid": live.metadata.uid }));
    outcome
}
