//! What runs a service: its deployment, stateful set or daemon set.

use std::time::Duration;

use kube::Api;
use kube::api::Patch;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::{Service, wrong};
use crate::declaration::Declaration;
use crate::kubernetes::deployments::Rollout;
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, is_name, ours};

/// How often a rollout is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A kind of workload whose pods a new template replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// As a role names it.
    fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments.apps",
            Self::StatefulSet => "statefulsets.apps",
            Self::DaemonSet => "daemonsets.apps",
        }
    }
}

/// Declares the rights to read whatever may run a service.
pub(in crate::kubernetes) fn reads(declaration: Declaration) -> Declaration {
    Kind::ALL.into_iter().fold(declaration, |all, kind| all.access(&format!("get {}", kind.resource())))
}

/// Declares the rights to read it, and to replace its pods.
pub(in crate::kubernetes) fn rolls(declaration: Declaration) -> Declaration {
    Kind::ALL.into_iter().fold(reads(declaration), |all, kind| all.access(&format!("patch {}", kind.resource())))
}

/// The pods that end when all of these are replaced; `None` where one of them does not say how many it wants.
pub(super) fn pods<'a>(replaced: impl IntoIterator<Item = &'a Running>) -> Option<u32> {
    let wanted: Option<u64> = replaced.into_iter().map(Running::wanted).sum();
    wanted.map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX))
}

/// A workload by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    kind: Kind,
    namespace: String,
    name: String,
}

/// A workload at some instant.
pub(super) struct Running {
    workload: Workload,
    object: DynamicObject,
}

/// How far the rollout of a workload has come.
struct Progress {
    /// Whether its controller has given up.
    stuck: bool,
    /// Why it is not complete; empty where it is.
    message: String,
}

impl Workload {
    /// What runs a service: what its entry names, else the one workload of its name.
    pub(super) async fn of(site: &Site<'_>, service: &Service) -> Result<Running, Trouble> {
        if let Some(named) = &service.entry.workload {
            return Self::named(site, service, named).await;
        }
        let mut found = Vec::new();
        for kind in Kind::ALL {
            let workload = Self { kind, namespace: service.namespace.clone(), name: service.name.clone() };
            match workload.read(site).await {
                Ok(running) => found.push(running),
                Err(trouble) if trouble.is_missing() => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let names: Vec<String> = found.iter().map(|running| running.workload.shown()).collect();
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(wrong(
                &service.name,
                &format!("several workloads have its name ({}); name one as `kubernetes.workload`", names.join(", ")),
            )),
            (None, _) => Err(Trouble::refused(
                404,
                format!(
                    "no deployment, stateful set or daemon set in {} is called `{}`; name what runs the service as \
                     `kubernetes.workload: deployment/NAME` of its entry in the file of contexts",
                    service.namespace, service.name
                ),
            )),
        }
    }

    /// A workload that the service's entry names.
    pub(super) async fn named(site: &Site<'_>, service: &Service, named: &str) -> Result<Running, Trouble> {
        Self::parse(service, named)?.read(site).await
    }

    /// `deployment/NAME`, as an entry names it.
    fn parse(service: &Service, text: &str) -> Result<Self, Trouble> {
        let problem = || {
            let text = text.escape_debug();
            wrong(
                &service.name,
                &format!(
                    "`kubernetes.workload: {text}` is none of deployment/NAME, statefulset/NAME and daemonset/NAME"
                ),
            )
        };
        let (kind, name) = text.split_once('/').ok_or_else(problem)?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(kind)).ok_or_else(problem)?;
        if !is_name(name) {
            return Err(problem());
        }
        Ok(Self { kind, namespace: service.namespace.clone(), name: name.to_owned() })
    }

    /// `deployment/checkout`.
    fn shown(&self) -> String {
        format!("{}/{}", self.kind.as_str().to_lowercase(), self.name)
    }

    fn api(&self, site: &Site<'_>) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", self.kind.as_str()));
        Api::namespaced_with(site.cluster.client(), &self.namespace, &resource)
    }

    fn asked<'a>(&'a self, verb: &'a str) -> Asked<'a> {
        Asked { verb, resource: self.kind.resource(), name: &self.name, namespace: &self.namespace }
    }

    async fn read(&self, site: &Site<'_>) -> Result<Running, Trouble> {
        let api = self.api(site);
        let object = site.cluster.ask(&self.asked("get"), || api.get(&self.name)).await?;
        Ok(Running { workload: self.clone(), object })
    }
}

impl Running {
    /// What an approver types.
    pub(super) fn target(&self) -> String {
        let workload = &self.workload;
        format!("{}/{}/{}", workload.kind.as_str().to_lowercase(), workload.namespace, workload.name)
    }

