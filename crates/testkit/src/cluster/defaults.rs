//! What the server fills in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;

/// Fills in what an object of this resource leaves out.
pub fn fill(kind: &Kind, object: &mut Value, now: Timestamp) {
    match kind.plural {
        "pods" => pod(object),
        "deployments" => {
            template(object);
            let spec = json::slot(object, &["spec"]);
            json::default(spec, &["replicas"], 1);
            json::default(spec, &["revisionHistoryLimit"], 10);
            json::default(spec, &["progressDeadlineSeconds"], 600);
            json::default(spec, &["strategy", "type"], "RollingUpdate");
            if json::text(spec, "/strategy/type") == "RollingUpdate" {
                json::default(spec, &["strategy", "rollingUpdate", "maxUnavailable"], "25%");
                json::default(spec, &["strategy", "rollingUpdate", "maxSurge"], "25%");
            }
        }
        "replicasets" => {
            template(object);
            json::default(object, &["spec", "replicas"], 1);
        }
        "statefulsets" => {
            template(object);
            let spec = json::slot(object, &["spec"]);
            json::default(spec, &["replicas"], 1);
            json::default(spec, &["revisionHistoryLimit"], 10);
            json::default(spec, &["podManagementPolicy"], "OrderedReady");
            json::default(spec, &["updateStrategy", "type"], "RollingUpdate");
            if json::text(spec, "/updateStrategy/type") == "RollingUpdate" {
                json::default(spec, &["updateStrategy", "rollingUpdate", "partition"], 0);
            }
        }
        "daemonsets" => {
            template(object);
            let spec = json::slot(object, &["spec"]);
            json::default(spec, &["revisionHistoryLimit"], 10);
            json::default(spec, &["updateStrategy", "type"], "RollingUpdate");
            if json::text(spec, "/updateStrategy/type") == "RollingUpdate" {
                json::default(spec, &["updateStrategy", "rollingUpdate", "maxUnavailable"], 1);
                json::default(spec, &["updateStrategy", "rollingUpdate", "maxSurge"], 0);
            }
        }
        "jobs" => job(object),
        "services" => service(object),
        "secrets" => secret(object),
        "namespaces" => {
            let name = json::name(object).to_owned();
            json::default(object, &["spec", "finalizers"], json!(["kubernetes"]));
            json::default(object, &["status", "phase"], "Active");
            json::default(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
        }
        "persistentvolumeclaims" => {
            json::default(object, &["spec", "volumeMode"], "Filesystem");
            json::default(object, &["status", "phase"], "Pending");
        }
        "nodes" => taints(object, now),
        _ => {}
    }
}

/// A node that is cordoned carries the taint that says so.
fn taints(node: &mut Value, now: Timestamp) {
    const KEY: &str = "node.kubernetes.io/unschedulable";
    let cordoned = json::flag(node, "/spec/unschedulable");
    json::default(node, &["spec"], json!({}));
    let has = json::list(node, "/spec/taints").iter().any(|taint| json::text(taint, "/key") == KEY);
    if cordoned && !has {
        let taint = json!({ "key": KEY, "effect": "NoSchedule", "timeAdded": json::seconds(now) });
        json::items(json::slot(node, &["spec", "taints"])).push(taint);
    } else if !cordoned && has {
        let taints = json::items(json::slot(node, &["spec", "taints"]));
        taints.retain(|taint| json::text(taint, "/key") != KEY);
        if taints.is_empty() {
            json::take(node, &["spec", "taints"]);
        }
    }
    if !cordoned {
        json::take(node, &["spec", "unschedulable"]);
    }
}

fn template(object: &mut Value) {
    let template = json::slot(object, &["spec", "template"]);
    if template.is_object() {
        pod_spec(json::slot(template, &["spec"]));
    }
}

fn pod(pod: &mut Value) {
    let spec = json::slot(pod, &["spec"]);
    pod_spec(spec);
    json::default(spec, &["serviceAccountName"], "default");
    json::default(spec, &["serviceAccount"], "default");
    json::default(spec, &["enableServiceLinks"], true);
    json::default(spec, &["priority"], 0);
    json::default(spec, &["preemptionPolicy"], "PreemptLowerPriority");
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned();
            for (resource, limit) in limits.into_iter().flatten() {
                json::default(container, &["resources", "requests", &resource], limit);
            }
        }
    }
    let tolerations = json::items(json::slot(spec, &["tolerations"]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|one| {
            json::text(one, "/key") == key
                || (json::text(one, "/key").is_empty() && json::text(one, "/operator") == "Exists")
        });
        if !covered {
            let toleration =
                json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
            tolerations.push(toleration);
        }
    }
    json::default(pod, &["status", "phase"], "Pending");
    if !json::has(pod, "/status/qosClass") {
        let class = quality(pod);
        json::put(pod, &["status", "qosClass"], class);
    }
}

