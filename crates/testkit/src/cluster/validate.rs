//! What the server refuses: the obvious among what a real one refuses.

use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;
use super::selector::Labels;
use super::status::{Flaw, Refusal};

const NO_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const NO_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
const IMMUTABLE: &str = "field is immutable";

/// Refuses what cannot be read as an object of this resource at all: 400.
pub fn shape(kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let wrong = |what: String| {
        let (version, kind) = (kind.version, kind.kind);
        Err(Refusal::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {what}")))
    };
    for number in
        ["replicas", "minReadySeconds", "progressDeadlineSeconds", "parallelism", "completions", "backoffLimit"]
    {
        let value = object.pointer(&format!("/spec/{number}")).filter(|value| !value.is_null());
        if let Some(value) = value.filter(|value| value.as_i64().is_none_or(|n| i32::try_from(n).is_err())) {
            let what = if value.is_string() { "string".to_owned() } else { format!("number {value}") };
            return wrong(format!(
                "json: cannot unmarshal {what} into Go struct field {}Spec.spec.{number} of type int32",
                kind.kind
            ));
        }
    }
    for (pointer, what) in [("/metadata/labels", "labels"), ("/metadata/annotations", "annotations")] {
        for value in object.pointer(pointer).and_then(Value::as_object).into_iter().flatten().map(|(_, value)| value) {
            if !value.is_string() && !value.is_null() {
                return wrong(format!(
                    "json: cannot unmarshal into Go struct field ObjectMeta.metadata.{what} of type string"
                ));
            }
        }
    }
    for spec in ["/spec", "/spec/template/spec"] {
        for list in ["containers", "initContainers"] {
            for container in json::list(object, &format!("{spec}/{list}")) {
                for side in ["limits", "requests"] {
                    let quantities = container.pointer(&format!("/resources/{side}")).and_then(Value::as_object);
                    for value in quantities.into_iter().flatten().map(|(_, value)| value) {
                        if quantity(value).is_none() {
                            return wrong(
                                "quantities must match the regular expression \
                                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                                    .to_owned(),
                            );
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// The fields that the schema of a custom resource names; all others are pruned.
const SNAPSHOT_FIELDS: &[&[&str]] = &[
    &["spec", "source", "persistentVolumeClaimName"],
    &["spec", "source", "volumeSnapshotContentName"],
    &["spec", "volumeSnapshotClassName"],
    &["status", "boundVolumeSnapshotContentName"],
    &["status", "creationTime"],
    &["status", "error", "message"],
    &["status", "error", "time"],
    &["status", "readyToUse"],
    &["status", "restoreSize"],
    &["status", "volumeGroupSnapshotName"],
];

/// Takes every field out of a custom resource that its schema does not name. Its metadata stays.
pub fn prune(kind: &Kind, object: &mut Value) {
    if kind.is_custom() {
        prune_at(object, &[]);
    }
}

fn prune_at(value: &mut Value, path: &[&str]) {
    let Some(map) = value.as_object_mut() else { return };
    map.retain(|key, member| {
        let key = key.as_str();
        if path.is_empty() && matches!(key, "apiVersion" | "kind" | "metadata") {
            return true;
        }
        let here: Vec<&str> = path.iter().copied().chain([key]).collect();
        if !SNAPSHOT_FIELDS.iter().any(|field| field.starts_with(&here)) {
            return false;
        }
        prune_at(member, &here);
        true
    });
}

/// A quantity such as `512Mi` or `250m`, in its base unit.
pub fn quantity(value: &Value) -> Option<f64> {
    if let Some(number) = value.as_f64() {
        return Some(number);
    }
    let text = value.as_str()?;
    let end = text.find(|letter: char| !(letter.is_ascii_digit() || "+-.".contains(letter))).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return text.parse().ok(),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// What is wrong with an object; `old` is what it replaces.
pub fn flaws(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    name(kind, object, &mut flaws);
    match kind.plural {
        "pods" => {
            if let Some(old) = old {
                unchanged_pod(object, old, &mut flaws);
            }
            pod(object.pointer("/spec"), "spec", &mut flaws);
        }
        "deployments" | "replicasets" | "daemonsets" | "statefulsets" => workload(kind, object, old, &mut flaws),
        "jobs" => job(object, old, &mut flaws),
        "poddisruptionbudgets"
            if json::has(object, "/spec/minAvailable") && json::has(object, "/spec/maxUnavailable") =>
        {
            let spec = object.get("spec").cloned().unwrap_or_default();
            flaws.push(Flaw::invalid("spec", &spec, "minAvailable and maxUnavailable cannot be both set"));
        }
        "services"
            if json::list(object, "/spec/ports").is_empty()
                && json::text(object, "/spec/type") != "ExternalName"
                && json::text(object, "/spec/clusterIP") != "None" =>
        {
            flaws.push(Flaw::required("spec.ports", ""));
        }
        "configmaps" | "secrets" => {
            if let Some(old) = old.filter(|old| json::flag(old, "/immutable")) {
                for field in ["data", "binaryData", "immutable"] {
                    if old.get(field) != object.get(field) {
                        flaws.push(Flaw::forbidden(field, "field is immutable when `immutable` is set"));
                    }
                }
            }
        }
        "nodes" => {
            const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            for (at, taint) in json::list(object, "/spec/taints").iter().enumerate() {
                if !EFFECTS.contains(&json::text(taint, "/effect")) {
                    let effect = taint.get("effect").cloned().unwrap_or_default();
                    flaws.push(Flaw::unsupported(format!("spec.taints[{at}].effect"), &effect, &EFFECTS));
                }
            }
        }
        _ => {}
    }
    flaws
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 63 && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(inner)
}

fn name(kind: &Kind, object: &Value, flaws: &mut Vec<Flaw>) {
    let name = json::name(object);
    if name.is_empty() {
        flaws.push(Flaw::required("metadata.name", "name or generateName is required"));
    } else if matches!(kind.plural, "namespaces" | "services") {
        if !is_label(name) {
            flaws.push(Flaw::invalid("metadata.name", &json!(name), NO_LABEL));
        }
    } else if name.len() > 253 || !name.split('.').all(is_label) {
        flaws.push(Flaw::invalid("metadata.name", &json!(name), NO_SUBDOMAIN));
    }
}

fn workload(kind: &Kind, object: &Value, old: Option<&Value>, flaws: &mut Vec<Flaw>) {
    for number in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        let pointer = format!("/spec/{number}");
        if json::number(object, &pointer).is_some_and(|number| number < 0) {
            let value = object.pointer(&pointer).cloned().unwrap_or_default();
            flaws.push(Flaw::invalid(format!("spec.{number}"), &value, NOT_NEGATIVE));
        }
    }
    let selector = object.pointer("/spec/selector").cloned().unwrap_or_default();
    if !selector.is_object() {
        flaws.push(Flaw::required("spec.selector", ""));
    } else if Labels::of_object(&selector).is_empty() {
        let why = format!("empty selector is invalid for {}", kind.singular);
        flaws.push(Flaw::invalid("spec.selector", &selector, &why));
    } else if !Labels::of_object(&selector).matches(object.pointer("/spec/template").unwrap_or(&Value::Null)) {
        let labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        let why = "`selector` does not match template `labels`";
        flaws.push(Flaw::invalid("spec.template.metadata.labels", &labels, why));
    }
    if let Some(old) = old
        && old.pointer("/spec/selector") != object.pointer("/spec/selector")
    {
        flaws.push(Flaw::invalid("spec.selector", &selector, IMMUTABLE));
    }
    let policy = object.pointer("/spec/template/spec/restartPolicy").cloned().unwrap_or_default();
    if policy != "Always" {
        flaws.push(Flaw::unsupported("spec.template.spec.restartPolicy", &policy, &["Always"]));
    }
    let rolling = object.pointer("/spec/strategy/rollingUpdate");
    if let Some(rolling) = rolling.filter(|_| kind.plural == "deployments") {
        let is_zero = |key: &str| rolling.get(key).is_some_and(|value| value == 0 || value == "0%");
        if is_zero("maxSurge") && is_zero("maxUnavailable") {
            let why = "may not be 0 when `maxSurge` is 0";
            flaws.push(Flaw::invalid("spec.strategy.rollingUpdate.maxUnavailable", &json!(0), why));
        }
    }
    if kind.plural == "statefulsets"
        && let Some(old) = old
    {
        let open = [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "minReadySeconds",
            "persistentVolumeClaimRetentionPolicy",
        ];
        let closed = |object: &Value| {
            let mut spec = object.get("spec").cloned().unwrap_or_default();
            for key in open {
                json::take(&mut spec, &[key]);
            }
            spec
        };
        if closed(old) != closed(object) {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' \
                are forbidden";
            flaws.push(Flaw::forbidden("spec", why));
        }
    }
    pod(object.pointer("/spec/template/spec"), "spec.template.spec", flaws);
}

fn job(object: &Value, old: Option<&Value>, flaws: &mut Vec<Flaw>) {
    for number in ["parallelism", "completions", "backoffLimit"] {
        let pointer = format!("/spec/{number}");
        if json::number(object, &pointer).is_some_and(|number| number < 0) {
            let value = object.pointer(&pointer).cloned().unwrap_or_default();
            flaws.push(Flaw::invalid(format!("spec.{number}"), &value, NOT_NEGATIVE));
        }
    }
    let policy = object.pointer("/spec/template/spec/restartPolicy").cloned().unwrap_or_default();
    if policy != "Never" && policy != "OnFailure" {
        let field = "spec.template.spec.restartPolicy";
        flaws.push(Flaw::unsupported(field, &policy, &["OnFailure", "Never"]));
    }
    if let Some(old) = old
        && old.pointer("/spec/template") != object.pointer("/spec/template")
        && !json::flag(old, "/spec/suspend")
    {
        let template = object.pointer("/spec/template").cloned().unwrap_or_default();
        flaws.push(Flaw::invalid("spec.template", &template, IMMUTABLE));
    }
    pod(object.pointer("/spec/template/spec"), "spec.template.spec", flaws);
}

fn pod(spec: Option<&Value>, path: &str, flaws: &mut Vec<Flaw>) {
    let empty = json!({});
    let spec = spec.unwrap_or(&empty);
    if json::list(spec, "/containers").is_empty() {
        flaws.push(Flaw::required(format!("{path}.containers"), ""));
    }
    let volumes: Vec<&str> = json::list(spec, "/volumes").iter().map(|volume| json::text(volume, "/name")).collect();
    let mut names: Vec<&str> = Vec::new();
    for list in ["containers", "initContainers"] {
        for (at, container) in json::list(spec, &format!("/{list}")).iter().enumerate() {
            let place = format!("{path}.{list}[{at}]");
            let name = json::text(container, "/name");
            if name.is_empty() {
                flaws.push(Flaw::required(format!("{place}.name"), ""));
            } else if !is_label(name) {
                flaws.push(Flaw::invalid(format!("{place}.name"), &json!(name), NO_LABEL));
            } else if names.contains(&name) {
                flaws.push(Flaw::duplicate(format!("{place}.name"), &json!(name)));
            }
            names.push(name);
            if json::text(container, "/image").is_empty() {
                flaws.push(Flaw::required(format!("{place}.image"), ""));
            }
            resources(container, &place, flaws);
            for (at, mount) in json::list(container, "/volumeMounts").iter().enumerate() {
                let name = json::text(mount, "/name");
                if !volumes.contains(&name) {
                    let field = format!("{place}.volumeMounts[{at}].name");
                    let message = format!("Not found: \"{name}\"");
                    flaws.push(Flaw { field, reason: "FieldValueNotFound", message });
                }
            }
        }
    }
}

fn resources(container: &Value, place: &str, flaws: &mut Vec<Flaw>) {
    let requests = container.pointer("/resources/requests").and_then(Value::as_object);
    for (resource, request) in requests.into_iter().flatten() {
        let limit = container.pointer(&format!("/resources/limits/{}", resource.replace('/', "~1")));
        let Some(limit) = limit else { continue };
        if quantity(request) > quantity(limit) {
            let shown = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
            let why = format!("must be less than or equal to {resource} limit of {shown}");
            flaws.push(Flaw::invalid(format!("{place}.resources.requests"), request, &why));
        }
    }
}

fn unchanged_pod(object: &Value, old: &Value, flaws: &mut Vec<Flaw>) {
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        for key in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            json::take(&mut spec, &[key]);
        }
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                json::take(container, &["image"]);
            }
        }
        spec
    };
    let kept = json::list(old, "/spec/tolerations")
        .iter()
        .all(|toleration| json::list(object, "/spec/tolerations").contains(toleration));
    if fixed(object) != fixed(old) || !kept {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,\
            `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
            tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        flaws.push(Flaw::forbidden("spec", why));
    }
}
