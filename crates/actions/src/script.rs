//! `script.execute`: runs JavaScript in a worker process whose host calls are acts of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, ActTarget, Basis, EXCERPT_LIMIT, Ending, Outcome, Preparation, StreamSummary};
use belay_runbook::action::{ActionSpec, Impact, SCRIPT_ACTION, Sink};
use belay_script::{Host, HostCall, HostReply, Job, Limit, Limits, LogLine, ScriptEnd, ScriptOutcome, Worker};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::action::{
    Action, ActionError, HostAnswer, OutputChunk, OutputSink, ScriptHost, Stream, Surroundings, secret_names,
};
use crate::declaration::{Declaration, object, text};
use crate::host_functions::HOST_OBJECTS;
use crate::redact::Redaction;

/// The run time of a script that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest run time that a script may ask for, in seconds. Waiting for host calls does not count.
const LONGEST_TIMEOUT: f64 = 600.0;

/// Runs scripts.
///
/// Its effect is `read`: the worker can touch the world only through host calls, and each of them is an act with its
/// own effect, approval and journal. It is not idempotent: running the text again from the start makes the calls again.
/// What is safe to repeat is a replay, where the host answers recorded calls from the record.
#[derive(Debug)]
pub struct ScriptExecute {
    spec: ActionSpec,
    worker: Worker,
}

impl ScriptExecute {
    /// Runs scripts in this worker.
    pub fn new(worker: Worker) -> Self {
        let mut spec = Declaration::new(SCRIPT_ACTION, "Run JavaScript that calls actions")
            .required("script", Sink::Script, text("the body of an async function"))
            .optional("variables", Sink::Json, object("read by the script as `variables`"))
            .optional("context", Sink::Json, object("read and written by the script as `context`"))
            .optional(
                "timeout",
                Sink::Json,
                json!({
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": LONGEST_TIMEOUT,
                    "description": "seconds that the script may compute, 10 where absent; waiting does not count",
                }),
            )
            .not_idempotent()
            .build();
        // A script may return any JSON value, and publishes under names of its own.
        spec.output = json!({ "description": "the returned value" });
        Self { spec, worker }
    }
}

#[async_trait]
impl Action for ScriptExecute {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        let script = parameters.get("script").and_then(Value::as_str).unwrap_or_default();
        match script.lines().filter(|line| !line.trim().is_empty()).count() {
            0 => "run an empty script".to_owned(),
            1 => "run a script of 1 line".to_owned(),
            lines => format!("run a script of {lines} lines"),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        Parameters::read(&act.parameters)?;
        let target = surroundings.context.get("name").and_then(Value::as_str).unwrap_or("local");
        Ok(Preparation {
            target: ActTarget { name: target.to_owned(), fingerprint: None },
            effect: self.spec.effect,
            impact: Impact::Low,
            reasons: vec!["a script acts only through host calls, and each is an act of its own".to_owned()],
            facts: BTreeMap::new(),
            basis: Basis { known: true, ..Basis::default() },
            undo: None,
            candidates: BTreeMap::new(),
            notes: Vec::new(),
        })
    }

    async fn run(&self, act: &Act, _preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let parameters = match Parameters::read(&act.parameters) {
            Ok(parameters) => parameters,
            Err(error) => return Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        };
        let redaction = redaction(&act.parameters, surroundings).await;
        let host = JournaledHost {
            host: surroundings.host.clone(),
            output: Arc::clone(&surroundings.output),
            redaction: redaction.clone(),
            now: surroundings.now.as_millisecond(),
        };
        let job = Job {
            script: parameters.script,
            variables: parameters.variables,
            context: parameters.context,
            host_objects: HOST_OBJECTS.map(str::to_owned).to_vec(),
            // The same invocation draws the same numbers whenever it is replayed.
            seed: seed(&surroundings.invocation),
            start: host.now,
            limits: Limits { run_time: parameters.timeout, ..Limits::default() },
        };
        let ended = self.worker.run(&job, &host, surroundings.timeout, &surroundings.cancel).await;
        outcome(ended, &redaction, parameters.timeout)
    }
}

/// The parameters, checked.
struct Parameters {
    script: String,
    variables: Map<String, Value>,
    context: Map<String, Value>,
    timeout: Duration,
}

impl Parameters {
    fn read(parameters: &Value) -> Result<Self, ActionError> {
        let script = parameters.get("script").and_then(Value::as_str);
        let script = script.ok_or_else(|| wrong("script", "a text is needed"))?.to_owned();
        let timeout = match parameters.get("timeout") {
            None | Some(Value::Null) => DEFAULT_TIMEOUT,
            Some(timeout) => timeout
                .as_f64()
                .filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST_TIMEOUT)
                .map(Duration::from_secs_f64)
                .ok_or_else(|| wrong("timeout", "seconds above 0 and at most 600 are needed"))?,
        };
        Ok(Self {
            script,
            variables: members(parameters, "variables")?,
            context: members(parameters, "context")?,
            timeout,
        })
    }
}

fn members(parameters: &Value, name: &str) -> Result<Map<String, Value>, ActionError> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(wrong(name, "an object is needed"))
        }
    }
}

