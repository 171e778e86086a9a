//! From the command line to an exit code.

mod author;
mod catalog;
mod evidence;
mod find;
mod import;
mod look;
mod policy_test;
mod run;
mod say;
mod secret;
mod surroundings;
mod web;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use belay_cockpit::Cockpit;
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{Arguments, Command};
use crate::cockpit;
use crate::failure::{Exit, Failure};
use crate::page;
use crate::settings::Settings;
use crate::text;

/// What every command works with.
struct Desk {
    settings: Settings,
    cockpit: Arc<Cockpit>,
}

/// Runs the command line.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error, wants_json),
    };
    watch();
    let settings = match Settings::new(&arguments.global) {
        Ok(settings) => settings,
        Err(failure) => {
            page::fail(&failure, None, wants_json);
            return failure.exit().into();
        }
    };
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(arguments, &settings)));
    match ran {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            page::fail(&failure, Some(&settings), settings.json);
            failure.exit().into()
        }
        Err(_) => {
            let failure = belay_cockpit::CockpitError {
                class: belay_cockpit::ErrorClass::Bug,
                message: "belay hit a bug and stopped; what was done is in the log".to_owned(),
                hint: Some("`belay executions` shows where things stand; please report the lines above".to_owned()),
            };
            page::fail(&failure.into(), Some(&settings), settings.json);
            Exit::Bug.into()
        }
    }
}

fn run(arguments: Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let Some(command) = arguments.command else { return without_command(settings) };
    // Completions need nothing of what follows.
    if let Command::Completions(completions) = &command {
        return surroundings::completions(completions.shell);
    }
    if let Command::Manual(manual) = &command {
        return surroundings::manual(&manual.dir);
    }
    let desk = Desk { settings: settings.clone(), cockpit: Cockpit::new(settings.cockpit(None)?) };
    let done = perform(&desk, command);
    tell(&desk, &done);
    done
}

/// Tells what a person should know although the command did what it was asked to. An error says it itself.
fn tell(desk: &Desk, done: &Result<Exit, Failure>) {
    if done.is_ok() {
        for notice in desk.cockpit.take_notices() {
            let lead = format!("{} ", desk.settings.errors.care("warning:"));
            page::warn(&text::hang(&lead, "  ", &text::line(&notice), desk.settings.errors.columns));
        }
    }
}

fn perform(desk: &Desk, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Search(search) => find::search(desk, &search),
        Command::Alert(alert) => find::alert(desk, &alert),
        Command::Show(show) => find::show(desk, &show),
        Command::Catalog(catalog) => catalog::catalog(desk, &catalog),
        Command::Validate(validate) => find::validate(desk, &validate),
        Command::New(new) => author::new(desk, &new),
        Command::Edit(edit) => author::edit(desk, &edit),
        Command::Import(arguments) => import::import(desk, &arguments),
        Command::Schema(schema) => surroundings::schema(schema.of),
        Command::Plan(plan) => run::plan(desk, &plan),
        Command::Preflight(preflight) => run::preflight(desk, &preflight),
        Command::Run(arguments) => run::run(desk, &arguments),
        Command::Resume(one) => run::resume(desk, &one.execution),
        Command::Executions(executions) => look::executions(desk, executions),
        Command::Status(one) => look::status(desk, &one.execution),
        Command::Approvals => look::approvals(desk),
        Command::Log(log) => look::log(desk, &log),
        Command::Output(output) => look::output(desk, &output.at),
        Command::Confirm(confirm) => say::confirm(desk, confirm),
        Command::Decide(decide) => say::decide(desk, decide),
        Command::Check(check) => say::check(desk, check),
        Command::Provide(provide) => say::provide(desk, provide),
        Command::Approve(approve) => say::approve(desk, approve),
        Command::Reject(reject) => say::reject(desk, reject),
        Command::Retry(step) => say::retry(desk, step),
        Command::Skip(skip) => say::skip(desk, skip),
        Command::Note(note) => say::note(desk, &note),
        Command::Pause(one) => say::pause(desk, &one),
        Command::Abort(reason) => say::abort(desk, reason),
        Command::Rollback(reason) => say::rollback(desk, reason),
        Command::Settle(settle) => say::settle(desk, settle),
        Command::Audit(audit) => evidence::audit(desk, &audit),
        Command::Purge(purge) => evidence::purge(desk, &purge),
        Command::Actions(actions) => surroundings::actions(desk, &actions),
        Command::Policy(policy) => surroundings::policy(desk, &policy),
        Command::Context(context) => surroundings::context(desk, &context),
        Command::Freeze(freeze) => surroundings::freeze(desk, &freeze),
        Command::Unfreeze => surroundings::unfreeze(desk),
        Command::Guide => find::ask(desk),
        Command::Web(web) => web::web(desk, web),
        Command::Secret(secret) => secret::secret(desk, &secret),
        Command::Identity(identity) => surroundings::identity(desk, &identity),
        Command::Doctor(doctor) => surroundings::doctor(desk, &doctor),
        Command::Completions(completions) => surroundings::completions(completions.shell),
        Command::Manual(manual) => surroundings::manual(&manual.dir),
    }
}

/// Without a command: opens the cockpit where there is a terminal that can show it, else prints help.
fn without_command(settings: &Settings) -> Result<Exit, Failure> {
    if settings.input && std::io::stdout().is_terminal() {
        let desk = Desk { settings: settings.clone(), cockpit: Cockpit::new(settings.cockpit(None)?) };
        // A terminal that moves no cursor can still ask and answer.
        let done = if std::env::var_os("TERM").is_none_or(|term| term == "dumb") {
            find::ask(&desk)
        } else {
            wait(cockpit::open(Arc::clone(&desk.cockpit), settings.style.is_colored(), settings.style))
        };
        tell(&desk, &done);
        return done;
    }
    page::print(&Arguments::command().render_help().to_string())?;
    Ok(Exit::Done)
}

/// A command line that cannot be read, in our words.
fn misused(error: &clap::Error, wants_json: bool) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match page::print(&error.render().to_string()) {
            Ok(()) => Exit::Done.into(),
            Err(failure) => failure.exit().into(),
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        page::warn(&error.render().to_string());
        return Exit::Usage.into();
    }
    let rendered = error.render().to_string();
    let first = rendered.split("\n\n").next().unwrap_or_default();
    let message = first.trim_start_matches("error: ").trim_end().trim_end_matches('.').replace('\'', "`");
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| error.get(kind));
    let hint = match suggestion {
        Some(suggestion) => format!("did you mean `{}`?", text::line(&suggestion.to_string())),
        None => "`belay --help` and `belay COMMAND --help` show what there is".to_owned(),
    };
    let failure = Failure::usage(message, hint);
    page::fail(&failure, None, wants_json);
    failure.exit().into()
}

/// Diagnostics for people who look for a fault: `BELAY_LOG=debug`.
fn watch() {
    let Ok(wanted) = std::env::var("BELAY_LOG") else { return };
    let filter = tracing_subscriber::EnvFilter::new(wanted);
    let ready = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    if let Err(error) = ready {
        page::warn(&format!("warning: diagnostics cannot be shown: {error}\n"));
    }
}

impl Desk {
    /// Prints a document for programs or a text for people.
    fn show(&self, document: &impl serde::Serialize, content: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.settings.json { page::json(document) } else { page::print(&content()) }
    }
}

/// Runs something that waits.
fn wait<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Failure::Setup { what: "the runtime cannot be started", source })?;
    let result = runtime.block_on(future);
    // A thread that reads the terminal may wait for a line that never comes.
    runtime.shutdown_background();
    result
}
