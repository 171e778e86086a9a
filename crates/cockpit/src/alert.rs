//! Alerts as files: an Alertmanager v4 payload or one alert of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::CockpitError;

/// One alert. Everything in it is untrusted: whoever can send a metric can choose its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
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
    /// The whole as templates see it: `.Alert`.
    pub value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    version: Option<String>,
    alerts: Vec<Wire>,
    #[serde(default, rename = "externalURL")]
    external_url: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    status: Option<String>,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
    #[serde(default)]
    fingerprint: Option<String>,
    /// Alertmanager's own address; a payload says it once for all of its alerts.
    #[serde(default, rename = "externalURL")]
    external_url: Option<String>,
}

/// An alert of a payload, once, however often the payload has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The alert.
    pub alert: Alert,
    /// How often it came; more than once from a highly available pair or a repeated delivery.
    pub copies: usize,
}

/// The status of an alert that is over.
const RESOLVED: &str = "resolved";

impl Alert {
    /// Reads a payload or a single alert; `fingerprint` (or a unique start of it) picks one of several.
    ///
    /// An alert that came twice is one, and one that fires is meant before those that are resolved.
    pub fn read(bytes: &[u8], fingerprint: Option<&str>) -> Result<Self, CockpitError> {
        let received = Self::read_all(bytes, fingerprint)?;
        let firing: Vec<&Received> = received.iter().filter(|received| !received.alert.is_resolved()).collect();
        match (received.as_slice(), firing.as_slice()) {
            ([only], _) => Ok(only.alert.clone()),
            (_, [only]) => Ok(only.alert.clone()),
            (several, _) => Err(match one_print(several) {
                Some(print) => CockpitError::user(format!("{} alerts have the fingerprint `{print}`", several.len()))
                    .hint("give the one that is meant as a file of its own"),
                None => CockpitError::user(format!("the payload has {} alerts", several.len()))
                    .hint(format!("pick one with `--fingerprint`: {}", listed(several))),
            }),
        }
    }

    /// Reads every alert of a payload, or the single one, each once: those that fire first, then as they came.
    pub fn read_all(bytes: &[u8], fingerprint: Option<&str>) -> Result<Vec<Received>, CockpitError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            CockpitError::user(format!("the alert is not JSON: {error}"))
                .hint("give an Alertmanager v4 webhook payload, or one alert of it")
        })?;
        if let Value::Array(alerts) = &value {
            let what = if alerts.is_empty() {
                "the file is an empty list, not an alert"
            } else {
                "the file is a list, not an alert"
            };
            return Err(CockpitError::user(what).hint(
                "give one alert as an object with `labels`, or several as `{\"alerts\": […]}` like Alertmanager",
            ));
        }
        let (alerts, external_url) = if value.get("alerts").is_some() {
            let payload: Payload = serde_json::from_value(value).map_err(|error| {
                CockpitError::user(format!("the alert payload cannot be read: {error}"))
                    .hint("each of its `alerts` needs `labels` with `alertname`, as Alertmanager sends them")
            })?;
            if let Some(version) = payload.version.filter(|version| version != "4") {
                return Err(CockpitError::user(format!("alert payload version `{version}` is not known"))
                    .hint("version 4 is what Alertmanager sends"));
            }
            (payload.alerts, payload.external_url)
        } else {
            let alert: Wire = serde_json::from_value(value).map_err(|error| {
                CockpitError::user(format!("the alert cannot be read: {error}"))
                    .hint("an alert needs `labels` with `alertname`")
            })?;
            (vec![alert], None)
        };
        let mut received: Vec<Received> = Vec::new();
        for wire in alerts {
            let alert = Self::of(wire, external_url.as_deref())?;
            match received.iter_mut().find(|known| known.alert.is_same(&alert)) {
                Some(known) => {
                    known.copies += 1;
                    // Where one says that it fires and the other that it is over, somebody has to look.
                    if known.alert.is_resolved() && !alert.is_resolved() {
                        known.alert = alert;
                    }
                }
                None => received.push(Received { alert, copies: 1 }),
            }
        }
        if received.is_empty() {
            return Err(CockpitError::user("the payload has no alerts")
                .hint("give the payload of a notification, or a single alert as a JSON object with `labels`"));
        }
        if let Some(wanted) = fingerprint {
            let all = listed(&received);
            received.retain(|received| {
                received.alert.fingerprint.as_deref().is_some_and(|print| print.starts_with(wanted))
            });
            if received.is_empty() {
                return Err(CockpitError::user(format!("no alert has the fingerprint `{wanted}`"))
                    .hint(format!("there are: {all}")));
            }
        }
        received.sort_by_key(|received| received.alert.is_resolved());
        Ok(received)
    }

    /// The alert as Alertmanager sends a single one, so that whoever was shown it can hand it back.
    pub fn as_sent(&self) -> Value {
        json!({
            "status": self.status,
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at,
            "endsAt": self.value["EndsAt"],
            "generatorURL": self.value["GeneratorURL"],
            "fingerprint": self.fingerprint,
            "externalURL": self.value["ExternalURL"],
        })
    }

    /// Whether it is over.
    pub fn is_resolved(&self) -> bool {
        self.status == RESOLVED
    }

    /// Whether two are one alert that came twice: its labels are what an alert is. Alertmanager's fingerprint is a short
    /// hash of them, which others may share and which anybody can write by hand.
    fn is_same(&self, other: &Self) -> bool {
        let prints =
            [&self.fingerprint, &other.fingerprint].map(|print| print.as_deref().filter(|print| !print.is_empty()));
        let differ = matches!(prints, [Some(one), Some(other)] if one != other);
        !differ && self.labels == other.labels
    }

    fn of(wire: Wire, external_url: Option<&str>) -> Result<Self, CockpitError> {
        let Some(name) = wire.labels.get("alertname").cloned() else {
            return Err(CockpitError::user("the alert has no label `alertname`")
                .hint("that label is the alert's name; every alert of Prometheus has it"));
        };
        let status = wire.status.unwrap_or_else(|| "firing".to_owned());
        let value = json!({
            "Status": status,
            "Labels": wire.labels,
            "Annotations": wire.annotations,
            "StartsAt": wire.starts_at,
            "EndsAt": wire.ends_at,
            "GeneratorURL": wire.generator_url,
            "Fingerprint": wire.fingerprint,
            "ExternalURL": external_url.or(wire.external_url.as_deref()),
        });
        Ok(Self {
            name,
            status,
            fingerprint: wire.fingerprint,
            labels: wire.labels,
            annotations: wire.annotations,
            starts_at: wire.starts_at,
            value,
        })
    }
}

/// The fingerprint that all of them have.
fn one_print(received: &[Received]) -> Option<&str> {
    let first = received.first()?.alert.fingerprint.as_deref()?;
    received.iter().all(|received| received.alert.fingerprint.as_deref() == Some(first)).then_some(first)
}

fn listed(received: &[Received]) -> String {
    received
        .iter()
        .map(|received| {
            let alert = &received.alert;
            format!("{} ({})", alert.fingerprint.as_deref().unwrap_or("no fingerprint"), alert.name)
        })
        .collect::<Vec<_>>()
        .join(", ")
}
