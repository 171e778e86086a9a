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
}

impl Alert {
    /// Reads a payload or a single alert; `fingerprint` (or a unique start of it) picks one of several.
    pub fn read(bytes: &[u8], fingerprint: Option<&str>) -> Result<Self, CockpitError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            CockpitError::user(format!("the alert is not JSON: {error}"))
                .hint("give an Alertmanager v4 webhook payload, or one alert of it")
        })?;
        let (alerts, external_url) = if value.get("alerts").is_some() {
            let payload: Payload = serde_json::from_value(value)
                .map_err(|error| CockpitError::user(format!("the alert payload cannot be read: {error}")))?;
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
        let alert = pick(&alerts, fingerprint)?;
        Self::of(alert, external_url.as_deref())
    }

    fn of(wire: Wire, external_url: Option<&str>) -> Result<Self, CockpitError> {
        let Some(name) = wire.labels.get("alertname").cloned() else {
            return Err(CockpitError::user("the alert has no label `alertname`"));
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
            "ExternalURL": external_url,
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

fn pick(alerts: &[Wire], fingerprint: Option<&str>) -> Result<Wire, CockpitError> {
    let known = || {
        alerts
            .iter()
            .map(|alert| {
                let name = alert.labels.get("alertname").map_or("?", String::as_str);
                format!("{} ({name})", alert.fingerprint.as_deref().unwrap_or("no fingerprint"))
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut chosen = alerts.iter().filter(|alert| {
        fingerprint.is_none_or(|wanted| alert.fingerprint.as_deref().is_some_and(|print| print.starts_with(wanted)))
    });
    match (chosen.next(), chosen.next(), fingerprint) {
        (Some(only), None, _) => Ok(only.clone()),
        // Alertmanager puts what fires first; without a choice several are ambiguous.
        (Some(_), Some(_), _) => Err(CockpitError::user(format!("the payload has {} alerts", alerts.len()))
            .hint(format!("pick one with `--fingerprint`: {}", known()))),
        (None, _, Some(wanted)) => Err(CockpitError::user(format!("no alert has the fingerprint `{wanted}`"))
            .hint(format!("there are: {}", known()))),
        (None, _, None) => Err(CockpitError::user("the payload has no alerts")),
    }
}
