//! What goes wrong between Belay and an API server: whether anything may have happened, and what to do, in words.

use std::fmt;

use belay_runbook::act::{Ending, Outcome};
use kube::core::Status;

use crate::action::ActionError;
use crate::redact::Redaction;

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    kind: Kind,
    text: String,
    /// Whether the login was refused or could not be had, so that nothing was done.
    needs_login: bool,
}

/// What is known about a request that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It never reached the server.
    NotSent,
    /// The server refused it with this status.
    Refused(u16),
    /// It may have been carried out: the answer was lost, or says nothing about that.
    Unclear,
    /// What was done is known, and what was waited for cannot come any more.
    GivenUp,
    /// What was waited for did not come in time, and still may.
    TooLate,
    /// Somebody cancelled while something was waited for, which still may come.
    Cancelled,
}

/// What a request was for, as a role would have to allow it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// `get`, `list`, `patch` …
    pub(crate) verb: &'a str,
    /// `deployments/scale.apps`; the core group has no suffix.
    pub(crate) resource: &'a str,
    /// The object, or nothing for a list.
    pub(crate) name: &'a str,
    /// The namespace; empty for what stands in none.
    pub(crate) namespace: &'a str,
}

impl Trouble {
    /// Something that is wrong before anything is asked.
    pub(crate) fn before(text: impl Into<String>) -> Self {
        Self { kind: Kind::NotSent, text: text.into(), needs_login: false }
    }

    /// A login that failed before anything was asked.
    pub(crate) fn login(text: impl Into<String>) -> Self {
        Self { needs_login: true, ..Self::before(text) }
    }

    /// The server has refused the act in other words: nothing has happened.
    pub(crate) fn refused(code: u16, text: impl Into<String>) -> Self {
        Self { kind: Kind::Refused(code), text: text.into(), needs_login: code == 401 }
    }

    /// The same, with what it keeps from being known.
    pub(crate) fn about(self, what: &str) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// The server has refused the act, for want of this right.
    pub(crate) fn forbidden(said: &str, asked: &Asked<'_>) -> Self {
        Self::refused(403, allowed_by(said, asked))
    }

    /// What was done is known, and this keeps what was waited for from coming.
    pub(crate) fn giving_up(self, what: &str) -> Self {
        let text = format!("{what}: {}", self.text);
        if self.needs_login { Self { text, ..self } } else { Self::given_up(text) }
    }

    /// What was waited for did not come in time; it goes on in the cluster.
    pub(crate) fn too_late(text: impl Into<String>) -> Self {
        Self { kind: Kind::TooLate, ..Self::given_up(text) }
    }

    /// Somebody cancelled while something was waited for; it goes on in the cluster.
    pub(crate) fn cancelled(text: impl Into<String>) -> Self {
        Self { kind: Kind::Cancelled, ..Self::given_up(text) }
    }

    /// What was done is known, and what was waited for cannot come any more.
    pub(crate) fn given_up(text: impl Into<String>) -> Self {
        Self { kind: Kind::GivenUp, text: text.into(), needs_login: false }
    }

    /// Why a request failed.
    pub(crate) fn of(error: &kube::Error, asked: &Asked<'_>) -> Self {
        match error {
            kube::Error::Api(status) => Self::answered(status, asked),
            kube::Error::Auth(error) => Self::login(format!("the login to the cluster failed: {}", login(error))),
            kube::Error::InferConfig(_)
            | kube::Error::InferKubeconfig(_)
            | kube::Error::TlsRequired
            | kube::Error::RustlsTls(_)
            | kube::Error::ProxyProtocolUnsupported { .. }
            | kube::Error::ProxyProtocolDisabled { .. }
            | kube::Error::BuildRequest(_)
            | kube::Error::HttpError(_) => Self::before(chain(error)),
            kube::Error::HyperError(_)
            | kube::Error::Service(_)
            | kube::Error::FromUtf8(_)
            | kube::Error::LinesCodecMaxLineLengthExceeded
            | kube::Error::ReadEvents(_)
            | kube::Error::SerdeError(_)
            | kube::Error::Discovery(_)
            | kube::Error::UpgradeConnection(_) => match auth_of(error) {
                Some(error) => Self::login(format!("the login to the cluster failed: {}", login(error))),
                None if never_connected(error) => {
                    Self::before(format!("the API server cannot be reached: {}", deepest(error)))
                }
                None => Self::unclear(format!("no answer to `{asked}`: {}", chain(error))),
            },
        }
    }

    /// A request that ran into its time limit.
    pub(crate) fn late(asked: &Asked<'_>, seconds: u64) -> Self {
        Self::unclear(format!("no answer to `{asked}` within {seconds} s"))
    }

    fn unclear(text: String) -> Self {
        Self { kind: Kind::Unclear, text, needs_login: false }
    }

