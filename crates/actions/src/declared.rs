//! Actions that this build declares and cannot perform.
//!
//! Runbooks that use them validate, plan and run against mocks; a real run refuses before its first step.

mod platform;

use async_trait::async_trait;
use belay_runbook::act::{Act, Ending, Outcome, Preparation};
use belay_runbook::action::ActionSpec;
use serde_json::Value;

use crate::action::{Action, ActionError, Surroundings};

/// The declarations, in no particular order.
pub fn specs() -> Vec<ActionSpec> {
    platform::specs()
}

/// An action that is only declared.
#[derive(Debug, Clone)]
pub struct Declared {
    spec: ActionSpec,
}

impl Declared {
    /// Wraps a declaration and marks it as not available.
    pub fn new(spec: ActionSpec) -> Self {
        Self { spec: ActionSpec { available: false, ..spec } }
    }
}

#[async_trait]
impl Action for Declared {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        let target =
            self.spec.target_parameter.as_ref().and_then(|name| parameters.get(name)).and_then(Value::as_str).map(
                |target| match parameters.get("namespace").and_then(Value::as_str) {
                    Some(namespace) => format!("{namespace}/{target}"),
                    None => target.to_owned(),
                },
            );
        let verb = self.spec.name.rsplit('.').next().unwrap_or(&self.spec.name).replace('_', " ");
        match target {
            Some(target) => format!("{verb} {target}"),
            None => verb,
        }
    }

    async fn prepare(&self, _act: &Act, _surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        Err(ActionError::NotAvailable(self.spec.name.clone()))
    }

    async fn run(&self, _act: &Act, _preparation: &Preparation, _surroundings: &Surroundings) -> Outcome {
        let error = ActionError::NotAvailable(self.spec.name.clone());
        Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) }
    }
}