    /// `deployment/checkout`.
    pub(super) fn shown(&self) -> String {
        self.workload.shown()
    }

    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// An annotation of its pod template.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.object.data.pointer("/spec/template/metadata/annotations")?.get(name)?.as_str()
    }

    /// How many pods it wants, where it says so.
    pub(super) fn wanted(&self) -> Option<u64> {
        let number = |place: &str| self.object.data.pointer(place).and_then(Value::as_u64);
        match self.workload.kind {
            Kind::Deployment | Kind::StatefulSet => Some(number("/spec/replicas").unwrap_or(1)),
            Kind::DaemonSet => number("/status/desiredNumberScheduled"),
        }
    }

    /// Whether a new template would replace its pods.
    pub(super) fn check_restarts(&self) -> Result<(), Trouble> {
        let at = |place: &str| self.object.data.pointer(place);
        if at("/spec/paused") == Some(&Value::Bool(true)) {
            return Err(Trouble::before(format!(
                "the rollout of {} is paused, so that nothing would restart; resume it first",
                self.shown()
            )));
        }
        if at("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete") {
            return Err(Trouble::before(format!(
                "{} replaces a pod only once somebody deletes it (updateStrategy OnDelete), so that nothing would restart",
                self.shown()
            )));
        }
        if at("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_u64).is_some_and(|from| from > 0) {
            return Err(Trouble::before(format!(
                "{} keeps its pods below a partition as they are, so that not all of them would restart",
                self.shown()
            )));
        }
        Ok(())
    }

    /// Writes annotations into the pod template, so that every pod is replaced; only if it is still the one that was read.
    pub(super) async fn roll(&self, site: &Site<'_>, annotations: Value) -> Result<(), Trouble> {
        let workload = &self.workload;
        let patch = json!({
            "metadata": { "uid": self.object.metadata.uid },
            "spec": { "template": { "metadata": { "annotations": annotations } } },
        });
        let (api, how, patch) = (workload.api(site), ours(), Patch::Strategic(patch));
        match site.cluster.once(&workload.asked("patch"), api.patch(&workload.name, &how, &patch)).await {
            Ok(_) => Ok(()),
            Err(trouble) if trouble.code() == Some(409) => {
                Err(Trouble::refused(409, format!("{} is another one of the same name now", workload.shown())))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Whether every pod is of the newest template and available.
    pub(super) fn is_rolled_out(&self) -> Result<bool, Trouble> {
        Ok(self.progress()?.message.is_empty())
    }

    /// Waits until every pod is of the newest template and available.
    pub(super) async fn rolled_out(&self, site: &Site<'_>) -> Result<(), Trouble> {
        let shown = self.shown();
        let mut told = String::new();
        let looking = async {
            loop {
                let progress = self.workload.read(site).await?.progress()?;
                if progress.message.is_empty() {
                    return Ok(());
                }
                if progress.stuck {
                    return Err(Trouble::given_up(format!(
                        "the rollout of {shown} does not come to an end: {}",
                        progress.message
                    )));
                }
                if progress.message != told {
                    site.say(&format!("{shown}: {}\n", progress.message));
                    told = progress.message;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        site.while_wanted(looking, &format!("the rollout of {shown}")).await
    }

    /// How far it has come, judged as `kubectl rollout status` judges it.
    fn progress(&self) -> Result<Progress, Trouble> {
        if self.workload.kind == Kind::Deployment {
            let deployment = serde_json::to_value(&self.object).and_then(serde_json::from_value);
            let deployment = deployment
                .map_err(|error| Trouble::given_up(format!("{} cannot be understood: {error}", self.shown())))?;
            let rollout = Rollout::of(&deployment);
            return Ok(Progress { stuck: rollout.stuck, message: rollout.message });
        }
        let number = |place: &str| self.object.data.pointer(place).and_then(Value::as_u64).unwrap_or(0);
        let wanted = self.wanted().unwrap_or(0);
        let (updated, ready) = match self.workload.kind {
            Kind::DaemonSet => ("/status/updatedNumberScheduled", "/status/numberAvailable"),
            Kind::StatefulSet | Kind::Deployment => ("/status/updatedReplicas", "/status/readyReplicas"),
        };
        let seen = i64::try_from(number("/status/observedGeneration")).ok() >= self.object.metadata.generation;
        let message = if !seen {
            "the controller has not seen the newest template".to_owned()
        } else if number(updated) < wanted {
            format!("{} of {wanted} pods are of the newest template", number(updated))
        } else if number(ready) < wanted {
            format!("{} of {wanted} pods are ready", number(ready))
        } else {
            String::new()
        };
        Ok(Progress { stuck: false, message })
    }
}