fn wrong(parameter: &str, problem: &str) -> ActionError {
    ActionError::Parameter { parameter: parameter.to_owned(), problem: problem.to_owned() }
}

/// The host of one invocation, as the worker's client asks it.
struct JournaledHost {
    host: Option<Arc<dyn ScriptHost>>,
    output: OutputSink,
    redaction: Redaction,
    now: i64,
}

impl Host for JournaledHost {
    async fn call(&self, call: HostCall) -> HostReply {
        let Some(host) = &self.host else {
            let message = format!("`{}` cannot be called here: this script runs without a host", call.function);
            return HostReply::Error { message, at: self.now };
        };
        match host.call(call.index, &call.function, call.arguments).await {
            HostAnswer::Value { value, published, at } => HostReply::Value { value, published, at },
            HostAnswer::Error { message, at } => HostReply::Error { message, at },
            HostAnswer::Suspend => HostReply::Suspend,
        }
    }

    fn log(&self, line: &LogLine) {
        let text = format!("{}\n", self.redaction.text(&line.text));
        (self.output)(OutputChunk { stream: Stream::Stdout, bytes: text.into_bytes() });
    }
}

/// What to hide in everything the script says: secrets that its parameters name, and token shapes.
async fn redaction(parameters: &Value, surroundings: &Surroundings) -> Redaction {
    let mut secrets = Vec::new();
    for name in secret_names(parameters) {
        // A script gets names and no values: what cannot be had cannot be said either.
        secrets.extend(surroundings.secret("variables", &name).await.ok());
    }
    Redaction::of_secrets(secrets.iter().map(ExposeSecret::expose_secret))
}

fn seed(invocation: &str) -> u64 {
    let digest = Sha256::digest(invocation.as_bytes());
    digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// From the end of a script to an outcome.
fn outcome(ended: ScriptOutcome, redaction: &Redaction, timeout: Duration) -> Outcome {
    let ScriptOutcome { end, host_calls: _, logs, logs_truncated } = ended;
    let mut log = String::new();
    for line in &logs {
        log.push_str(&redaction.text(&line.text));
        log.push('\n');
    }
    let streams = if log.is_empty() && !logs_truncated { Vec::new() } else { vec![summary(&log, logs_truncated)] };
    let mut outcome = Outcome { streams, excerpt: excerpt(&log), ..Outcome::bare(ending(&end)) };
    outcome.error = match end {
        ScriptEnd::Returned { value, published } => {
            outcome.output = redaction.value(&value);
            outcome.published = published.into_iter().map(|(name, value)| (name, redaction.value(&value))).collect();
            None
        }
        ScriptEnd::Failed { message, line: Some(line), .. } => Some(format!("line {line}: {message}")),
        ScriptEnd::Failed { message, line: None, .. } => Some(message),
        ScriptEnd::LimitExceeded(limit) => Some(limit_text(limit, timeout)),
        ScriptEnd::DeadlineReached => Some("it was still running at its time limit and was stopped".to_owned()),
        ScriptEnd::Cancelled => Some("it was cancelled".to_owned()),
        ScriptEnd::Suspended { .. } => None,
        ScriptEnd::NotStarted { problem } | ScriptEnd::Lost { problem } => Some(problem),
    };
    outcome.error = outcome.error.map(|error| redaction.text(&error));
    outcome
}

fn ending(end: &ScriptEnd) -> Ending {
    match end {
        ScriptEnd::Returned { .. } => Ending::Succeeded,
        // Every call that a limit cuts off after is journaled with its outcome: nothing is unknown.
        ScriptEnd::Failed { .. } | ScriptEnd::LimitExceeded(_) => Ending::Failed,
        ScriptEnd::DeadlineReached => Ending::TimedOut,
        ScriptEnd::Cancelled => Ending::Cancelled,
        ScriptEnd::Suspended { .. } => Ending::Suspended,
        ScriptEnd::NotStarted { .. } => Ending::NotStarted,
        ScriptEnd::Lost { .. } => Ending::Lost,
    }
}

fn limit_text(limit: Limit, timeout: Duration) -> String {
    match limit {
        Limit::Memory => "the script used more memory than it may".to_owned(),
        Limit::Stack => "the script's calls are nested too deeply".to_owned(),
        Limit::RunTime => format!("the script computed for more than {} s", timeout.as_secs_f64()),
        Limit::HostCalls => "the script made more host calls than it may".to_owned(),
        Limit::Output => "what the script returns, publishes or passes on is too large".to_owned(),
    }
}

fn summary(log: &str, truncated: bool) -> StreamSummary {
    let sha256 = Sha256::digest(log.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let bytes = u64::try_from(log.len()).unwrap_or(u64::MAX);
    StreamSummary { name: "stdout".to_owned(), bytes, sha256, truncated }
}

/// The end of the log, where a script says how it went, within the limit of an event.
fn excerpt(log: &str) -> String {
    let mut from = log.len().saturating_sub(EXCERPT_LIMIT);
    while !log.is_char_boundary(from) {
        from += 1;
    }
    log.get(from..).unwrap_or_default().to_owned()
}
