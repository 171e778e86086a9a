//! Planning, starting and driving.

use std::sync::Arc;

use belay_cockpit::wire::{DriveEvent, ExecutionView};
use belay_cockpit::{Cockpit, CockpitError, ErrorClass, StartRequest, missing_programs};

use super::{Desk, find, wait};
use crate::arguments::{Given, Plan, Preflight, Run};
use crate::failure::{Exit, Failure};
use crate::guided::narrator::Narrator;
use crate::guided::prompts;
use crate::guided::session::{self, Signalled, Signals};
use crate::render::{plan as plan_page, status};
use crate::{page, text};

/// What a guided run says below its header.
const KEYS: &str = "At a prompt: ? help · n note · p pause · a abort · q leave safely. Ctrl-C cancels what runs.";

pub fn plan(desk: &Desk, arguments: &Plan) -> Result<Exit, Failure> {
    let mut request = request(desk, &arguments.runbook, &arguments.given)?;
    request.context.clone_from(&arguments.context);
    let plan = wait(async { Ok(desk.cockpit.plan(&request, arguments.offline).await?) })?;
    desk.show(&plan, || plan_page::plan(&plan, desk.settings.style))?;
    Ok(Exit::Done)
}

pub fn preflight(desk: &Desk, arguments: &Preflight) -> Result<Exit, Failure> {
    let mut request = request(desk, &arguments.runbook, &arguments.given)?;
    request.context.clone_from(&arguments.context);
    request.ticket.clone_from(&arguments.ticket);
    let report = wait(async { Ok(desk.cockpit.preflight(&request).await?) })?;
    desk.show(&report, || plan_page::preflight(&report, desk.settings.style))?;
    Ok(match report.class() {
        None => Exit::Done,
        Some(ErrorClass::Refused) => Exit::Refused,
        Some(ErrorClass::Environment) => Exit::Environment,
        Some(ErrorClass::User) => Exit::Usage,
        Some(ErrorClass::Bug) => Exit::Bug,
    })
}

pub fn run(desk: &Desk, arguments: &Run) -> Result<Exit, Failure> {
    let mut request = request(desk, &arguments.runbook, &arguments.given)?;
    request.incident.clone_from(&arguments.about.incident);
    request.ticket.clone_from(&arguments.about.ticket);
    request.context.clone_from(&arguments.about.context);
    begin(desk, request)
}

fn request(desk: &Desk, runbook: &str, given: &Given) -> Result<StartRequest, Failure> {
    let alert = match &given.alert {
        Some(source) => Some(find::read_alert(desk, source, given.fingerprint.as_deref())?),
        None => None,
    };
    Ok(StartRequest {
        runbook: runbook.to_owned(),
        variables: given.variables.iter().cloned().collect(),
        alert,
        ..StartRequest::default()
    })
}

/// Asks for what is missing, starts an execution and drives it.
pub fn begin(desk: &Desk, request: StartRequest) -> Result<Exit, Failure> {
    // In one runtime, so that a connection to a cluster serves the questions and the drive.
    wait(begin_here(desk, request))
}

async fn begin_here(desk: &Desk, mut request: StartRequest) -> Result<Exit, Failure> {
    if desk.settings.input {
        let found = desk.cockpit.find(&request.runbook)?;
        // Nobody should type values for what is not started anyway.
        desk.cockpit.refuse_broken(&found)?;
        let planned = desk.cockpit.plan(&request, true).await?;
        let style = desk.settings.style;
        let asked = prompts::values(&desk.cockpit, &request, &found.runbook, &planned.missing, style).await?;
        let Some(values) = asked else {
            page::print("nothing was started\n")?;
            return Ok(Exit::Waiting);
        };
        request.variables.extend(values);
    }
    let execution = match desk.cockpit.start(&request) {
        Ok(execution) => execution,
        Err(error) => return Err(lacking(desk, &request, error).await),
    };
    warn_of_secrets(desk, &request)?;
    warn_of_programs(desk, &request)?;
    drive(desk, &execution, Some(&request)).await
}

/// Why nothing was started; where values are missing, with what they could be.
async fn lacking(desk: &Desk, request: &StartRequest, error: CockpitError) -> Failure {
    let Ok(missing) = desk.cockpit.lacks(request) else { return error.into() };
    match desk.cockpit.candidates(request, &missing).await {
        Ok(candidates) if !missing.is_empty() => Failure::Missing { error, candidates },
        Ok(_) | Err(_) => error.into(),
    }
}

/// Says which programs are not here before the first step needs one; by then there is time to install them.
fn warn_of_programs(desk: &Desk, request: &StartRequest) -> Result<(), Failure> {
    let found = desk.cockpit.find(&request.runbook)?;
    for (program, steps) in missing_programs(&found.runbook) {
        let steps: Vec<String> = steps.iter().map(|step| format!("`{}`", text::line(step))).collect();
        let what = format!("`{}` is not on this device, and {} would start it", text::line(&program), steps.join(", "));
        warn(desk, &what, "install it, or do its steps by hand with `belay confirm EXEC STEP --by-hand`");
    }
    Ok(())
}

