//! Every action by its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_runbook::action::{ActionCatalog, ActionSpec};

use crate::action::Action;
use crate::command::CommandRun;
use crate::declared;
use crate::http::{Healthcheck, HealthcheckBatch};
use crate::kubernetes::{self, Clusters};
use crate::notification::NotificationSend;
use crate::process::Helpers;
use crate::{servers, telemetry};

/// The registered actions: the only way to touch the world.
#[derive(Clone, Default)]
pub struct Registry {
    actions: BTreeMap<String, Arc<dyn Action>>,
    clusters: Arc<Clusters>,
}

impl Registry {
    /// A registry without any action.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every action of this crate but `script.execute`, which needs a worker of its own; commands run through `helpers`.
    pub fn standard(helpers: &Arc<Helpers>) -> Self {
        let mut registry = Self::empty();
        for spec in declared::specs() {
            registry.register(Arc::new(declared::Declared::new(spec)));
        }
        registry.register(Arc::new(CommandRun::new(Arc::clone(helpers))));
        let clusters = Arc::clone(&registry.clusters);
        registry.register(Arc::new(Healthcheck::new(&clusters)));
        registry.register(Arc::new(HealthcheckBatch::new(&clusters)));
        registry.register(Arc::new(NotificationSend::default()));
        kubernetes::register(&mut registry, &clusters);
        servers::register(&mut registry, &clusters);
        telemetry::register(&mut registry, &clusters);
        registry
    }

    /// Adds an action under the name that it declares; one of the same name is replaced and returned.
    pub fn register(&mut self, action: Arc<dyn Action>) -> Option<Arc<dyn Action>> {
        self.actions.insert(action.spec().name.clone(), action)
    }

    /// The clusters that the actions act on.
    pub fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// Finds an action.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Action>> {
        self.actions.get(name).map(Arc::clone)
    }
}

impl ActionCatalog for Registry {
    fn spec(&self, name: &str) -> Option<&ActionSpec> {
        self.actions.get(name).map(|action| action.spec())
    }

    fn names(&self) -> Vec<&str> {
        self.actions.keys().map(String::as_str).collect()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.actions.keys()).finish()
    }
}
