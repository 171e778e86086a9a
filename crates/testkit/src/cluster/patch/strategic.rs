//! Strategic merge patches: lists of named things are merged item by item.

use serde_json::{Map, Value};

use crate::cluster::status::Refusal;

/// The key that tells the items of a list apart; `None` where the list is replaced as a whole.
///
/// `list` is the list's name and `item` one of its items (`ports` differ between containers and services).
pub fn merge_key(list: &str, item: &Value) -> Option<&'static str> {
    Some(match list {
        "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env" | "imagePullSecrets" => "name",
        "ports" if item.get("containerPort").is_some() => "containerPort",
        "ports" if item.get("port").is_some() => "port",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "conditions" | "addresses" => "type",
        "ownerReferences" => "uid",
        "hostAliases" | "podIPs" | "hostIPs" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        _ => return None,
    })
}

/// Whether a list of plain values is merged as a set.
fn is_set(list: &str) -> bool {
    list == "finalizers"
}

fn directive<'a>(patch: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    patch.get(name).and_then(Value::as_str)
}

/// Applies a strategic merge patch.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let Some(patch) = patch.as_object() else {
        return Err(Refusal::bad_request("the patch is no object"));
    };
    merge(crate::cluster::json::map(target), patch)
}

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Refusal> {
    match directive(patch, "$patch") {
        Some("replace") => {
            *target =
                patch.iter().filter(|(key, _)| !key.starts_with('$')).map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(Refusal::bad_request(format!("Unknown patch type: {other}"))),
    }
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        target.retain(|key, _| kept.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(items) = target.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
        } else if key.starts_with('$') {
            // `$patch` and `$retainKeys` are done above; `$setElementOrder` needs the merged lists.
        } else if value.is_null() {
            target.remove(key);
        } else if let Some(member) = value.as_object() {
            let place = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
            if directive(member, "$patch") == Some("delete") {
                target.remove(key);
            } else {
                merge(crate::cluster::json::map(place), member)?;
            }
        } else if let Some(items) = value.as_array() {
            let place = target.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
            merge_list(key, crate::cluster::json::items(place), items)?;
        } else {
            target.insert(key.clone(), value.clone());
        }
    }
    for (key, order) in patch {
        if let (Some(list), Some(order)) = (key.strip_prefix("$setElementOrder/"), order.as_array())
            && let Some(items) = target.get_mut(list).and_then(Value::as_array_mut)
        {
            put_in_order(list, items, order);
        }
    }
    Ok(())
}

fn merge_list(list: &str, target: &mut Vec<Value>, patch: &[Value]) -> Result<(), Refusal> {
    let is_directive = |item: &Value, what: &str| item.get("$patch").and_then(Value::as_str) == Some(what);
    if patch.iter().any(|item| item.as_object().is_some_and(|item| item.len() == 1) && is_directive(item, "replace")) {
        *target = patch.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
        return Ok(());
    }
    let sample = patch.first().or_else(|| target.first()).cloned().unwrap_or_default();
    if patch.iter().all(|item| !item.is_object()) {
        if is_set(list) {
            for item in patch {
                if !target.contains(item) {
                    target.push(item.clone());
                }
            }
        } else if merge_key(list, &sample).is_none() || !patch.is_empty() {
            *target = patch.to_vec();
        }
        return Ok(());
    }
    let Some(key) = merge_key(list, &sample) else {
        *target = patch.to_vec();
        return Ok(());
    };
    for item in patch {
        let Some(value) = item.get(key) else {
            return Err(Refusal::bad_request(format!("map: {item} does not contain declared merge key: {key}")));
        };
        let found = target.iter().position(|old| old.get(key) == Some(value));
        if is_directive(item, "delete") {
            target.retain(|old| old.get(key) != Some(value));
            continue;
        }
        let mut merged = match found.and_then(|at| target.get(at)) {
            Some(old) => old.clone(),
            None => Value::Object(Map::new()),
        };
        apply(&mut merged, item)?;
        match found.and_then(|at| target.get_mut(at)) {
            Some(old) => *old = merged,
            None => target.push(merged),
        }
    }
    Ok(())
}

/// Brings the items that an order names into that order; others keep their places behind them.
fn put_in_order(list: &str, items: &mut [Value], order: &[Value]) {
    let key = order.first().and_then(|first| merge_key(list, first));
    let rank = |item: &Value| {
        order
            .iter()
            .position(|wanted| match key {
                Some(key) => wanted.get(key) == item.get(key),
                None => wanted == item,
            })
            .unwrap_or(usize::MAX)
    };
    items.sort_by_key(rank);
}