    fn answered(status: &Status, asked: &Asked<'_>) -> Self {
        let code = status.code;
        let said = if status.message.is_empty() { &status.reason } else { &status.message };
        let text = match code {
            401 => format!("the login to the cluster has expired or is not known ({said}); log in again"),
            403 => allowed_by(said, asked),
            404 if status.reason == "NotFound" => said.clone(),
            404 => format!("the API server does not know `{}`: {said}", asked.resource),
            _ if said.is_empty() => format!("the API server answered `{asked}` with status {code}"),
            _ => format!("the API server answered `{asked}` with status {code}: {said}"),
        };
        let kind = match code {
            400..500 => Kind::Refused(code),
            // An error on the way, or after the object was written.
            _ => Kind::Unclear,
        };
        Self { kind, text, needs_login: code == 401 }
    }

    /// The same, of a question that came before anything was changed: nothing can have happened.
    pub(crate) fn unsent(self) -> Self {
        let kind = if self.kind == Kind::Unclear { Kind::NotSent } else { self.kind };
        Self { kind, ..self }
    }

    /// The same without what must not be told.
    pub(crate) fn redacted(self, redaction: &Redaction) -> Self {
        Self { text: redaction.text(&self.text), ..self }
    }

    /// The status of the refusal, where it was one.
    pub(crate) fn code(&self) -> Option<u16> {
        match self.kind {
            Kind::Refused(code) => Some(code),
            Kind::NotSent | Kind::Unclear | Kind::GivenUp | Kind::TooLate | Kind::Cancelled => None,
        }
    }

    /// The same, with the command that renews the login where that is what is missing.
    pub(crate) fn with_remedy(self, remedy: impl FnOnce() -> String) -> Self {
        if self.needs_login { Self { text: format!("{}; {}", self.text, remedy()), ..self } } else { self }
    }

    /// Whether a person has to log in again.
    pub(crate) fn needs_login(&self) -> bool {
        self.needs_login
    }

    /// Whether there is no such object.
    pub(crate) fn is_missing(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether the request is known to have changed nothing.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::NotSent | Kind::Refused(_))
    }

    /// Whether asking again, when only reading, may help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::Unclear | Kind::Refused(429))
    }

    /// The ending of an act whose one changing request came to this.
    pub(crate) fn outcome(self) -> Outcome {
        let ending = match self.kind {
            Kind::NotSent | Kind::Refused(_) => Ending::NotStarted,
            Kind::Unclear => Ending::Lost,
            Kind::GivenUp => Ending::Failed,
            Kind::TooLate => Ending::TimedOut,
            Kind::Cancelled => Ending::Cancelled,
        };
        let needs_login = self.needs_login && ending == Ending::NotStarted;
        Outcome { error: Some(self.text), needs_login, ..Outcome::bare(ending) }
    }

    /// The ending of an act that has changed something before this.
    pub(crate) fn outcome_midway(self) -> Outcome {
        let ending = self.ending_midway();
        Outcome { error: Some(self.text), needs_login: self.needs_login, ..Outcome::bare(ending) }
    }
}

impl Trouble {
    /// How an act ends that has changed something before this.
    pub(crate) fn ending_midway(&self) -> Ending {
        match self.kind {
            Kind::Unclear => Ending::Lost,
            Kind::TooLate => Ending::TimedOut,
            Kind::Cancelled => Ending::Cancelled,
            // What comes of the change cannot be seen without a login.
            _ if self.needs_login => Ending::Lost,
            Kind::NotSent | Kind::Refused(_) | Kind::GivenUp => Ending::Failed,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Trouble {}

impl From<Trouble> for ActionError {
    fn from(trouble: Trouble) -> Self {
        let (target, problem) = ("the cluster".to_owned(), trouble.text);
        if trouble.needs_login { Self::Login { target, problem } } else { Self::Unreachable { target, problem } }
    }
}

impl Asked<'_> {
    /// The rule of a role that allows it.
    fn rule(&self) -> String {
        let (resource, group) = self.resource.split_once('.').unwrap_or((self.resource, ""));
        format!("`{{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{}\"]}}`", self.verb)
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if !self.namespace.is_empty() {
            write!(f, " in {}", self.namespace)?;
        }
        Ok(())
    }
}

/// The words of a refusal, and what would allow it.
fn allowed_by(said: &str, asked: &Asked<'_>) -> String {
    format!("{said}; a role with {} would allow it", asked.rule())
}

/// An error and its causes, the outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = current.source();
        Some(current)
    })
}

fn auth_of(error: &kube::Error) -> Option<&kube::client::AuthError> {
    causes(error).find_map(|cause| cause.downcast_ref::<kube::client::AuthError>())
}

/// Whether the connection was never made, so that nothing can have been asked.
fn never_connected(error: &kube::Error) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
    })
}

fn login(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError;
    if let AuthError::AuthExecStart(problem) = error {
        return format!("the kubeconfig's login program cannot be started: {problem}; is it installed?");
    }
    if let AuthError::AuthExecRun { cmd, out } = error {
        let said = String::from_utf8_lossy(&out.stderr);
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
        return format!("`{}` ended with {}: {said}", first_word(cmd), out.status);
    }
    chain(error)
}

/// The program of a command, as `Command`'s Debug shows it.
fn first_word(command: &str) -> &str {
    command.trim_start_matches('"').split(['"', ' ']).next().unwrap_or(command)
}

/// The innermost cause, which says what the system said.
fn deepest(error: &kube::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// An error and its causes; a cause that its effect already tells of is left out.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
