//! The calls: one table from which the types, the dispatch and the TypeScript map are made.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{Api, CallError, answer, author, catalog, drives, executions, launch, settings};
use crate::error::CockpitError;

/// A call that takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, TS)]
pub struct Nothing {}

/// An answer that says no more than that it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
pub struct Done {}

/// Types that a table of calls names, for whoever writes them down.
pub(super) trait CallTypes {
    /// Takes one call: its name, what it is for, what it takes and what it answers.
    fn call<A: TS + 'static, R: TS + 'static>(&mut self, name: &str, about: &str);
}

macro_rules! calls {
    ($( #[doc = $about:literal] $variant:ident $name:literal ($args:ty) -> $answer:ty = $how:ident $handler:path; )+) => {
        /// What a face asks for: `{"call": NAME, "args": {…}}`.
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(tag = "call", content = "args")]
        pub enum Call { $( #[doc = $about] #[serde(rename = $name)] $variant($args), )+ }

        /// What a call answers: the variant has the call's name.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Answer { $( #[doc = $about] $variant(Box<$answer>), )+ }

        impl Api {
            /// Answers a call. What reads files or the database runs beside the runtime's own threads.
            ///
            /// # Errors
            /// What went wrong, with what to do about it; nothing is half done.
            pub async fn answer(self: &Arc<Self>, call: Call) -> Result<Answer, CallError> {
                let answer = self.perform(call).await;
                self.tell_notices();
                answer
            }

            async fn perform(self: &Arc<Self>, call: Call) -> Result<Answer, CallError> {
                Ok(match call {
                    $( Call::$variant(args) => Answer::$variant(Box::new(calls!(@$how self, $handler, args)?)), )+
                })
            }
        }

        /// Shows every call to `types`.
        pub(super) fn each(types: &mut impl CallTypes) {
            $( types.call::<$args, $answer>($name, $about); )+
        }
    };
    (@read $api:ident, $handler:path, $args:ident) => {{
        let api = Arc::clone($api);
        let answered = tokio::task::spawn_blocking(move || $handler(&api, $args)).await;
        answered.map_err(super::ended).and_then(|answer| answer)
    }};
    (@wait $api:ident, $handler:path, $args:ident) => { $handler($api, $args).await };
}

impl Api {
    /// Answers a call as JSON, for faces that are no Rust.
    ///
    /// # Errors
    /// The same as [`Api::answer`].
    pub async fn call(self: &Arc<Self>, call: Call) -> Result<Value, CallError> {
        serde_json::to_value(self.answer(call).await?)
            .map_err(|error| CockpitError::bug(format!("an answer cannot be written: {error}")).into())
    }
}

calls! {
    /// Ranked hits, with how many there are of each kind.
    Search "search" (answer::SearchRequest) -> answer::SearchAnswer = read catalog::search;
    /// The best runbooks for the alerts of a payload.
    Alert "alert" (answer::AlertRequest) -> answer::AlertAnswer = read catalog::alert;
    /// One runbook as it is written, with its flow and findings.
    Runbook "runbook" (answer::RunbookRequest) -> answer::RunbookPage = read catalog::runbook;
    /// Findings of a text that is being written, and how it would look.
    Validate "validate" (answer::ValidateRequest) -> answer::Validated = read author::validate;
    /// Begins an edit, or goes on with the draft that an earlier one left.
    Edit "edit" (answer::RunbookRequest) -> answer::EditView = read author::edit;
    /// Keeps what was typed in the draft; the runbook's file stays as it is.
    SaveDraft "save_draft" (answer::DraftRequest) -> answer::Validated = read author::save_draft;
    /// Puts a draft into the place of the runbook's file.
    KeepDraft "keep_draft" (answer::KeepRequest) -> answer::KeptView = read author::keep_draft;
    /// Throws a draft away.
    DiscardDraft "discard_draft" (answer::RunbookRequest) -> Done = read author::discard_draft;
    /// The directories of the catalog.
    Catalog "catalog" (Nothing) -> Vec<crate::CatalogSource> = read catalog::sources;
    /// Adds a directory to the catalog.
    CatalogAdd "catalog_add" (answer::DirectoryRequest) -> answer::SourceAdded = read catalog::add;
    /// Takes a directory out of the catalog; its files stay.
    CatalogRemove "catalog_remove" (answer::DirectoryRequest) -> Done = read catalog::remove;
    /// What of the catalog would let somebody down.
    Rot "rot" (Nothing) -> answer::RotView = wait catalog::rot;

    /// What a start asks for: inputs with what they would be, the checklist, and what stands in the way.
    Form "form" (answer::Start) -> answer::StartForm = read launch::form;
    /// What values of a start could be, in the order of their names; reads where they would stand.
    Candidates "candidates" (answer::CandidatesRequest) -> Vec<crate::wire::Candidates> = wait launch::candidates;
    /// What would happen; changes nothing.
    Plan "plan" (answer::PlanRequest) -> crate::wire::PlanView = wait launch::plan;
    /// Starts an execution and drives it here.
    Start "start" (answer::Start) -> answer::Started = wait launch::start;

    /// Executions, newest first.
    Executions "executions" (answer::ExecutionsRequest) -> Vec<crate::wire::ExecutionSummary> = read executions::list;
    /// What waits for a person, over all executions.
    Waiting "waiting" (Nothing) -> Vec<crate::wire::ExecutionSummary> = read executions::waiting;
    /// One execution with its runbook and the output of what runs; says which events it holds.
    Execution "execution" (answer::ExecutionRequest) -> answer::ExecutionPage = read executions::page;
    /// Its events, with the state of their signatures.
    Log "log" (answer::ExecutionRequest) -> Vec<crate::wire::LogEntry> = read executions::log;
    /// The kept output of a step.
    Output "output" (answer::StepRequest) -> Vec<answer::OutputView> = read executions::output;
    /// Verifies the log of one execution.
    Verify "verify" (answer::ExecutionRequest) -> crate::VerifyReport = read executions::verify;
    /// The log as a file that verifies alone.
    Export "export" (answer::ExecutionRequest) -> answer::Document = read executions::export;
    /// A draft of the postmortem, in Markdown.
    Postmortem "postmortem" (answer::ExecutionRequest) -> answer::Document = read executions::postmortem;
    /// What values could be that an execution waits for.
    CandidatesIn "candidates_in" (answer::CandidatesInRequest) -> Vec<crate::wire::Candidates> = wait launch::candidates_in;
    /// Goes on driving an execution here.
    Drive "drive" (answer::ExecutionRequest) -> Done = wait drives::drive;
    /// Stops driving it here; what runs is ended and recorded.
    Leave "leave" (answer::ExecutionRequest) -> Done = wait drives::leave;
    /// Cancels the act that runs.
    Cancel "cancel" (answer::ExecutionRequest) -> Done = wait drives::cancel;
    /// Says something to an execution: confirms, decides, approves, notes, aborts …
    Say "say" (answer::SayRequest) -> Done = wait drives::say;

    /// The program, the person and the device.
    About "about" (Nothing) -> answer::About = read settings::about;
    /// Where Belay may act.
    Contexts "contexts" (Nothing) -> Vec<crate::ContextView> = read settings::contexts;
    /// Makes a context the current one.
    UseContext "use_context" (answer::NameRequest) -> Done = read settings::use_context;
    /// The policy in force.
    Policy "policy" (Nothing) -> crate::PolicyText = read settings::policy;
    /// The names of the secrets that the keyring holds.
    Secrets "secrets" (answer::SecretsRequest) -> answer::SecretsView = read settings::secrets;
    /// Keeps a secret in the keyring, in place of the one of that name.
    SecretSet "secret_set" (answer::SecretSetRequest) -> crate::SecretKept = read settings::secret_set;
    /// Removes a secret from the keyring.
    SecretRemove "secret_remove" (answer::NameRequest) -> Done = read settings::secret_remove;
    /// What is missing on this device, and what to do about it.
    Doctor "doctor" (Nothing) -> crate::DoctorReport = read settings::doctor;
}