/// Says what is wrong with the cluster before the first step needs it; by then there is time to log in.
async fn warn_of_cluster(desk: &Desk, request: &StartRequest) -> Result<(), Failure> {
    for doubt in desk.cockpit.doubts_of_cluster(request).await? {
        warn(desk, &doubt, "`belay preflight RUNBOOK` looks for everything that would stop it");
    }
    Ok(())
}

fn warn(desk: &Desk, problem: &str, remedy: &str) {
    let style = desk.settings.errors;
    page::warn(&text::hang(&format!("{} ", style.care("warning:")), "  ", &text::line(problem), style.columns));
    page::warn(&text::hang(&format!("{} ", style.code("hint:")), "  ", &text::line(remedy), style.columns));
}

/// Says which secrets are missing before the first step needs one; by then there is time to set them.
fn warn_of_secrets(desk: &Desk, request: &StartRequest) -> Result<(), Failure> {
    for error in desk.cockpit.missing_secrets(request)? {
        warn(desk, &error.problem, &error.remedy);
    }
    Ok(())
}

pub fn resume(desk: &Desk, reference: &str) -> Result<Exit, Failure> {
    let execution = desk.cockpit.resolve(reference)?;
    desk.cockpit.go_on(&execution)?;
    wait(drive(desk, &execution, None))
}

/// Drives an execution; one that has just been started looks at its cluster first.
async fn drive(desk: &Desk, execution: &str, started: Option<&StartRequest>) -> Result<Exit, Failure> {
    let style = desk.settings.style;
    let mut view = desk.cockpit.status(execution)?;
    // A failed one can be opened again by whoever sits here; any other end is final.
    if view.summary.finished_at.is_some() && !(desk.settings.input && view.summary.status == "failed") {
        // One document a line, as from a drive.
        if desk.settings.json {
            page::json_line(&view)?;
        } else {
            page::print(&status::status(&view, style))?;
        }
        return Ok(exit_of(&view));
    }
    // It is driven from here on, or the drive says why not.
    view.summary.driver.present = true;
    // In here, so that its connection serves the drive.
    if let Some(request) = started {
        warn_of_cluster(desk, request).await?;
    }
    let view = if desk.settings.input {
        let keys = text::hang("", "", &style.dim(KEYS), style.columns);
        page::print(&format!("{}{keys}", status::header(&view.summary, style)))?;
        session::guide(&desk.cockpit, execution, style).await?
    } else {
        let view = go_alone(desk, &desk.cockpit, &view).await?;
        desk.cockpit.with_candidates(view).await
    };
    if desk.settings.json {
        page::json_line(&view)?;
    } else if !desk.settings.input {
        page::print(&status::next(&view, style))?;
    }
    Ok(exit_of(&view))
}

/// Drives without asking: until it ends, or until nothing goes on without a person.
async fn go_alone(desk: &Desk, cockpit: &Arc<Cockpit>, view: &ExecutionView) -> Result<ExecutionView, Failure> {
    let execution = &view.summary.execution;
    let (json, style) = (desk.settings.json, desk.settings.style);
    let mut narrator = Narrator::new(view, session::runbook_of(cockpit, execution), style);
    let mut signals = Signals::catch()?;
    if !json {
        page::print(&status::header(&view.summary, style))?;
    }
    let mut drive = cockpit.drive(execution)?;
    let mut interrupted = false;
    let mut stopped = None;
    let mut ended = None;
    let result = loop {
        let event = tokio::select! {
            event = drive.next() => event,
            signalled = signals.next() => {
                if interrupted || signalled == Signalled::End {
                    break Ok(());
                }
                interrupted = true;
                drive.cancel();
                page::warn("cancelling what runs; once more leaves safely\n");
                continue;
            }
        };
        let Some(event) = event else { break Ok(()) };
        let told = narrator.tell(&event);
        let printed = if json { page::json_line(&event) } else { page::print(&told) };
        // Whoever reads may go away; what was started is brought to a known state all the same.
        if let Err(failure) = printed {
            break Err(failure);
        }
        match event {
            DriveEvent::Waiting { .. } => break Ok(()),
            DriveEvent::Stopped { error, hint } => stopped = Some((error, hint)),
            DriveEvent::Finished { view } => ended = Some(*view),
            DriveEvent::Changed { .. }
            | DriveEvent::Started { .. }
            | DriveEvent::Output { .. }
            | DriveEvent::Notice { .. }
            | DriveEvent::Escalated { .. } => {}
        }
    };
    drive.leave().await;
    result?;
    if let Some((message, hint)) = stopped {
        return Err(CockpitError { class: ErrorClass::Environment, message, hint }.into());
    }
    match ended {
        Some(view) => Ok(view),
        None => Ok(cockpit.status(execution)?),
    }
}

/// The exit code of where an execution stands.
fn exit_of(view: &ExecutionView) -> Exit {
    match view.summary.status.as_str() {
        "completed" => Exit::Done,
        "failed" | "aborted" | "stuck" | "rolled_back" => Exit::Failed,
        _ => Exit::Waiting,
    }
}
