//! Where a context acts: the cluster that its file names.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trouble::Trouble;

/// How a context reaches a cluster. Secrets stay in the kubeconfig; nothing here is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterAccess {
    /// The kubeconfig's path; what `KUBECONFIG` names, else `~/.kube/config`, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig. Its current context is never followed: somebody may change that in another window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The namespace of what names none; the kubeconfig's own, else `default`, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether Belay runs in the cluster and acts as its own service account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_cluster: bool,
}

impl ClusterAccess {
    /// Reads `kubernetes` out of what actions see of a context.
    ///
    /// # Errors
    /// The context names no cluster, or does so in a way that cannot be understood.
    pub(super) fn of(context: &Value) -> Result<Self, Trouble> {
        let name = context.get("name").and_then(Value::as_str).unwrap_or("local");
        let Some(access) = context.get("kubernetes").filter(|access| !access.is_null()) else {
            return Err(Trouble::before(format!(
                "context `{name}` names no cluster; give it `kubernetes: {{context: NAME}}` in the file of contexts, \
                 or choose another one with `--context`"
            )));
        };
        let access: Self = serde_json::from_value(access.clone())
            .map_err(|error| Trouble::before(format!("`kubernetes` of context `{name}`: {error}")))?;
        access.check().map_err(|problem| Trouble::before(format!("`kubernetes` of context `{name}`: {problem}")))?;
        Ok(access)
    }

    /// Whether it says one way to a cluster and no more.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        match (&self.context, self.in_cluster) {
            (None, false) => Err("`context` is missing: which context of the kubeconfig it is".to_owned()),
            (Some(_), true) => Err("`context` and `inCluster` are two ways; keep one".to_owned()),
            _ if self.in_cluster && self.kubeconfig.is_some() => {
                Err("`kubeconfig` and `inCluster` are two ways; keep one".to_owned())
            }
            _ => Ok(()),
        }
    }
}
