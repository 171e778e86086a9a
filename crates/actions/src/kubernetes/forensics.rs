//! `forensics.snapshot`: evidence of pods and volumes.

mod collect;
mod evidence;

use std::sync::Arc;

use async_trait::async_trait;
use belay_runbook::act::{Ending, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use serde::Deserialize;
use serde_json::{Value, json};

use super::trouble::Trouble;
use super::{ClusterAct, Clusters, OnCluster, Site, is_name};
use crate::declaration::{Declaration, list, object, text};
use crate::registry::Registry;
use collect::Collector;

pub use evidence::EvidenceRoom;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<TakeSnapshot>::new(clusters)));
}

/// Keeps what can be known of pods and volumes, each content under its hash, with a record of who took what from where.
///
/// What cannot be had is said and does not keep the rest from being kept. Contents are kept as they are: evidence that was
/// redacted is none.
struct TakeSnapshot;

#[derive(Debug, Clone, Deserialize)]
struct Parameters {
    resources: Vec<Resource>,
}

/// One thing that is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(rename = "type")]
    kind: Kind,
    name: String,
    namespace: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Pod,
    /// A persistent volume claim.
    Volume,
}

impl Resource {
    fn namespace<'a>(&'a self, site: &'a Site<'_>) -> &'a str {
        site.namespace(self.namespace.as_deref())
    }

    /// `pod/shop/web-0`.
    fn shown(&self, site: &Site<'_>) -> String {
        format!("{}/{}/{}", self.word(), self.namespace(site), self.name)
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Pod => "pod",
            Kind::Volume => "volume",
        }
    }
}

impl Parameters {
    fn check(&self) -> Result<(), Trouble> {
        if self.resources.is_empty() {
            return Err(Trouble::before("parameter `resources`: it names nothing to keep"));
        }
        let names = self.resources.iter().flat_map(|one| std::iter::once(&one.name).chain(&one.namespace));
        match names.into_iter().find(|name| !is_name(name)) {
            Some(name) => Err(Trouble::before(format!(
                "parameter `resources`: `{}` is no name of an object",
                name.escape_debug()
            ))),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ClusterAct for TakeSnapshot {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        let resource = json!({
            "type": "object",
            "properties": {
                "type": { "type": "string", "enum": ["pod", "volume"], "description": "a volume is a claim for one" },
                "name": { "type": "string" },
                "namespace": { "type": "string" },
            },
            "required": ["type", "name"],
            "additionalProperties": false,
        });
        Declaration::new("forensics.snapshot", "Keep evidence of pods and volumes")
            .required("resources", Sink::Name, list(&resource, "what is kept"))
            .output("snapshots", list(&object("a content with its hash, or a volume snapshot"), "what was kept"))
            .output("missing", list(&object("a name and a problem"), "what could not be had"))
            .output("custody", text("the hash of the record of who took what from where"))
            .output("folder", text("where it lies on the driver's device"))
            .mutates(false)
            .access("get pods")
            .access("get pods/log")
            .access("list events")
            .access("get persistentvolumeclaims")
            .access("get volumesnapshots.snapshot.storage.k8s.io")
            .access("create volumesnapshots.snapshot.storage.k8s.io")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let names: Vec<String> =
            parameters.resources.iter().map(|one| format!("{} {}", one.word(), one.name)).collect();
        format!("keep evidence of {}", names.join(", "))
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        parameters.check()?;
        let room = site.evidence_room()?;
        let names: Vec<String> = parameters.resources.iter().map(|one| one.shown(site)).collect();
        let target = match names.as_slice() {
            [first] => first.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        };
        let mut prepared = site.preparation(target, &Self::declaration());
        prepared.basis.objects.extend(names);
        prepared.basis.namespaces.extend(parameters.resources.iter().map(|one| one.namespace(site).to_owned()));
        prepared.notes.push(format!(
            "contents are kept as they are, with every secret in them, below {} on this device",
            room.folder.display()
        ));
        if parameters.resources.iter().any(|one| one.kind == Kind::Volume) {
            prepared.notes.push("a snapshot of a volume stays in the cluster until somebody deletes it".to_owned());
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        if let Err(trouble) = parameters.check() {
            return trouble.outcome();
        }
        let room = match site.evidence_room() {
            Ok(room) => room,
            Err(trouble) => return trouble.outcome(),
        };
        let mut collector = Collector::new(site, room);
        for resource in &parameters.resources {
            match resource.kind {
                Kind::Pod => collector.pod(resource).await,
                Kind::Volume => collector.volume(resource).await,
            }
        }
        let folder = collector.folder().display().to_string();
        let (custody, closed, volumes, open) = collector.close().await;
        let mut problems: Vec<String> =
            custody.missing.iter().map(|missing| format!("{}: {}", missing.name, missing.problem)).collect();
        if let Err(error) = &closed {
            problems.push(format!("the record of who took what cannot be written: {error}"));
        }
        let kept = custody.items.iter().map(|item| json!(item)).chain(volumes).collect::<Vec<Value>>();
        let ending = match (problems.is_empty(), open) {
            (true, _) => Ending::Succeeded,
            (false, Some(ending)) => ending,
            (false, None) => Ending::Failed,
        };
        let count = kept.len();
        Outcome {
            output: json!({
                "snapshots": kept, "missing": custody.missing, "custody": closed.ok(), "folder": folder,
            }),
            error: (!problems.is_empty())
                .then(|| format!("{count} kept, and not all could be had: {}", problems.join("; "))),
            ..Outcome::bare(ending)
        }
    }
}
