//! What a context's cluster is, and what may be done there.

use std::collections::BTreeSet;

use belay_runbook::action::ActionSpec;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use super::access::ClusterAccess;
use super::clusters::{Cluster, Clusters};
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
    /// The namespace of what names none, for which rights were asked.
    pub namespace: String,
    /// Rights that actions need and this account has, such as `get pods`.
    pub allowed: Vec<String>,
    /// Rights that actions need and this account does not have.
    pub denied: Vec<String>,
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
    /// Why it cannot be reached, and what to do.
    pub async fn examine(&self, context: &Value, specs: &[&ActionSpec]) -> Result<ClusterReport, String> {
        self.examined(context, specs).await.map_err(|trouble| trouble.to_string())
    }

    async fn examined(&self, context: &Value, specs: &[&ActionSpec]) -> Result<ClusterReport, Trouble> {
        let cluster = self.reach(&ClusterAccess::of(context)?).await?;
        let client = cluster.client();
        let asked = Asked { verb: "get", resource: "version", name: "", namespace: "" };
        let version = cluster.ask(&asked, || client.apiserver_version()).await?;
        let available = specs.iter().filter(|spec| spec.available);
        let wanted: BTreeSet<&str> = available.flat_map(|spec| &spec.access).map(String::as_str).collect();
        let mut wanted = wanted.into_iter().filter_map(|text| Some((text.to_owned(), Right::parse(text)?)));
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        let mut asking = JoinSet::new();
        loop {
            while asking.len() < AT_ONCE
                && let Some((text, right)) = wanted.next()
            {
                let cluster = std::sync::Arc::clone(&cluster);
                asking.spawn(async move { (text, may(&cluster, right).await) });
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

/// Whether this account may do something in the context's namespace.
async fn may(cluster: &Cluster, right: Right) -> Result<bool, Trouble> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(right.verb),
                resource: Some(right.resource),
                subresource: right.subresource,
                group: Some(right.group),
                namespace: Some(cluster.namespace.clone()),
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
