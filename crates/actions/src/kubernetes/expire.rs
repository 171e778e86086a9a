//! `kubernetes.expire_changes`: what was changed for a time, and whose time is over, is put back.

use std::sync::Arc;

use async_trait::async_trait;
use belay_runbook::act::{Ending, Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::{ActionSpec, Sink};
use serde::Deserialize;
use serde_json::json;

use super::network::{self, Blocks};
use super::services::{self, OverdueSettings};
use super::trouble::Trouble;
use super::{ClusterAct, Clusters, OnCluster, Site};
use crate::declaration::{Declaration, list, text};
use crate::registry::Registry;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<ExpireChanges>::new(clusters)));
}

/// Puts back the time-boxed changes of a namespace whose time is over.
///
/// Nothing in a cluster does so by itself, and the end of a time permits nothing on its own: this is an act as any other,
/// for a schedule or a person. It needs no record of who made the changes: each object tells its own end.
struct ExpireChanges;

#[derive(Debug, Clone, Deserialize)]
struct Parameters {
    namespace: Option<String>,
}

/// One object with changes that are over.
enum Overdue {
    Blocks(Box<Blocks>),
    Settings(Box<OverdueSettings>),
}

#[async_trait]
impl ClusterAct for ExpireChanges {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        let declared = Declaration::new("kubernetes.expire_changes", "Put back time-boxed changes whose time is over")
            .optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
            .output("putBack", list(&text("a change"), "what was put back"))
            .output("left", list(&text("a change"), "what could not be put back, and why"))
            .target("namespace")
            .mutates(true)
            .access("list networkpolicies.networking.k8s.io")
            .access("patch networkpolicies.networking.k8s.io")
            .access("delete networkpolicies.networking.k8s.io")
            .access("list configmaps")
            .access("get configmaps")
            .access("patch configmaps");
        services::rolls(declared).build()
    }

    fn describe(parameters: &Parameters) -> String {
        let place = parameters.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {namespace}"));
        format!("put back changes whose time is over{place}")
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let namespace = site.namespace(parameters.namespace.as_deref());
        let mut prepared = site.preparation(format!("namespace/{namespace}"), &Self::declaration());
        let (overdue, unclear) = overdue(site, namespace).await?;
        prepared.notes.extend(unclear);
        for one in &overdue {
            prepared.basis.objects.insert(one.object());
            prepared.reasons.extend(one.shown(site));
        }
        if overdue.is_empty() {
            prepared.notes.push("no change's time is over".to_owned());
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        let namespace = site.namespace(parameters.namespace.as_deref());
        let (overdue, mut left) = match overdue(site, namespace).await {
            Ok(found) => found,
            Err(trouble) => return trouble.unsent().outcome(),
        };
        let mut put_back = Vec::new();
        let mut ending = if left.is_empty() { Ending::Succeeded } else { Ending::Failed };
        for one in overdue {
            let shown = one.shown(site);
            match one.put_back(site).await {
                Ok(()) => {
                    for change in &shown {
                        site.say(&format!("{change} is put back\n"));
                    }
                    put_back.extend(shown);
                }
                Err(trouble) => {
                    left.extend(shown.iter().map(|change| format!("{change}: {trouble}")));
                    // What may have happened, and what goes on without anybody waiting, are never failures.
                    let ended = trouble.ending_midway();
                    if ending != Ending::Lost && (ended != Ending::Failed || ending == Ending::Succeeded) {
                        ending = ended;
                    }
                    if ended == Ending::Cancelled {
                        break;
                    }
                }
            }
        }
        Outcome {
            error: (ending != Ending::Succeeded).then(|| left.join("; ")),
            output: json!({ "putBack": put_back, "left": left }),
            ..Outcome::bare(ending)
        }
    }

    async fn probe(
        site: &Site<'_>,
        parameters: Parameters,
        _preparation: &Preparation,
    ) -> Result<ProbeAnswer, Trouble> {
        let (overdue, _) = overdue(site, site.namespace(parameters.namespace.as_deref())).await?;
        Ok(if overdue.is_empty() {
            ProbeAnswer::Done(Outcome::succeeded(json!({ "putBack": [], "left": [] })))
        } else {
            ProbeAnswer::Unknown
        })
    }
}

/// What is over, and what cannot be understood.
async fn overdue(site: &Site<'_>, namespace: &str) -> Result<(Vec<Overdue>, Vec<String>), Trouble> {
    let (mut found, mut unclear) = (Vec::new(), Vec::new());
    for policy in network::time_boxed(site, namespace).await? {
        match Blocks::of(policy) {
            Ok(blocks) => found.push(Overdue::Blocks(Box::new(blocks))),
            Err(trouble) => unclear.push(trouble.to_string()),
        }
    }
    found.retain(|one| !one.shown(site).is_empty());
    let (settings, unreadable) = services::overdue(site, namespace).await?;
    found.extend(settings.into_iter().map(|settings| Overdue::Settings(Box::new(settings))));
    unclear.extend(unreadable);
    Ok((found, unclear))
}

impl Overdue {
    fn object(&self) -> String {
        match self {
            Self::Blocks(blocks) => blocks.object(),
            Self::Settings(settings) => settings.object(),
        }
    }

    /// The changes that are over.
    fn shown(&self, site: &Site<'_>) -> Vec<String> {
        match self {
            Self::Blocks(blocks) => blocks.over(site.surroundings.now).0,
            Self::Settings(settings) => vec![settings.shown()],
        }
    }

    async fn put_back(self, site: &Site<'_>) -> Result<(), Trouble> {
        match self {
            Self::Blocks(blocks) => {
                let (_, left) = blocks.over(site.surroundings.now);
                blocks.write(site, left).await.map(|_| ())
            }
            Self::Settings(settings) => settings.put_back(site).await,
        }
    }
}
