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

/// Options that take the next word as their value.
///
/// Source: `kubectl options`, and the options of drain, delete, label, patch and scale.
const WITH_VALUE: &[&str] = &[
    "--as",
    "--as-group",
    "--as-uid",
    "--cache-dir",
    "--certificate-authority",
    "--client-certificate",
    "--client-key",
    "--cluster",
    "--context",
    "--field-manager",
    "--grace-period",
    "--kubeconfig",
    "--kuberc",
    "--namespace",
    "--output",
    "--patch",
    "--patch-file",
    "--profile",
    "--profile-output",
    "--replicas",
    "--request-timeout",
    "--server",
    "--skip-wait-for-delete-timeout",
    "--subresource",
    "--timeout",
    "--tls-server-name",
    "--token",
    "--type",
    "--user",
    "--v",
    "--vmodule",
    "-n",
    "-o",
    "-p",
    "-s",
    "-v",
];

/// Whether an option names files, `-Rf` and `-fapp.yaml` included.
fn names_file(option: &str) -> bool {
    if option.starts_with("--") {
        return ["--filename", "--kustomize", "--recursive"].iter().any(|name| option.starts_with(name));
    }
    let letters = option.trim_start_matches('-');
    letters.starts_with(['f', 'k', 'R'])
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
            "-l" | "--selector" | "--field-selector" => {
                selects = true;
                words.next();
            }
            "--all" => selects = true,
            "-f" | "--filename" | "-k" | "--kustomize" => file = true,
            word if WITH_VALUE.contains(&word) => {
                words.next();
            }
            word if word.starts_with('-') => {
                selects |= ["-l", "--selector=", "--all="].iter().any(|option| word.starts_with(option));
                file |= names_file(word);
            }
            // `oc adm drain` is what `kubectl drain` is.
            "adm" if operands.is_empty() => {}
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
            let nodes = |kind: &str| matches!(kind, "node" | "nodes" | "no");
            let names: Vec<Vec<String>> =
                named(rest).into_iter().filter(|(kind, _)| nodes(kind)).map(|(_, names)| names).collect();
            (!names.is_empty()).then(|| (PolicyKind::NodeOperation, bare(&names.concat())))
        }
        "scale" | "autoscale" => Some((PolicyKind::Scaling, None)),
        _ => None,
    }
}

/// The kinds that operands name, each with its names: `pod a b`, `cm,secret a`, `pod/a deploy/b`.
fn named(operands: &[String]) -> Vec<(String, Vec<String>)> {
    // `Deployment`, `deployments.apps`: a kind is written in any case, and with its group.
    let plain = |kind: &str| kind.split('.').next().unwrap_or(kind).to_lowercase();
    let Some((kinds, names)) = operands.split_first() else { return Vec::new() };
    // `taint node NAME key=value:effect`: what holds `=` or ends in `-` is no name.
    let is_name = |word: &&String| !word.contains('=') && !word.ends_with('-');
    if kinds.contains('/') {
        let pairs = operands.iter().filter(is_name).filter_map(|operand| operand.split_once('/'));
        return pairs.map(|(kind, name)| (plain(kind), vec![name.to_owned()])).collect();
    }
    let names: Vec<String> = names.iter().filter(is_name).cloned().collect();
    kinds.split(',').map(|kind| (plain(kind), names.clone())).collect()
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
        "delete" => {
            let named = named(rest);
            let of_pods = |kind: &str| matches!(kind, "pod" | "pods" | "po");
            let known = |kind: &str| WITHOUT_PODS.contains(&kind) || (of_pods(kind) && !selects);
            let pods: usize = named.iter().filter(|(kind, _)| of_pods(kind)).map(|(_, names)| names.len()).sum();
            // A file says what is deleted.
            match named.iter().all(|(kind, _)| known(kind)) && !named.is_empty() && !file {
                true if pods == 0 => Count::Nothing,
                true => Count::Known(u32::try_from(pods).unwrap_or(u32::MAX)),
                false => Count::Unknown,
            }
        }
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
                file |= !helm && word.starts_with('-') && names_file(word);
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
    {
        let of_namespaces = |kind: &str| matches!(kind, "namespace" | "namespaces" | "ns" | "project" | "projects");
        for (_, names) in named(rest).into_iter().filter(|(kind, _)| of_namespaces(kind)) {
            if selects || names.iter().any(|name| name.contains('$')) {
                return None;
            }
            found.extend(names);
        }
    }
    match (found.is_empty(), file) {
        (true, true) => None,
        // Without one, what the kubeconfig happens to say counts, and that is not known here.
        (true, false) if !of_nodes => own.map(|own| BTreeSet::from([own.to_owned()])),
        (true | false, _) => Some(found),
    }
}
