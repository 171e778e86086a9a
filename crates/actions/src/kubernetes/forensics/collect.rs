//! Taking evidence of one thing after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use belay_runbook::act::Ending;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::api::{ListParams, LogParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Resource as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::Resource;
use super::evidence::{Custody, EvidenceRoom, Item, Missing, keep_object};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, digest, ours};

/// Bytes that are kept of one log.
const LARGEST_LOG: i64 = 64 << 20;

/// How long one log may take.
const FOR_A_LOG: Duration = Duration::from_mins(2);

/// How often a volume snapshot is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// As a role names them.
const SNAPSHOTS: &str = "volumesnapshots.snapshot.storage.k8s.io";

/// What has been taken so far.
pub(super) struct Collector<'a> {
    site: &'a Site<'a>,
    room: EvidenceRoom,
    custody: Custody,
    begun: Instant,
    /// Snapshots of volumes, which stay in the cluster.
    volumes: Vec<Value>,
    /// How it ended where it is open what comes of a snapshot that was asked for.
    open: Option<Ending>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(site: &'a Site<'a>, room: EvidenceRoom) -> Self {
        let surroundings = site.surroundings;
        let context = surroundings.context.get("name").and_then(Value::as_str).unwrap_or("local");
        let custody = Custody::new(
            surroundings.invocation.clone(),
            (room.by)(),
            context.to_owned(),
            site.cluster.fingerprint.clone(),
            surroundings.now.to_string(),
        );
        Self { site, room, custody, begun: Instant::now(), volumes: Vec::new(), open: None }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.room.folder
    }

    /// Writes down who took what; answers with all of it.
    pub(super) async fn close(self) -> (Custody, std::io::Result<String>, Vec<Value>, Option<Ending>) {
        let closed = self.custody.close(&self.room.folder).await;
        (self.custody, closed, self.volumes, self.open)
    }

    /// The pod, its events, and the logs of its containers as they are and as they were before.
    pub(super) async fn pod(&mut self, resource: &Resource) {
        let (site, namespace) = (self.site, resource.namespace(self.site).to_owned());
        let shown = resource.shown(site);
        let api: Api<Pod> = site.api(&namespace);
        let asked = Asked { verb: "get", resource: "pods", name: &resource.name, namespace: &namespace };
        let pod = match site.cluster.ask(&asked, || api.get(&resource.name)).await {
            Ok(pod) => pod,
            Err(trouble) => return self.miss(shown, &trouble),
        };
        self.keep_value(format!("{shown}/manifest.json"), &asked, &pod).await;
        self.events(&shown, &namespace, "Pod", &resource.name).await;
        let spec = pod.spec.as_ref();
        let containers = spec.into_iter().flat_map(|spec| &spec.containers);
        let initial = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let names: Vec<&String> = containers.chain(initial).map(|container| &container.name).collect();
        for container in names {
            self.log(&shown, &api, &pod, container, false).await;
            if restarts(&pod, container) > 0 {
                self.log(&shown, &api, &pod, container, true).await;
            }
        }
    }

    /// The claim, its events, and a snapshot of its volume where the cluster has an API for that.
    pub(super) async fn volume(&mut self, resource: &Resource) {
        let (site, namespace) = (self.site, resource.namespace(self.site).to_owned());
        let shown = resource.shown(site);
        let api: Api<PersistentVolumeClaim> = site.api(&namespace);
        let asked =
            Asked { verb: "get", resource: "persistentvolumeclaims", name: &resource.name, namespace: &namespace };
        let claim = match site.cluster.ask(&asked, || api.get(&resource.name)).await {
            Ok(claim) => claim,
            Err(trouble) => return self.miss(shown, &trouble),
        };
        self.keep_value(format!("{shown}/manifest.json"), &asked, &claim).await;
        self.events(&shown, &namespace, "PersistentVolumeClaim", &resource.name).await;
        match self.cut(&namespace, &claim).await {
            Ok(snapshot) => {
                self.say(&format!("{shown}/snapshot"));
                let name = &snapshot.metadata.name;
                let asked = Asked {
                    verb: "get",
                    resource: SNAPSHOTS,
                    name: name.as_deref().unwrap_or_default(),
                    namespace: &namespace,
                };
                self.volumes.push(json!({
                    "name": format!("{shown}/snapshot"),
                    "volumeSnapshot": format!("{namespace}/{}", name.as_deref().unwrap_or_default()),
                    "uid": snapshot.metadata.uid,
                    "content": snapshot.data.pointer("/status/boundVolumeSnapshotContentName"),
                }));
                self.keep_value(format!("{shown}/snapshot.json"), &asked, &snapshot).await;
            }
            Err(trouble) => {
                let ending = trouble.ending_midway();
                if ending != Ending::Failed && self.open != Some(Ending::Lost) {
                    self.open = Some(ending);
                }
                self.miss(format!("{shown}/snapshot"), &trouble);
            }
        }
    }

    /// Asks for a snapshot of a volume, once for each act, and waits until it can be used.
    async fn cut(&self, namespace: &str, claim: &PersistentVolumeClaim) -> Result<DynamicObject, Trouble> {
        let site = self.site;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("snapshot.storage.k8s.io", "v1", "VolumeSnapshot"));
        let api: Api<DynamicObject> = Api::namespaced_with(site.cluster.client(), namespace, &resource);
        let source = claim.metadata.name.as_deref().unwrap_or_default();
        // The name is that of the act: asked for twice there is one.
        let act = digest(&json!([site.surroundings.invocation, claim.metadata.uid]));
        let short: String = source.chars().take(200).collect();
        let name = format!("belay-{short}-{}", act.get(..10).unwrap_or_default());
        let asked = |verb| Asked { verb, resource: SNAPSHOTS, name: &name, namespace };
        let mut object = DynamicObject::new(&name, &resource).within(namespace);
        object.meta_mut().labels =
            Some([("app.kubernetes.io/managed-by".to_owned(), "belay".to_owned())].into_iter().collect());
        object.data = json!({ "spec": { "source": { "persistentVolumeClaimName": source } } });
        let how = PostParams { field_manager: ours().field_manager, ..PostParams::default() };
        match site.cluster.once(&asked("create"), api.create(&how, &object)).await {
            Ok(_) => {}
            Err(trouble) if trouble.code() == Some(409) => {}
            Err(trouble) if trouble.code() == Some(404) => {
                return Err(Trouble::refused(
                    404,
                    format!("the cluster has no API for volume snapshots ({trouble}); use the storage's own tool"),
                ));
            }
            Err(trouble) => return Err(trouble),
        }
        let looking = async {
            loop {
                let snapshot = site.cluster.ask(&asked("get"), || api.get(&name)).await?;
                if snapshot.data.pointer("/status/readyToUse") == Some(&Value::Bool(true)) {
                    return Ok(snapshot);
                }
                if let Some(why) = snapshot.data.pointer("/status/error/message").and_then(Value::as_str) {
                    return Err(Trouble::given_up(format!("snapshot `{name}` is not ready: {why}")));
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        site.while_wanted(looking, &format!("snapshot `{name}`")).await
    }

    async fn events(&mut self, shown: &str, namespace: &str, kind: &str, name: &str) {
        let api: Api<Event> = self.site.api(namespace);
        let wanted = ListParams::default().fields(&format!("involvedObject.kind={kind},involvedObject.name={name}"));
        let asked = Asked { verb: "list", resource: "events", name: "", namespace };
        match self.site.cluster.ask(&asked, || api.list(&wanted)).await {
            Ok(events) => self.keep_value(format!("{shown}/events.json"), &asked, &events.items).await,
            Err(trouble) => self.miss(format!("{shown}/events.json"), &trouble),
        }
    }

    async fn log(&mut self, shown: &str, api: &Api<Pod>, pod: &Pod, container: &str, previous: bool) {
        let (name, namespace) = (pod.metadata.name.as_deref(), pod.metadata.namespace.as_deref());
        let (name, namespace) = (name.unwrap_or_default(), namespace.unwrap_or_default());
        let item = format!("{shown}/{}/{container}", if previous { "previous-log" } else { "log" });
        let wanted = LogParams {
            container: Some(container.to_owned()),
            previous,
            timestamps: true,
            limit_bytes: Some(LARGEST_LOG),
            ..LogParams::default()
        };
        let asked = Asked { verb: "get", resource: "pods/log", name, namespace };
        match self.site.cluster.ask_within(FOR_A_LOG, &asked, || api.logs(name, &wanted)).await {
            Ok(text) => {
                let truncated = i64::try_from(text.len()).is_ok_and(|length| length >= LARGEST_LOG);
                self.keep(item, &asked, text.into_bytes(), truncated).await;
            }
            Err(trouble) => self.miss(item, &trouble),
        }
    }

    async fn keep_value(&mut self, name: String, asked: &Asked<'_>, value: &impl Serialize) {
        match serde_json::to_vec_pretty(value) {
            Ok(bytes) => self.keep(name, asked, bytes, false).await,
            Err(error) => self.miss(name, &error),
        }
    }

    async fn keep(&mut self, name: String, asked: &Asked<'_>, bytes: Vec<u8>, truncated: bool) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match keep_object(&self.room.folder, bytes).await {
            Ok(sha256) => {
                self.say(&name);
                self.custody.items.push(Item {
                    name,
                    from: asked.to_string(),
                    at: self.now(),
                    sha256,
                    bytes: length,
                    truncated,
                });
            }
            Err(error) => self.miss(name, &format!("it cannot be written here: {error}")),
        }
    }

    /// The instant now, counted from the one that the log has for the act.
    fn now(&self) -> String {
        let passed = jiff::SignedDuration::try_from(self.begun.elapsed()).unwrap_or_default();
        self.site.surroundings.now.checked_add(passed).unwrap_or(self.site.surroundings.now).to_string()
    }

    fn miss(&mut self, name: String, problem: &impl ToString) {
        let problem = problem.to_string();
        self.site.say(&format!("{name} is missing: {problem}\n"));
        self.custody.missing.push(Missing { name, problem });
    }

    fn say(&self, name: &str) {
        self.site.say(&format!("{name} is kept\n"));
    }
}

/// How often a container has begun anew.
fn restarts(pod: &Pod, container: &str) -> i32 {
    let status = pod.status.as_ref();
    let running = status.into_iter().flat_map(|status| status.container_statuses.iter().flatten());
    let initial = status.into_iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    running.chain(initial).find(|one| one.name == container).map_or(0, |one| one.restart_count)
}
