//! What a `kubectl`, `oc` or `helm` command touches, as far as its words say so.

use std::collections::BTreeSet;

use super::Touched;
use super::facts::Count;
use crate::act::Act;
use crate::action::PolicyKind;
use crate::commands::{self, SimpleCommand};

/// Kinds whose objects keep no pods; what is not listed, such as a kind of somebody's own, may keep some.
const WITHOUT_PODS: &[&str] = &[
    "clusterrole",
    "clusterrolebinding",
    "clusterrolebindings",
    "clusterroles",
    "cm",
    "configmap",
    "configmaps",
    "customresourcedefinition",
    "ep",
    "endpoints",
    "event",
    "events",
    "ev",
    "horizontalpodautoscaler",
    "horizontalpodautoscalers",
    "hpa",
    "ing",
    "ingress",
    "ingresses",
    "lease",
    "leases",
    "limitrange",
    "limitranges",
    "netpol",
    "networkpolicies",
    "networkpolicy",
    "pdb",
    "poddisruptionbudget",
    "poddisruptionbudgets",
    "role",
    "rolebinding",
    "rolebindings",
    "roles",
    "sa",
    "secret",
    "secrets",
    "service",
    "serviceaccount",
    "serviceaccounts",
    "services",
    "svc",
];

/// Every namespace, as [`namespaces`] says it.
pub(super) const EVERY: &str = "*";

/// What stands behind the program: operands, and whether something else says what is meant.
struct Operands {
    words: Vec<String>,
    /// Whether a file names the objects.
    file: bool,
    /// Whether a selector, a file or a word of the shell names the objects.
    selects: bool,
}

fn program(word: &str) -> Option<&str> {
    word.rsplit('/').next().filter(|name| matches!(*name, "kubectl" | "oc" | "helm"))
}

fn operands(command: &SimpleCommand) -> Option<Operands> {
    let start = command.words.iter().position(|word| matches!(program(word), Some("kubectl" | "oc")))?;
    let mut operands = Vec::new();
    let mut selects = command.dynamic;
    let mut file = false;
    let mut words = command.words.iter().skip(start + 1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--" => break,
            "-l" | "--selector" | "--all" => selects = true,
            "-f" | "--filename" | "-k" | "--kustomize" => file = true,
            "-n" | "--namespace" | "--context" | "--kubeconfig" | "--timeout" | "--grace-period" => {
                words.next();
            }
            word if word.starts_with('-') => {
                selects |= ["-l", "--selector=", "--all="].iter().any(|option| word.starts_with(option));
                file |= ["-f", "-k", "--filename=", "--kustomize="].iter().any(|option| word.starts_with(option));
            }
            word => operands.push(word.to_owned()),
        }
    }
    Some(Operands { words: operands, file, selects: selects || file })
}

/// The class of a command, and the nodes it names where it names them.
pub(super) fn kind(command: &SimpleCommand) -> Option<(PolicyKind, Option<Vec<String>>)> {
    let Operands { words, selects, .. } = operands(command)?;
    let (verb, rest) = words.split_first()?;
    let bare = |names: &[String]| -> Option<Vec<String>> {
        let names: Vec<String> = names.iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect();
        (!selects && !names.is_empty()).then_some(names)
    };
    match verb.as_str() {
        "drain" | "cordon" | "uncordon" => Some((PolicyKind::NodeOperation, bare(rest))),
        "taint" | "delete" | "label" | "annotate" | "patch" => {
            let (kind, names) = named(rest)?;
            matches!(kind.as_str(), "node" | "nodes" | "no").then(|| (PolicyKind::NodeOperation, bare(&names)))
        }
        "scale" | "autoscale" => Some((PolicyKind::Scaling, None)),
        _ => None,
    }
}

/// The kind that operands begin with, and the names behind it.
fn named(operands: &[String]) -> Option<(String, Vec<String>)> {
    let (kind, names) = operands.split_first()?;
    // `Deployment`, `deployments.apps`: a kind is written in any case, and with its group.
    let plain = |kind: &str| kind.split('.').next().unwrap_or(kind).to_lowercase();
    Some(match kind.split_once('/') {
        Some((kind, name)) => {
            let more = names.iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned());
            (plain(kind), std::iter::once(name.to_owned()).chain(more).collect())
        }
        // `taint node NAME key=value:effect`: what holds `=` or ends in `-` is no name.
        None => (plain(kind), names.iter().filter(|n| !n.contains('=') && !n.ends_with('-')).cloned().collect()),
    })
}

