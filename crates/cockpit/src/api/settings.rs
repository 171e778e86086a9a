//! The program, the device, and what is configured on it.

use super::call::{Done, Nothing};
use super::{About, Api, NameRequest, SecretSetRequest, SecretsRequest, SecretsView};
use crate::error::CockpitError;
use crate::{ContextView, DoctorReport, PolicyText, SecretKept, SecretName};

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

pub(super) fn secrets(api: &Api, request: SecretsRequest) -> Result<SecretsView, CockpitError> {
    match api.cockpit().secrets().list(request.unlock) {
        Ok(list) => Ok(SecretsView { secrets: list.secrets, locked: list.locked, trouble: None }),
        Err(error) if request.unlock => Err(error),
        Err(error) => Ok(SecretsView { secrets: Vec::new(), locked: false, trouble: Some(error.into()) }),
    }
}

pub(super) fn secret_set(api: &Api, request: SecretSetRequest) -> Result<SecretKept, CockpitError> {
    api.cockpit().secrets().set(&SecretName::parse(&request.name)?, &request.value.0, true)
}

pub(super) fn secret_remove(api: &Api, request: NameRequest) -> Result<Done, CockpitError> {
    api.cockpit().secrets().remove(&SecretName::parse(&request.name)?, true)?;
    Ok(Done {})
}

pub(super) fn doctor(api: &Api, _: Nothing) -> Result<DoctorReport, CockpitError> {
    Ok(api.cockpit().doctor())
}
