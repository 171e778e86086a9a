//! What the server says about itself.

use serde_json::{Value, json};

use super::state::State;
use super::status::Refusal;

/// A page outside of the resources: its body, or `None` where there is no such page.
pub fn page(state: &State, path: &str) -> Option<Result<Value, Refusal>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let page = match parts.as_slice() {
        ["version"] => json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean", "buildDate": "2026-04-22T00:00:00Z", "goVersion": "go1.26", "compiler": "gc",
            "platform": "linux/amd64", "emulationMajor": "1", "emulationMinor": "36",
            "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
        }),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1" }],
        }),
        ["apis"] => {
            let groups: Vec<Value> = groups(state).into_iter().map(|(group, version)| entry(group, version)).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        ["apis", group] => {
            let (group, version) = groups(state).into_iter().find(|(name, _)| name == group)?;
            let mut page = entry(group, version);
            page["kind"] = json!("APIGroup");
            page["apiVersion"] = json!("v1");
            page
        }
        ["api", version] => resources(state, "", version)?,
        ["apis", group, version] => resources(state, group, version)?,
        _ => return None,
    };
    Some(Ok(page))
}

fn groups(state: &State) -> Vec<(&'static str, &'static str)> {
    let mut groups = Vec::new();
    for kind in state.kinds().filter(|kind| !kind.group.is_empty()) {
        if !groups.contains(&(kind.group, kind.version)) {
            groups.push((kind.group, kind.version));
        }
    }
    groups
}

fn entry(group: &str, version: &str) -> Value {
    let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({ "name": group, "versions": [version], "preferredVersion": version })
}

fn resources(state: &State, group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<_> = state.kinds().filter(|kind| kind.group == group && kind.version == version).collect();
    let group_version = kinds.first()?.api_version();
    let resources: Vec<Value> = kinds.iter().flat_map(|kind| kind.discovery()).collect();
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    }))
}
