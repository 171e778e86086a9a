//! From a payload of alerts to runbooks: what each alert names, carries and says, as a search.

use std::collections::{BTreeMap, BTreeSet};

use belay_runbook::model::Severity;
use belay_store::Query;
use serde::Serialize;

use crate::alert::{Alert, Received};
use crate::error::CockpitError;
use crate::wire::SearchHit;

/// Annotations that hold the address of a runbook.
const RUNBOOK_URLS: [&str; 3] = ["runbook_url", "runbook", "runbookUrl"];
/// Annotations that say in words what is wrong.
const WORDS: [&str; 4] = ["summary", "description", "message", "title"];
/// Labels whose value names a service.
const SERVICES: [&str; 6] = ["service", "app", "application", "app_kubernetes_io_name", "deployment", "component"];
/// Labels whose value says something about where it happens.
const PLACES: [&str; 2] = ["namespace", "job"];

/// An alert of a payload with the runbooks that may help.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Triaged {
    /// `alertname`.
    pub name: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// Alertmanager's fingerprint.
    pub fingerprint: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it began, as written.
    pub starts_at: Option<String>,
    /// Whether it is over.
    pub resolved: bool,
    /// How many copies of it came besides.
    pub duplicates: usize,
    /// The runbooks, best first.
    pub runbooks: Vec<SearchHit>,
    /// The alert as an execution takes it.
    #[serde(skip)]
    pub alert: Alert,
}

/// What came of a payload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertReport {
    /// Its alerts, each once: those that fire first, the most severe of them before the others.
    pub alerts: Vec<Triaged>,
    /// The runbooks for all of them, best first, each once.
    pub runbooks: Vec<SearchHit>,
    /// What there is to know about the payload: duplicates, and alerts that are over.
    pub notes: Vec<String>,
}

/// Reads a payload and searches for each of its alerts.
pub(crate) fn report(
    bytes: &[u8],
    fingerprint: Option<&str>,
    mut search: impl FnMut(&Query) -> Result<Vec<SearchHit>, CockpitError>,
) -> Result<AlertReport, CockpitError> {
    let mut received = Alert::read_all(bytes, fingerprint)?;
    received.sort_by_key(|received| {
        let severity = severity(&received.alert).map_or(Severity::Sev4, |severity| severity);
        (received.alert.is_resolved(), severity.as_str())
    });
    let notes = notes(&received);
    let mut alerts = Vec::with_capacity(received.len());
    for Received { alert, copies } in received {
        alerts.push(Triaged {
            runbooks: search(&query(&alert))?,
            name: alert.name.clone(),
            status: alert.status.clone(),
            fingerprint: alert.fingerprint.clone(),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: alert.starts_at.clone(),
            resolved: alert.is_resolved(),
            duplicates: copies - 1,
            alert,
        });
    }
    Ok(AlertReport { runbooks: merged(&alerts), alerts, notes })
}

/// The best of each alert, then the second best of each, and so on.
fn merged(alerts: &[Triaged]) -> Vec<SearchHit> {
    let deepest = alerts.iter().map(|alert| alert.runbooks.len()).max().unwrap_or_default();
    let mut seen = BTreeSet::new();
    (0..deepest)
        .flat_map(|rank| alerts.iter().filter_map(move |alert| alert.runbooks.get(rank)))
        .filter(|hit| seen.insert((hit.name.clone(), hit.source.clone())))
        .cloned()
        .collect()
}

fn notes(received: &[Received]) -> Vec<String> {
    let mut notes = Vec::new();
    for received in received {
        let alert = &received.alert;
        let which = alert.fingerprint.as_deref().map_or_else(String::new, |print| format!(" ({print})"));
        if received.copies > 1 {
            notes.push(format!("{}{which} came {} times; duplicates count once", alert.name, received.copies));
        }
        if alert.is_resolved() {
            notes.push(format!("{}{which} is resolved", alert.name));
        }
    }
    notes
}

/// What an alert says, as a search.
pub(crate) fn query(alert: &Alert) -> Query {
    let labels = |names: &[&str]| -> Vec<String> {
        names.iter().filter_map(|name| alert.labels.get(*name)).filter(|value| !value.is_empty()).cloned().collect()
    };
    let mut background: Vec<String> = WORDS.iter().filter_map(|name| alert.annotations.get(*name)).cloned().collect();
    background.extend(labels(&PLACES));
    Query {
        text: String::new(),
        alert: Some(alert.name.clone()),
        runbooks: RUNBOOK_URLS
            .iter()
            .filter_map(|name| alert.annotations.get(*name))
            .flat_map(|address| named_by(address))
            .collect(),
        services: labels(&SERVICES),
        severity: severity(alert).map(|severity| severity.as_str().to_owned()),
        background: background.join("\n"),
    }
}

