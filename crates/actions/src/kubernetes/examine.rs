//! What a context's cluster is, and what may be done there.

use std::collections::{BTreeMap, BTreeSet};

use belay_runbook::act::Unread;
use belay_runbook::action::ActionSpec;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use super::access::ClusterAccess;
use super::clusters::{Cluster, Clusters};
use super::login;
use super::trouble::{Asked, Trouble};

/// Rights that are asked about at the same time.
const AT_ONCE: usize = 8;

/// What a role may allow; whatever else an action says of its access is prose.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// A cluster as an examination found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterReport {
    /// What tells it from every other one.
    pub fingerprint: String,
    /// The API server's version, such as `v1.36.1`.
    pub version: String,
    /// The namespace of what names none, for which rights were asked unless they say otherwise.
    pub namespace: String,
    /// Rights that actions need and this account has, such as `get pods`, or `get pods in kube-system`.
    pub allowed: Vec<String>,
    /// Rights that actions need and this account does not have.
    pub denied: Vec<String>,
}

/// An action that is to be performed, and where.
#[derive(Debug, Clone)]
pub struct Needed<'a> {
    /// What it declares.
    pub spec: &'a ActionSpec,
    /// The namespace that it names; the context's own where it names none.
    pub namespace: Option<String>,
}

impl ClusterReport {
    /// Rights that these actions need and this account does not have.
    pub fn lacking(&self, needed: &[Needed<'_>]) -> Vec<String> {
        let wanted: BTreeSet<String> = needed.iter().flat_map(|one| shown(one, &self.namespace)).collect();
        self.denied.iter().filter(|right| wanted.contains(*right)).cloned().collect()
    }
}

/// Rights of one action as a report names them: with their namespace where it is not the context's.
fn shown(needed: &Needed<'_>, own: &str) -> Vec<String> {
    let elsewhere = needed.namespace.as_ref().filter(|namespace| namespace.as_str() != own);
    let place = |right: &String| match elsewhere {
        Some(namespace) => format!("{right} in {namespace}"),
        None => right.clone(),
    };
    needed.spec.access.iter().map(place).collect()
}

/// A right as an action declares it: `patch deployments/scale.apps`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    resource: String,
    subresource: Option<String>,
    group: String,
}

impl Right {
    fn parse(text: &str) -> Option<Self> {
        let (verb, rest) = text.split_once(' ').filter(|(verb, _)| VERBS.contains(verb))?;
        let (path, group) = rest.split_once('.').unwrap_or((rest, ""));
        let (resource, subresource) = match path.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (path, None),
        };
        Some(Self { verb: verb.to_owned(), resource: resource.to_owned(), subresource, group: group.to_owned() })
    }
}

impl Clusters {
    /// Looks at the cluster of a context, and at the rights that these actions need there.
    ///
    /// # Errors
    /// Why it cannot be reached, and what to do; whether a login has expired.
    pub async fn examine(&self, context: &Value, needed: &[Needed<'_>]) -> Result<ClusterReport, Unread> {
        let remedy = || match ClusterAccess::of(context) {
            Ok(access) => login::remedy(&access),
            Err(trouble) => trouble.to_string(),
        };
        self.examined(context, needed).await.map_err(|trouble| {
            let needs_login = trouble.needs_login();
            Unread { why: trouble.with_remedy(remedy).to_string(), needs_login }
        })
    }

    async fn examined(&self, context: &Value, needed: &[Needed<'_>]) -> Result<ClusterReport, Trouble> {
        let cluster = self.reach(&ClusterAccess::of(context)?).await?;
        let client = cluster.client();
        let asked = Asked { verb: "get", resource: "version", name: "", namespace: "" };
        let version = cluster.ask(&asked, || client.apiserver_version()).await?;
        let mut wanted: BTreeMap<String, (Right, String)> = BTreeMap::new();
        for one in needed.iter().filter(|one| one.spec.available) {
            let namespace = one.namespace.as_ref().unwrap_or(&cluster.namespace);
            for (text, right) in shown(one, &cluster.namespace).into_iter().zip(&one.spec.access) {
                if let Some(right) = Right::parse(right) {
                    wanted.insert(text, (right, namespace.clone()));
                }
            }
        }
        let mut wanted = wanted.into_iter();
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        let mut asking = JoinSet::new();
        loop {
            while asking.len() < AT_ONCE
                && let Some((text, (right, namespace))) = wanted.next()
            {
                let cluster = std::sync::Arc::clone(&cluster);
                asking.spawn(async move { (text, may(&cluster, right, namespace).await) });
            }
            let Some(joined) = asking.join_next().await else { break };
            let (text, answer) = joined.map_err(|error| Trouble::before(format!("a question ended early: {error}")))?;
            if answer? { allowed.push(text) } else { denied.push(text) }
        }
        allowed.sort();
        denied.sort();
        Ok(ClusterReport {
            fingerprint: cluster.fingerprint.clone(),
            version: version.git_version,
            namespace: cluster.namespace.clone(),
            allowed,
            denied,
        })
    }
}

/// Whether this account may do something in a namespace.
async fn may(cluster: &Cluster, right: Right, namespace: String) -> Result<bool, Trouble> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(right.verb),
                resource: Some(right.resource),
                subresource: right.subresource,
                group: Some(right.group),
                namespace: Some(namespace),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client());
    let asked =
        Asked { verb: "create", resource: "selfsubjectaccessreviews.authorization.k8s.io", name: "", namespace: "" };
    let how = PostParams::default();
    // A review changes nothing, however often it is asked for.
    let answered = cluster.ask(&asked, || api.create(&how, &review)).await?;
    Ok(answered.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("get pods", "get", "pods", None, "")]
    #[case("patch deployments/scale.apps", "patch", "deployments", Some("scale"), "apps")]
    #[case("create networkpolicies.networking.k8s.io", "create", "networkpolicies", None, "networking.k8s.io")]
    fn a_right_is_read(
        #[case] text: &str,
        #[case] verb: &str,
        #[case] resource: &str,
        #[case] subresource: Option<&str>,
        #[case] group: &str,
    ) {
        let right = Right::parse(text).expect("a right");
        assert_eq!((right.verb.as_str(), right.resource.as_str()), (verb, resource));
        assert_eq!((right.subresource.as_deref(), right.group.as_str()), (subresource, group));
    }

    #[test]
    fn prose_is_no_right() {
        for prose in ["membership", "the command INFO", "read access to the logs"] {
            assert_eq!(Right::parse(prose), None);
        }
    }
}
