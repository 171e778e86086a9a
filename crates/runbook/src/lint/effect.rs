//! What a step does to the world, as far as its declaration tells.

use super::commands::reads_only;
use crate::action::{ActionCatalog, Effect};
use crate::model::{Does, Step, StepKind};

/// The effect of an act before a step raises it. What is not known may change something.
pub(super) fn declared(does: &Does, actions: &dyn ActionCatalog) -> Effect {
    match does {
        Does::Nothing => Effect::Read,
        Does::Action(call) => actions.spec(&call.name).map_or(Effect::Mutate, |spec| spec.effect),
        Does::Commands(commands) if commands.iter().all(reads_only) => Effect::Read,
        Does::Commands(_) | Does::Automation(_) => Effect::Mutate,
    }
}

/// The effect of a step.
pub(super) fn effect(step: &Step, actions: &dyn ActionCatalog) -> Effect {
    let declared = declared(&step.does, actions);
    step.effect.map_or(declared, |raised| raised.max(declared))
}

/// Whether Belay itself changes something in a step. People answer for manual steps, verifications only read, and a
/// message cannot be taken back.
pub(super) fn changes(step: &Step, actions: &dyn ActionCatalog) -> bool {
    match step.kind {
        StepKind::Automated => effect(step, actions) > Effect::Read,
        StepKind::Manual | StepKind::Decision | StepKind::Verification | StepKind::Notification => false,
    }
}
