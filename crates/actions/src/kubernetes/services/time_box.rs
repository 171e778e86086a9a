//! Settings that are in force for a time: what stands on their config map, and putting them back.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::restarted;
use super::settings::{Live, Place};
use super::workload::Workload;
use super::{Entry, Service, Values};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, TIME_BOXED};

/// The annotation of a config map that tells what is in force for a time, until when, and what to put back.
pub(super) const TIME_BOX: &str = "sre.oversight.io/detailed-monitoring";

/// What is in force for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TimeBox {
    /// What people call it.
    pub(super) level: String,
    /// When it ends.
    pub(super) until: jiff::Timestamp,
    /// The key of the document that holds the settings.
    pub(super) key: Option<String>,
    /// The settings before, which come back.
    pub(super) before: Values,
    /// The settings that were put in force.
    pub(super) after: Values,
    /// What has to read them anew.
    pub(super) workload: Option<String>,
}

impl TimeBox {
    /// What stands on a config map.
    pub(super) fn of(live: &Live) -> Result<Option<Self>, Trouble> {
        let annotations = live.map.metadata.annotations.as_ref();
        let Some(text) = annotations.and_then(|annotations| annotations.get(TIME_BOX)) else { return Ok(None) };
        let name = live.map.metadata.name.as_deref().unwrap_or_default();
        serde_json::from_str(text).map(Some).map_err(|error| {
            Trouble::before(format!(
                "annotation `{TIME_BOX}` of config map `{name}` is not as belay wrote it ({error}); settle it by hand"
            ))
        })
    }

    /// The annotation.
    pub(super) fn written(&self) -> String {
        json!(self).to_string()
    }

    /// The same after an earlier one that is still in force: it ends at the later end, and what was before the first
    /// comes back.
    pub(super) fn after(mut self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier {
            self.until = self.until.max(earlier.until);
            self.before.extend(earlier.before);
        }
        self
    }
}

/// A config map with settings whose time is over.
pub(in crate::kubernetes) struct OverdueSettings {
    service: Service,
    place: Place,
    boxed: TimeBox,
}

/// The config maps of a namespace whose settings' time is over, and what cannot be understood.
pub(in crate::kubernetes) async fn overdue(
    site: &Site<'_>,
    namespace: &str,
) -> Result<(Vec<OverdueSettings>, Vec<String>), Trouble> {
    let api: Api<ConfigMap> = site.api(namespace);
    let wanted = ListParams::default().labels(TIME_BOXED);
    let asked = Asked { verb: "list", resource: "configmaps", name: "", namespace };
    let maps = site.cluster.ask(&asked, || api.list(&wanted)).await?.items;
    let (mut found, mut unclear) = (Vec::new(), Vec::new());
    for map in maps {
        let name = map.metadata.name.clone().unwrap_or_default();
        let entry = Entry { config_map: Some(name.clone()), ..Entry::default() };
        let service = Service { name, namespace: namespace.to_owned(), entry };
        match read(site, service).await {
            Ok(Some(settings)) if settings.boxed.until <= site.surroundings.now => found.push(settings),
            Ok(_) => {}
            Err(trouble) => unclear.push(trouble.to_string()),
        }
    }
    Ok((found, unclear))
}

async fn read(site: &Site<'_>, mut service: Service) -> Result<Option<OverdueSettings>, Trouble> {
    let place = Place::of(&service);
    let Some(boxed) = TimeBox::of(&place.read(site).await?)? else { return Ok(None) };
    service.entry.workload.clone_from(&boxed.workload);
    let place = place.in_key(boxed.key.as_deref());
    Ok(Some(OverdueSettings { service, place, boxed }))
}

impl OverdueSettings {
    /// The config map.
    pub(in crate::kubernetes) fn object(&self) -> String {
        self.place.target()
    }

    /// What is over, as people read it.
    pub(in crate::kubernetes) fn shown(&self) -> String {
        format!("level {} in {}", self.boxed.level, self.place.target())
    }

    /// Puts the settings back, where they are still those that were put in force.
    pub(in crate::kubernetes) async fn put_back(self, site: &Site<'_>) -> Result<(), Trouble> {
        let live = self.place.read(site).await.map_err(Trouble::unsent)?;
        let held = live.held(&self.boxed.after);
        let is_back = held == self.boxed.before;
        if TimeBox::of(&live)?.as_ref() != Some(&self.boxed) || !(is_back || held == self.boxed.after) {
            return Err(Trouble::refused(409, "somebody changed the same settings since; settle it by hand"));
        }
        let live = if is_back { live } else { self.place.write(site, &live, &self.boxed.before, json!({})).await? };
        if self.boxed.workload.is_some() {
            let running = Workload::of(site, &self.service).await?;
            restarted(site, Some(&running), &live).await?;
        }
        // Only what is whole is no longer overdue: a restart that was lost is asked for again.
        let metadata = json!({ "annotations": { TIME_BOX: Value::Null }, "labels": { TIME_BOXED: Value::Null } });
        self.place.write(site, &live, &self.boxed.before, metadata).await.map(|_| ())
    }
}
