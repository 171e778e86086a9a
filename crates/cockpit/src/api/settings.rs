//! The program, the device, and what is configured on it.

use super::call::{Done, Nothing};
use super::{About, Api, NameRequest};
use crate::error::CockpitError;
use crate::{ContextView, DoctorReport, PolicyText};

pub(super) fn about(api: &Api, _: Nothing) -> Result<About, CockpitError> {
    let cockpit = api.cockpit();
    let author = cockpit.author()?;
    let context = cockpit.contexts_file()?.choose(cockpit.options.context.as_deref())?;
    Ok(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        responder: author.responder,
        device: author.device,
        home: cockpit.home().dir().display().to_string(),
        context: context.name,
        environment: context.environment,
    })
}

pub(super) fn contexts(api: &Api, _: Nothing) -> Result<Vec<ContextView>, CockpitError> {
    api.cockpit().contexts()
}

pub(super) fn use_context(api: &Api, request: NameRequest) -> Result<Done, CockpitError> {
    api.cockpit().use_context(&request.name)?;
    Ok(Done {})
}

pub(super) fn policy(api: &Api, _: Nothing) -> Result<PolicyText, CockpitError> {
    api.cockpit().policy()
}

pub(super) fn doctor(api: &Api, _: Nothing) -> Result<DoctorReport, CockpitError> {
    Ok(api.cockpit().doctor())
}
