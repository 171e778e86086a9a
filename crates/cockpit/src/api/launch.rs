//! Starting: what it asks for, what it would do, and the start itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use belay_runbook::finding::Finding;
use belay_runbook::model::{InputKind, Runbook};
use belay_runbook::template::{self, Scope};
use serde_json::{Value, json};

use super::{Api, CandidatesInRequest, CandidatesRequest, InputView, Obstacle, PlanRequest, Start, StartForm, Started};
use crate::Cockpit;
use crate::alert::Alert;
use crate::catalog::Found;
use crate::error::CockpitError;
use crate::start::StartRequest;
use crate::wire::{Candidates, PlanView};
use crate::{inputs, preflight};

/// The request as the cockpit takes it.
fn request(start: &Start) -> Result<StartRequest, CockpitError> {
    let alert = match &start.alert {
        None => None,
        Some(value) => Some(Alert::read(value.to_string().as_bytes(), None)?),
    };
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(StartRequest {
        runbook: start.runbook.clone(),
        // An input that was left empty is one that was not given.
        variables: start
            .variables
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        alert,
        incident: given(&start.incident),
        ticket: given(&start.ticket),
        context: given(&start.context),
    })
}

pub(super) fn form(api: &Api, start: Start) -> Result<StartForm, CockpitError> {
    let cockpit = api.cockpit();
    let request = request(&start)?;
    let found = cockpit.find(&request.runbook)?;
    let runbook = &found.runbook;
    let context = cockpit.contexts_file()?.choose(request.context.as_deref().or(cockpit.options.context.as_deref()))?;
    let root = json!({
        "Alert": request.alert.as_ref().map_or_else(|| json!({}), |alert| alert.value.clone()),
        "Config": context.config,
        "Vars": {},
    });
    let variables: BTreeSet<String> = runbook.inputs.keys().cloned().collect();
    let scope = Scope { root: &root, variables: &variables };
    let readable = readable(cockpit, runbook, &request);
    let mut views = Vec::with_capacity(runbook.inputs.len());
    for (name, spec) in &runbook.inputs {
        let default = match &spec.default {
            Some(Value::String(text)) => template::render_text(text, &scope).ok(),
            Some(value) => Some(value.to_string()),
            None => None,
        };
        let given = request.variables.get(name);
        let judged = given.map(|text| cockpit.judge_value(&readable, name, text));
        let error = judged.and_then(Result::err);
        views.push(InputView {
            name: name.clone(),
            kind: kind_word(spec.kind).to_owned(),
            description: spec.description.clone(),
            is_default: given.is_none() && default.is_some(),
            value: given.cloned().or(default),
            options: spec.options.iter().map(inputs::plain).collect(),
            pattern: spec.pattern.clone(),
            required: spec.required,
            problem: error.as_ref().map(|error| error.message.clone()),
            hint: error.and_then(|error| error.hint),
        });
    }
    let production = belay_runbook::policy::is_production(&context.environment);
    Ok(StartForm {
        inputs: views,
        checklist: runbook.prerequisites.clone(),
        needs_ticket: runbook.requires_change_ticket && production && request.ticket.is_none(),
        context: context.name,
        environment: context.environment,
        production,
        obstacles: obstacles(api, &found, &readable),
    })
}

/// The request with those values that can be read at all: each is judged beside them.
fn readable(cockpit: &Cockpit, runbook: &Runbook, request: &StartRequest) -> StartRequest {
    let is_readable = |name: &String, text: &String| {
        let alone = BTreeMap::from([(name.clone(), text.clone())]);
        runbook.inputs.get(name).is_some_and(|spec| inputs::parse(name, spec, text).is_ok())
            && cockpit.secrets().refuse_unknown(runbook, &alone).is_ok()
    };
    let variables = request.variables.iter().filter(|(name, text)| is_readable(name, text));
    StartRequest { variables: variables.map(|(name, text)| (name.clone(), text.clone())).collect(), ..request.clone() }
}

pub(super) async fn candidates(api: &Arc<Api>, asked: CandidatesRequest) -> Result<Vec<Candidates>, CockpitError> {
    let cockpit = api.cockpit();
    let request = request(&asked.start)?;
    let found = cockpit.find(&request.runbook)?;
    cockpit.candidates(&readable(cockpit, &found.runbook, &request), &asked.names).await
}

pub(super) async fn candidates_in(api: &Arc<Api>, asked: CandidatesInRequest) -> Result<Vec<Candidates>, CockpitError> {
    api.cockpit().candidates_in(&asked.execution, &asked.given, &asked.names).await
}

fn obstacles(api: &Api, found: &Found, request: &StartRequest) -> Vec<Obstacle> {
    let runbook = &found.runbook;
    let faults = api.cockpit().faults(found).into_iter().map(|finding| Obstacle {
        hint: finding.hint.clone().or_else(|| Some("mend its file; its steps can be done by hand".to_owned())),
        what: Finding { hint: None, ..finding }.to_string(),
        blocking: true,
    });
    let unavailable = api.cockpit().unavailable(runbook).into_iter().map(|action| Obstacle {
        what: format!("this version of belay cannot perform `{action}`"),
        hint: Some("do its steps by hand; the runbook can be read and planned".to_owned()),
        blocking: true,
    });
    let secrets = match api.cockpit().missing_secrets(request) {
        Ok(errors) => errors
            .into_iter()
            .map(|error| Obstacle { what: error.problem, hint: Some(error.remedy), blocking: false })
            .collect(),
        // What a start would be refused for.
        Err(error) => vec![Obstacle { what: error.message, hint: error.hint, blocking: true }],
    };
    faults
        .chain(unavailable)
        .chain(secrets)
        .chain(preflight::missing_programs(runbook).keys().map(|program| Obstacle {
            what: preflight::absent(program),
            hint: Some(preflight::REMEDY.to_owned()),
            blocking: false,
        }))
        .collect()
}

fn kind_word(kind: InputKind) -> &'static str {
    match kind {
        InputKind::String => "string",
        InputKind::Integer => "integer",
        InputKind::Number => "number",
        InputKind::Boolean => "boolean",
        InputKind::Secret => "secret",
    }
}

pub(super) async fn plan(api: &Arc<Api>, asked: PlanRequest) -> Result<PlanView, CockpitError> {
    api.cockpit().plan(&request(&asked.start)?, asked.offline).await
}

pub(super) async fn start(api: &Arc<Api>, start: Start) -> Result<Started, CockpitError> {
    let (cockpit, request) = (Arc::clone(api.cockpit()), request(&start)?);
    let execution = tokio::task::spawn_blocking(move || cockpit.start(&request)).await.map_err(super::ended)??;
    api.drive_here(&execution).await?;
    Ok(Started { execution })
}
