//! `kubernetes.patch_deployment`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Patch as Change;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Named, TRIES, of_deployment, replaces, replicas, uid};
use crate::action::UndoPrecondition;
use crate::declaration::{boolean, integer, object};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, digest, json_patch, ours, record, share};

/// Changes a deployment by a strategic merge patch, and puts back what the patch touched.
pub(super) struct Patch;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    patch: Map<String, Value>,
}

impl Parameters {
    /// Whether the patch sets the number of replicas; otherwise an autoscaler may change that in between.
    fn scales(&self) -> bool {
        self.patch.get("spec").is_some_and(|spec| spec.get("replicas").is_some())
    }

    /// What the patch can have touched: the specification, and the labels and annotations that it names.
    fn touched(&self, deployment: &Deployment) -> Result<Value, Trouble> {
        let mut spec = serde_json::to_value(&deployment.spec).map_err(|error| Trouble::before(error.to_string()))?;
        if !self.scales()
            && let Some(spec) = spec.as_object_mut()
        {
            spec.remove("replicas");
        }
        let metadata = &deployment.metadata;
        Ok(json!({
            "spec": spec,
            "labels": self.named_in("labels", metadata.labels.as_ref()),
            "annotations": self.named_in("annotations", metadata.annotations.as_ref()),
        }))
    }

