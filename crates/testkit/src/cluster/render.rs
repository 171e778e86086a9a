//! Other forms of an answer that a client may ask for: tables for people, metadata alone for programs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;

/// The form that `Accept` asks for first, applied to an object or a list.
pub fn in_form(kind: &Kind, accept: &str, body: Value, now: Timestamp) -> Value {
    let first = accept.split(',').next().unwrap_or_default();
    let form = first.split(';').find_map(|part| part.trim().strip_prefix("as="));
    let is_list = body.get("items").is_some();
    if json::text(&body, "/kind").trim_end_matches("List") != kind.kind {
        return body;
    }
    match form {
        Some("Table") => table(kind, &body, is_list, now),
        Some("PartialObjectMetadataList") if is_list => {
            let items: Vec<Value> = json::list(&body, "/items").iter().map(metadata).collect();
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": body.get("metadata"),
                "items": items,
            })
        }
        Some("PartialObjectMetadata") if !is_list => metadata(&body),
        _ => body,
    }
}

fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata") })
}

fn table(kind: &Kind, body: &Value, is_list: bool, now: Timestamp) -> Value {
    let objects = if is_list { json::list(body, "/items") } else { std::slice::from_ref(body) };
    let names = columns(kind);
    let definitions: Vec<Value> = names
        .iter()
        .map(|name| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({ "name": title(name), "type": "string", "format": format, "description": name, "priority": 0 })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<String> = names.iter().map(|name| cell(name, object, now)).collect();
            json!({ "cells": cells, "object": metadata(object) })
        })
        .collect();
    let meta = if is_list { body.get("metadata").cloned().unwrap_or_default() } else { json!({}) };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": definitions, "rows": rows,
    })
}

/// What stands above a column; columns that are filled differently may share it.
fn title(column: &str) -> &str {
    match column {
        "Containers Ready" | "Replicas Ready" | "Number Ready" => "Ready",
        "Pod Status" | "Node Status" => "Status",
        "Scheduled" => "Desired",
        other => other,
    }
}

fn columns(kind: &Kind) -> &'static [&'static str] {
    match kind.plural {
        "pods" => &["Name", "Containers Ready", "Pod Status", "Restarts", "Age"],
        "nodes" => &["Name", "Node Status", "Age", "Version"],
        "deployments" => &["Name", "Replicas Ready", "Up-to-date", "Available", "Age"],
        "statefulsets" => &["Name", "Replicas Ready", "Age"],
        "replicasets" => &["Name", "Desired", "Current", "Ready", "Age"],
        "daemonsets" => &["Name", "Scheduled", "Number Ready", "Age"],
        "poddisruptionbudgets" => &["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"],
        "events" => &["Last Seen", "Type", "Reason", "Object", "Message"],
        "namespaces" | "persistentvolumeclaims" => &["Name", "Status", "Age"],
        _ => &["Name", "Age"],
    }
}

fn cell(column: &str, object: &Value, now: Timestamp) -> String {
    let number = |pointer: &str| json::number(object, pointer).unwrap_or_default().to_string();
    let shown = |pointer: &str| match object.pointer(pointer) {
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        None => "N/A".to_owned(),
    };
    let containers = json::list(object, "/status/containerStatuses");
    match column {
        "Name" => json::name(object).to_owned(),
        "Containers Ready" => {
            let ready = containers.iter().filter(|one| json::flag(one, "/ready")).count();
            format!("{ready}/{}", json::list(object, "/spec/containers").len())
        }
        "Pod Status" if json::is_going(object) => "Terminating".to_owned(),
        "Pod Status" => {
            let waiting =
                containers.iter().map(|one| json::text(one, "/state/waiting/reason")).find(|one| !one.is_empty());
            waiting.unwrap_or_else(|| json::text(object, "/status/phase")).to_owned()
        }
        "Restarts" => containers.iter().filter_map(|one| json::number(one, "/restartCount")).sum::<i64>().to_string(),
        "Node Status" => {
            let ready = if json::condition(object, "Ready") == "True" { "Ready" } else { "NotReady" };
            let cordoned = if json::flag(object, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" };
            format!("{ready}{cordoned}")
        }
        "Version" => json::text(object, "/status/nodeInfo/kubeletVersion").to_owned(),
        "Replicas Ready" => format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas")),
        "Up-to-date" => number("/status/updatedReplicas"),
        "Available" => number("/status/availableReplicas"),
        "Desired" => number("/spec/replicas"),
        "Current" => number("/status/replicas"),
        "Ready" => number("/status/readyReplicas"),
        "Scheduled" => number("/status/desiredNumberScheduled"),
        "Number Ready" => number("/status/numberReady"),
        "Min Available" => shown("/spec/minAvailable"),
        "Max Unavailable" => shown("/spec/maxUnavailable"),
        "Allowed Disruptions" => number("/status/disruptionsAllowed"),
        "Status" => json::text(object, "/status/phase").to_owned(),
        "Last Seen" => age(json::time(object, "/lastTimestamp"), now),
        "Type" => json::text(object, "/type").to_owned(),
        "Reason" => json::text(object, "/reason").to_owned(),
        "Message" => json::text(object, "/message").to_owned(),
        "Object" => {
            let kind = json::text(object, "/involvedObject/kind").to_lowercase();
            format!("{kind}/{}", json::text(object, "/involvedObject/name"))
        }
        _ => age(json::time(object, "/metadata/creationTimestamp"), now),
    }
}

fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else { return "<unknown>".to_owned() };
    match now.duration_since(since).as_secs().max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