/// What the address of a runbook may name: the last part of its path, and its fragment.
fn named_by(address: &str) -> Vec<String> {
    let (address, fragment) = address.split_once('#').unwrap_or((address, ""));
    let path = address.split('?').next().unwrap_or_default().trim_end_matches('/');
    // Without its scheme and host an address has no path left.
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let last = path.rsplit('/').next().unwrap_or_default();
    let stem = [".md", ".html", ".htm", ".yaml", ".yml"]
        .iter()
        .find_map(|extension| last.strip_suffix(extension))
        .unwrap_or(last);
    // Old addresses of kube-prometheus name all alerts of one page this way.
    let fragment = fragment.strip_prefix("alert-name-").unwrap_or(fragment);
    [stem, fragment].into_iter().filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

/// The severity of an alert in the words of runbooks.
fn severity(alert: &Alert) -> Option<Severity> {
    match alert.labels.get("severity")?.to_lowercase().as_str() {
        "critical" | "page" | "emergency" | "fatal" | "disaster" | "sev1" | "p1" => Some(Severity::Sev1),
        "error" | "high" | "major" | "sev2" | "p2" => Some(Severity::Sev2),
        "warning" | "warn" | "medium" | "minor" | "sev3" | "p3" => Some(Severity::Sev3),
        "info" | "low" | "notice" | "none" | "sev4" | "p4" => Some(Severity::Sev4),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_address_names_a_runbook() {
        for (address, names) in [
            ("https://runbooks.example/checkout", &["checkout"][..]),
            ("https://runbooks.example/docs/KubePodCrashLooping.md?ref=main", &["KubePodCrashLooping"]),
            ("https://example.com/runbook.md#alert-name-kubepoddown", &["runbook", "kubepoddown"]),
            ("https://example.com/", &[]),
            ("https://example.com", &[]),
            ("pod-restart", &["pod-restart"]),
            ("", &[]),
        ] {
            assert_eq!(named_by(address), names, "{address}");
        }
    }

    fn payload(alerts: &str) -> Vec<u8> {
        format!(r#"{{"version": "4", "alerts": [{alerts}]}}"#).into_bytes()
    }

    fn alert(name: &str, status: &str, fingerprint: &str, severity: &str) -> String {
        format!(
            r#"{{"status": "{status}", "fingerprint": "{fingerprint}",
                 "labels": {{"alertname": "{name}", "severity": "{severity}"}}}}"#
        )
    }

    #[test]
    fn each_alert_counts_once_and_what_fires_comes_first() {
        let bytes = payload(
            &[
                alert("Over", "resolved", "a", "critical"),
                alert("Slow", "firing", "b", "warning"),
                alert("Down", "firing", "c", "critical"),
                alert("Slow", "firing", "b", "warning"),
            ]
            .join(","),
        );
        let report = report(&bytes, None, |_| Ok(Vec::new())).unwrap();
        let seen: Vec<_> =
            report.alerts.iter().map(|alert| (alert.name.as_str(), alert.duplicates, alert.resolved)).collect();
        assert_eq!(seen, [("Down", 0, false), ("Slow", 1, false), ("Over", 0, true)]);
        assert_eq!(report.notes, ["Slow (b) came 2 times; duplicates count once", "Over (a) is resolved"]);
    }

    #[test]
    fn alerts_that_only_share_a_fingerprint_are_two() {
        let bytes = payload(
            &[
                alert("One", "firing", "abc", "x"),
                alert("Two", "firing", "abc", "x"),
                alert("One", "firing", "abc", "x"),
            ]
            .join(","),
        );
        let report = report(&bytes, None, |_| Ok(Vec::new())).unwrap();
        let seen: Vec<_> = report.alerts.iter().map(|alert| (alert.name.as_str(), alert.duplicates)).collect();
        assert_eq!(seen, [("One", 1), ("Two", 0)], "an alert is its labels; a fingerprint is a hash of them");
        let error = Alert::read(&bytes, Some("abc")).unwrap_err();
        assert!(error.message.contains("2 alerts have the fingerprint `abc`"), "{}", error.message);
    }

    #[test]
    fn one_of_several_is_picked_by_its_fingerprint() {
        let bytes = payload(&[alert("One", "firing", "abc", "x"), alert("Two", "firing", "def", "x")].join(","));
        assert!(Alert::read(&bytes, None).unwrap_err().message.contains("2 alerts"));
        assert_eq!(Alert::read(&bytes, Some("de")).unwrap().name, "Two");
        assert!(Alert::read(&bytes, Some("x")).is_err());
        let pair = payload(&[alert("One", "resolved", "abc", "x"), alert("One", "firing", "abc", "x")].join(","));
        assert_eq!(Alert::read(&pair, None).unwrap().status, "firing", "of a pair that disagrees the one that fires");
        let mixed = payload(&[alert("One", "resolved", "abc", "x"), alert("Two", "firing", "def", "x")].join(","));
        assert_eq!(Alert::read(&mixed, None).unwrap().name, "Two", "only one of them fires");
    }
}