    /// The values of the keys that the patch names; `null` where there is none.
    fn named_in(&self, field: &str, values: Option<&BTreeMap<String, String>>) -> Value {
        let patched = self.patch.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_object);
        let found = |key: &String| values.and_then(|values| values.get(key)).map_or(Value::Null, |value| json!(value));
        Value::Object(patched.into_iter().flatten().map(|(key, _)| (key.clone(), found(key))).collect())
    }

    fn check(&self) -> Result<(), Trouble> {
        for key in self.patch.keys() {
            if !matches!(key.as_str(), "spec" | "metadata") {
                return Err(Trouble::before(format!(
                    "parameter `patch`: `{key}` is no part of a deployment to change"
                )));
            }
        }
        let metadata = self.patch.get("metadata").and_then(Value::as_object);
        match metadata.into_iter().flatten().find(|(key, _)| !matches!(key.as_str(), "labels" | "annotations")) {
            Some((key, _)) => Err(Trouble::before(format!("parameter `patch`: `metadata.{key}` cannot be changed"))),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ClusterAct for Patch {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        of_deployment("patch_deployment", "Change a deployment by a strategic merge patch")
            .required("patch", Sink::Json, object("the patch; lists of containers are merged by name"))
            .output("patched", boolean("whether the object changed"))
            .output("generation", integer(0, "the object's generation after the act"))
            .mutates(true)
            .captures_undo()
            .access("patch deployments.apps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("patch deployment {}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        parameters.check()?;
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let live = parameters.named.expect(site).await?;
        prepared.facts.insert("deploymentExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        let touched = parameters.touched(&live)?;
        prepared.basis.values.insert("uid".to_owned(), json!(uid(&live)));
        // What it is stands in the undo record; that it is the same is all that an approval binds.
        prepared.basis.values.insert("state".to_owned(), json!(digest(&touched)));
        let mut before = touched;
        before["uid"] = json!(uid(&live));
        prepared.undo = Some(record(site, before));
        // The server says what would come of it, and refuses what cannot be.
        let changed = send(site, &parameters, uid(&live), true).await?;
        if json!(digest(&parameters.touched(&changed)?)) == prepared.basis.values["state"] {
            prepared.notes.push("it is so already: the patch would change nothing".to_owned());
        }
        if live.spec.template == changed.spec.template {
            let fewer = replicas(&live).saturating_sub(replicas(&changed));
            prepared.basis.pods = Some(fewer);
            prepared.basis.share = Some(share(fewer, replicas(&live)));
        } else {
            replaces(&mut prepared, &live);
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let uid = preparation.basis.values.get("uid").and_then(Value::as_str).unwrap_or_default();
        let patched = match send(site, &parameters, uid, false).await {
            Ok(patched) => patched,
            Err(trouble) => return trouble.outcome(),
        };
        match parameters.touched(&patched) {
            Ok(touched) => done(&touched, preparation, &patched),
            Err(trouble) => trouble.outcome_midway(),
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let live = parameters.named.expect(site).await?;
        compare(&parameters, &live, record, after)
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        match put_back(site, &parameters, record, expected).await {
            Ok(outcome) => outcome,
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let live = parameters.named.expect(site).await?;
        // What the patch would make of it: the same, where it has been applied.
        let would = parameters.touched(&send(site, &parameters, uid(&live), true).await?)?;
        let is = parameters.touched(&live)?;
        Ok(if would == is {
            ProbeAnswer::Done(done(&is, preparation, &live))
        } else if preparation.basis.values.get("state") == Some(&json!(digest(&is))) {
            ProbeAnswer::NotDone
        } else {
            ProbeAnswer::Unknown
        })
    }
}

/// Sends the patch to the deployment that was read; `dry` changes nothing and answers with what would be.
async fn send(site: &Site<'_>, parameters: &Parameters, uid: &str, dry: bool) -> Result<Deployment, Trouble> {
    let mut patch = parameters.patch.clone();
    let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
    metadata["uid"] = json!(uid);
    let api = parameters.named.api(site);
    let mut how = ours();
    how.dry_run = dry;
    let asked = parameters.named.asked(site, "patch", "deployments.apps");
    let name = &parameters.named.deployment;
    let change = Change::Strategic(&patch);
    if dry {
        site.cluster.ask(&asked, || api.patch(name, &how, &change)).await
    } else {
        site.cluster.once(&asked, api.patch(name, &how, &change)).await
    }
}

fn done(touched: &Value, preparation: &Preparation, deployment: &Deployment) -> Outcome {
    let mut outcome = Outcome::succeeded(json!({
        "patched": preparation.basis.values.get("state") != Some(&json!(digest(touched))),
        "generation": deployment.metadata.generation,
    }));
    outcome.after = Some(state(touched, &json!(uid(deployment))));
    outcome
}

/// What an undo compares: what was touched, and its digest under the name that the basis gives it.
fn state(touched: &Value, uid: &Value) -> Value {
    json!({ "touched": touched, "state": digest(touched), "uid": uid })
}

fn compare(
    parameters: &Parameters,
    live: &Deployment,
    record: &Value,
    after: Option<&Value>,
) -> Result<UndoState, Trouble> {
    let touched = json!({
        "spec": record["spec"], "labels": record["labels"], "annotations": record["annotations"],
    });
    let before = state(&touched, &record["uid"]);
    let live = state(&parameters.touched(live)?, &json!(uid(live)));
    Ok(match after {
        _ if live == before => UndoState::AsBefore,
        Some(after) if live == *after => UndoState::AsAfter,
        after => UndoState::Other { before, after: after.cloned().unwrap_or(Value::Null), live },
    })
}

/// Puts back what the patch touched, if it is as the patch has left it; every try compares and writes in one request.
async fn put_back(
    site: &Site<'_>,
    parameters: &Parameters,
    record: &Value,
    expected: Option<&Value>,
) -> Result<Outcome, Trouble> {
    let api = parameters.named.api(site);
    let asked = parameters.named.asked(site, "patch", "deployments.apps");
    let mut last = None;
    for _ in 0..TRIES {
        let live = parameters.named.expect(site).await.map_err(Trouble::unsent)?;
        match compare(parameters, &live, record, expected)? {
            UndoState::AsBefore => break,
            UndoState::AsAfter | UndoState::Incomparable => {}
            UndoState::Other { .. } => {
                return Err(Trouble::refused(409, "somebody changed the deployment since the patch"));
            }
        }
        let patch = json_patch(back(&live, record))?;
        match site
            .cluster
            .once(&asked, api.patch(&parameters.named.deployment, &ours(), &Change::<()>::Json(patch)))
            .await
        {
            Ok(_) => {
                last = None;
                break;
            }
            // The object was written to in between, by its controller or by somebody: it is compared once more.
            Err(trouble) if matches!(trouble.code(), Some(409 | 422)) => last = Some(trouble),
            Err(trouble) => return Err(trouble),
        }
    }
    match last {
        Some(trouble) => Err(trouble),
        None => Ok(Outcome::succeeded(json!({ "restored": true }))),
    }
}

fn back(live: &Deployment, record: &Value) -> Value {
    let mut spec = record["spec"].clone();
    if spec.get("replicas").is_none() {
        spec["replicas"] = json!(super::replicas(live));
    }
    let mut operations = vec![
        json!({ "op": "test", "path": "/metadata/uid", "value": live.metadata.uid }),
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version }),
        json!({ "op": "replace", "path": "/spec", "value": spec }),
    ];
    let present = [("labels", live.metadata.labels.as_ref()), ("annotations", live.metadata.annotations.as_ref())];
    for (field, present) in present {
        for (key, value) in record[field].as_object().into_iter().flatten() {
            let path = format!("/metadata/{field}/{}", key.replace('~', "~0").replace('/', "~1"));
            let there = present.is_some_and(|present| present.contains_key(key));
            match (value, there) {
                (Value::Null, true) => operations.push(json!({ "op": "remove", "path": path })),
                (Value::Null, false) => {}
                (value, _) => operations.push(json!({ "op": "add", "path": path, "value": value })),
            }
        }
    }
    Value::Array(operations)
}