fn quality(pod: &Value) -> &'static str {
    let containers = json::list(pod, "/spec/containers");
    let any = containers.iter().any(|one| json::has(one, "/resources/requests") || json::has(one, "/resources/limits"));
    let all = containers.iter().all(|one| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = one.pointer(&format!("/resources/limits/{resource}"));
            limit.is_some() && limit == one.pointer(&format!("/resources/requests/{resource}"))
        })
    });
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Fills in the specification of a pod.
fn pod_spec(spec: &mut Value) {
    json::default(spec, &["restartPolicy"], "Always");
    json::default(spec, &["dnsPolicy"], "ClusterFirst");
    json::default(spec, &["schedulerName"], "default-scheduler");
    json::default(spec, &["terminationGracePeriodSeconds"], 30);
    json::default(spec, &["securityContext"], json!({}));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = json::text(container, "/image");
            let tag = image.rsplit('/').next().unwrap_or_default().split_once(':').map_or("latest", |(_, tag)| tag);
            let pull = if tag == "latest" { "Always" } else { "IfNotPresent" };
            json::default(container, &["imagePullPolicy"], pull);
            json::default(container, &["resources"], json!({}));
            json::default(container, &["terminationMessagePath"], "/dev/termination-log");
            json::default(container, &["terminationMessagePolicy"], "File");
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                json::default(port, &["protocol"], "TCP");
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) else { continue };
                for (key, value) in
                    [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
                {
                    json::default(probe, &[key], value);
                }
            }
        }
    }
}

fn job(job: &mut Value) {
    template(job);
    let spec = json::slot(job, &["spec"]);
    json::default(spec, &["parallelism"], 1);
    json::default(spec, &["completions"], 1);
    json::default(spec, &["backoffLimit"], 6);
    json::default(spec, &["completionMode"], "NonIndexed");
    json::default(spec, &["suspend"], false);
    json::default(spec, &["manualSelector"], false);
    json::default(spec, &["podReplacementPolicy"], "TerminatingOrFailed");
}

fn service(service: &mut Value) {
    let named = u64::try_from(json::name(service).len()).unwrap_or_default()
        + json::name(service).bytes().map(u64::from).sum::<u64>();
    let spec = json::slot(service, &["spec"]);
    json::default(spec, &["type"], "ClusterIP");
    json::default(spec, &["sessionAffinity"], "None");
    json::default(spec, &["internalTrafficPolicy"], "Cluster");
    if json::text(spec, "/type") != "ExternalName" {
        let mixed = super::state::spread(named);
        let address = format!("10.96.{}.{}", mixed % 255, (mixed >> 8) % 253 + 2);
        json::default(spec, &["clusterIP"], address);
        let address = json::text(spec, "/clusterIP").to_owned();
        json::default(spec, &["clusterIPs"], json!([address]));
        json::default(spec, &["ipFamilies"], json!(["IPv4"]));
        json::default(spec, &["ipFamilyPolicy"], "SingleStack");
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        json::default(port, &["protocol"], "TCP");
        let target = port.get("port").cloned().unwrap_or_default();
        json::default(port, &["targetPort"], target);
    }
    json::default(service, &["status", "loadBalancer"], json!({}));
}

fn secret(secret: &mut Value) {
    json::default(secret, &["type"], "Opaque");
    // `stringData` can be written and never be read: it becomes part of `data`.
    if let Some(Value::Object(plain)) = json::take(secret, &["stringData"]) {
        for (key, value) in plain {
            let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
            json::put(secret, &["data", &key], encoded);
        }
    }
}