/// The pods that a command ends.
pub(super) fn pods(command: &SimpleCommand) -> Count {
    let helm = command.words.iter().position(|word| program(word) == Some("helm"));
    if let Some(start) = helm {
        let ends = ["upgrade", "install", "rollback", "uninstall", "delete"];
        let acts = command.words.iter().skip(start + 1).any(|word| ends.contains(&word.as_str()));
        return if acts { Count::Unknown } else { Count::Nothing };
    }
    let Some(Operands { words, file, selects }) = operands(command) else { return Count::Nothing };
    let Some((verb, rest)) = words.split_first() else { return Count::Nothing };
    match verb.as_str() {
        "delete" => match named(rest).filter(|_| !file) {
            // A file says what is deleted.
            None => Count::Unknown,
            Some((kind, names)) => match kind.as_str() {
                "pod" | "pods" | "po" if !selects => Count::Known(u32::try_from(names.len()).unwrap_or(u32::MAX)),
                kind if kind.split(',').all(|kind| WITHOUT_PODS.contains(&kind)) => Count::Nothing,
                _ => Count::Unknown,
            },
        },
        "taint" if rest.iter().any(|word| word.contains("NoExecute")) => Count::Unknown,
        "drain" | "scale" | "autoscale" | "rollout" | "replace" | "apply" | "patch" | "set" | "edit" => Count::Unknown,
        _ => Count::Nothing,
    }
}

/// What a command that was performed has touched, as far as it names it.
pub fn touched_by_command(act: &Act) -> Touched {
    let mut touched = Touched::default();
    for command in commands::simple_commands(act) {
        if let Some((PolicyKind::NodeOperation, Some(nodes))) = kind(&command) {
            touched.nodes.extend(nodes);
        }
        if let Count::Known(ended) = pods(&command) {
            touched.pods = touched.pods.saturating_add(ended);
        }
    }
    touched
}

/// The namespaces in which a command changes something, [`EVERY`] for all of them; none where that cannot be told.
///
/// What names no namespace acts in the one of the context.
pub(super) fn namespaces(command: &SimpleCommand, own: Option<&str>) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let Some(start) = command.words.iter().position(|word| program(word).is_some()) else { return Some(found) };
    let helm = command.words.get(start).and_then(|word| program(word)) == Some("helm");
    let mut file = false;
    let mut words = command.words.iter().skip(start + 1);
    while let Some(word) = words.next() {
        let value = match word.as_str() {
            "--" => break,
            "-n" | "--namespace" => words.next().map(String::as_str),
            "-A" | "--all-namespaces" | "--all-namespaces=true" => Some(EVERY),
            word if let Some(value) = word.strip_prefix("--namespace=") => Some(value),
            word if !word.starts_with("--") && word.strip_prefix("-n").is_some_and(|value| !value.is_empty()) => {
                word.strip_prefix("-n").map(|value| value.trim_start_matches('='))
            }
            word => {
                file |= !helm
                    && (["-f", "-k", "-R", "--filename", "--kustomize", "--recursive"].contains(&word)
                        || ["-f", "-k", "--filename=", "--kustomize="].iter().any(|option| word.starts_with(option)));
                continue;
            }
        };
        let value = value.filter(|value| !value.contains('$'))?;
        found.insert(value.to_owned());
    }
    let of_nodes = matches!(kind(command), Some((PolicyKind::NodeOperation, _)));
    if let Some(Operands { words, selects, .. }) = operands(command)
        && let Some((verb, rest)) = words.split_first()
        && matches!(verb.as_str(), "delete" | "label" | "annotate" | "patch" | "edit" | "replace")
        && let Some((kind, names)) = named(rest)
        && matches!(kind.as_str(), "namespace" | "namespaces" | "ns" | "project" | "projects")
    {
        if selects || names.iter().any(|name| name.contains('$')) {
            return None;
        }
        found.extend(names);
    }
    match (found.is_empty(), file) {
        (true, true) => None,
        (true, false) if !of_nodes => Some(own.map(str::to_owned).into_iter().collect()),
        (true | false, _) => Some(found),
    }
}
