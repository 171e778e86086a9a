//! `kubernetes.exec`.

use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Ending, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Named, of_pod};
use crate::action::{OutputChunk, Stream};
use crate::command::{read_argv, report, shown};
use crate::declaration::{integer, list, text};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{ClusterAct, LONGEST_WAIT, Site};
use crate::process::Capture;
use crate::redact::Redaction;

/// The annotation by which `kubectl exec` chooses among several containers.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Bytes of each stream that are shown and hashed.
const KEEP: usize = 1 << 20;

/// Bytes of each stream that wait for their reader.
const BUFFER: usize = 64 * 1024;

/// What a container runtime says where a command was never started.
const NEVER_STARTED: [&str; 3] =
    ["unable to start container process", "unable to upgrade connection", "container not found"];

/// Runs a command in a container, without a terminal and without input.
///
/// The API has no precondition for this: the pod's uid is compared right before the command is sent.
pub(super) struct Exec;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    container: Option<String>,
    argv: Value,
}

impl Parameters {
    fn argv(&self) -> Result<Vec<String>, Trouble> {
        read_argv(&self.argv).map_err(|error| Trouble::before(error.to_string()))
    }
}

#[async_trait]
impl ClusterAct for Exec {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        of_pod("exec", "Run a program in a container of a pod, without a shell, a terminal or input")
            .required("argv", Sink::Argument, list(&text("an argument"), "the program and its arguments"))
            .optional(
                "container",
                Sink::Name,
                text("the container; needed where the pod has several and none is annotated as the default"),
            )
            .output("stdout", text("standard output, at most 64 KiB"))
            .output("stderr", text("standard error, at most 64 KiB"))
            .output("exitCode", integer(0, "the exit status"))
            .output("json", json!({ "description": "standard output as JSON, where it is an object or a list" }))
            .output("container", text("the container that it ran in"))
            .mutates(false)
            .access("get pods/exec")
            .access("create pods/exec")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let line = match parameters.argv() {
            Ok(argv) => argv.iter().map(|argument| shown(argument)).collect::<Vec<_>>().join(" "),
            Err(_) => "a command".to_owned(),
        };
        let line = report::shortened(&line, 200).replace('\n', " ");
        let container =
            parameters.container.as_ref().map_or_else(String::new, |container| format!(", container {container}"));
        format!("run {line} in pod {}{container}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        parameters.argv()?;
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let pod = parameters.named.expect(site).await?;
        let container = container(&pod, &parameters)?;
        runs(&pod)?;
        prepared.facts.insert("podExists".to_owned(), json!(true));
        prepared.reasons.push("a command in a container may change anything".to_owned());
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(pod.metadata.uid));
        prepared.basis.values.insert("container".to_owned(), json!(container));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let (argv, container) = match target(site, &parameters, preparation).await {
            Ok(target) => target,
            Err(trouble) => return trouble.unsent().outcome(),
        };
        let limit = site.surroundings.timeout.unwrap_or(LONGEST_WAIT);
        let mut streams = Streams::new();
        let end = tokio::select! {
            end = execute(site, &parameters, argv, &container, &mut streams) => end,
            () = tokio::time::sleep(limit) => End::Left(Ending::TimedOut, limit),
            () = site.surroundings.cancel.cancelled() => End::Left(Ending::Cancelled, limit),
        };
        let mut outcome = streams.outcome(site, end);
        if !outcome.output.is_null() {
            outcome.output["container"] = json!(container);
        }
        outcome
    }
}

/// The container that is meant.
fn container(pod: &Pod, parameters: &Parameters) -> Result<String, Trouble> {
    let spec = pod.spec.as_ref();
    let names: Vec<&str> = spec.iter().flat_map(|spec| &spec.containers).map(|one| one.name.as_str()).collect();
    let initial = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten()).map(|one| one.name.as_str());
    let added = spec.into_iter().flat_map(|spec| spec.ephemeral_containers.iter().flatten());
    let annotated = || pod.metadata.annotations.as_ref()?.get(DEFAULT_CONTAINER).map(String::as_str);
    let wanted = match (parameters.container.as_deref(), names.as_slice()) {
        (Some(container), _) => container,
        (None, [only]) => only,
        (None, _) => annotated().filter(|container| names.contains(container)).ok_or_else(|| {
            Trouble::before(format!(
                "pod `{}` has several containers ({}); name one in `container`",
                parameters.named.pod_name,
                names.join(", ")
            ))
        })?,
    };
    let mut all = names.iter().copied().chain(initial).chain(added.map(|one| one.name.as_str()));
    if all.any(|name| name == wanted) {
        return Ok(wanted.to_owned());
    }
    Err(Trouble::before(format!(
        "pod `{}` has no container `{wanted}`; it has {}",
        parameters.named.pod_name,
        names.join(", ")
    )))
}

fn runs(pod: &Pod) -> Result<(), Trouble> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    if phase == "Running" {
        return Ok(());
    }
    Err(Trouble::before(format!("pod `{}` is {phase}; a command needs one that runs", super::named(pod))))
}

/// The command and its container, where the pod is still the one that was read.
async fn target(
    site: &Site<'_>,
    parameters: &Parameters,
    preparation: &Preparation,
) -> Result<(Vec<String>, String), Trouble> {
    let argv = parameters.argv()?;
    let read = |name: &str| preparation.basis.values.get(name).and_then(Value::as_str);
    let container = read("container").ok_or_else(|| Trouble::before("it was never prepared"))?;
    let pod = parameters.named.expect(site).await?;
    if pod.metadata.uid.as_deref() != read("uid") {
        return Err(Trouble::before(format!(
            "`{}` is another pod of the same name now; prepare it anew",
            parameters.named.shown()
        )));
    }
    Ok((argv, container.to_owned()))
}

/// How it came to an end.
enum End {
    /// The command's own end, as the server tells it.
    Told(Box<Status>),
    /// The request came to nothing.
    Refused(Trouble),
    /// The connection ended before that of the command.
    Cut(String),
    /// It was left running.
    Left(Ending, Duration),
}

/// Both streams, redacted and bounded.
struct Streams {
    stdout: Capture,
    stderr: Capture,
}

/// Sends the command once, and follows it to its end.
async fn execute(
    site: &Site<'_>,
    parameters: &Parameters,
    argv: Vec<String>,
    container: &str,
    streams: &mut Streams,
) -> End {
    let how = AttachParams::default()
        .stdin(false)
        .stdout(true)
        .stderr(true)
        .tty(false)
        .container(container)
        .max_stdout_buf_size(BUFFER)
        .max_stderr_buf_size(BUFFER);
    let api = parameters.named.api(site);
    let asked = parameters.named.asked(site, "create", "pods/exec");
    match site.cluster.once(&asked, api.exec(&parameters.named.pod_name, argv, &how)).await {
        Ok(attached) => follow(site, attached, streams).await,
        Err(trouble) => End::Refused(refusal(trouble, asked)),
    }
}

/// A refusal under the right that is missing: a WebSocket is opened by a GET, and needs the right to create too.
fn refusal(trouble: Trouble, asked: Asked<'_>) -> Trouble {
    let said = trouble.to_string();
    if trouble.code() == Some(403) && said.contains("cannot get resource") {
        let words = said.split("; a role with").next().unwrap_or(&said);
        return Trouble::forbidden(words, &Asked { verb: "get", ..asked });
    }
    if NEVER_STARTED.iter().any(|words| said.contains(words)) {
        return Trouble::refused(500, said);
    }
    trouble
}

/// Reads both streams until the server has told how the command ended, or the connection is gone.
///
/// The streams of a connection that broke never end by themselves; what tells of it is that nobody is left to send the
/// status. What has come by then is read first.
async fn follow(site: &Site<'_>, mut attached: AttachedProcess, streams: &mut Streams) -> End {
    let (mut stdout, mut stderr) = (attached.stdout(), attached.stderr());
    let Some(status) = attached.take_status() else { return End::Cut("its status was taken".to_owned()) };
    let mut status = std::pin::pin!(status);
    let (mut from_stdout, mut from_stderr) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut told = None;
    while told.is_none() || stdout.is_some() || stderr.is_some() {
        let (stream, read) = tokio::select! {
            biased;
            read = next(&mut stdout, &mut from_stdout) => (Stream::Stdout, read),
            read = next(&mut stderr, &mut from_stderr) => (Stream::Stderr, read),
            status = &mut status, if told.is_none() => {
                told = status;
                if told.is_none() {
                    break;
                }
                continue;
            }
        };
        let (capture, buffer) = match stream {
            Stream::Stdout => (&mut streams.stdout, &from_stdout),
            Stream::Stderr => (&mut streams.stderr, &from_stderr),
        };
        show(site, stream, capture.push(buffer.get(..read).unwrap_or_default()));
    }
    match told {
        Some(status) => End::Told(Box::new(status)),
        None => End::Cut(match attached.join().await {
            Ok(()) => "it was closed".to_owned(),
            Err(error) => error.to_string(),
        }),
    }
}

/// Reads on; a stream that has ended is taken away, and one that is away never answers.
async fn next(reader: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(open) = reader else { return std::future::pending().await };
    match open.read(buffer).await {
        Ok(read) if read > 0 => read,
        Ok(_) | Err(_) => {
            *reader = None;
            0
        }
    }
}

fn show(site: &Site<'_>, stream: Stream, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        (site.surroundings.output)(OutputChunk { stream, bytes });
    }
}

impl Streams {
    fn new() -> Self {
        let capture = || Capture::new(Redaction::tokens(), KEEP);
        Self { stdout: capture(), stderr: capture() }
    }

    /// What is known when it has ended.
    fn outcome(self, site: &Site<'_>, end: End) -> Outcome {
        let (shown, stdout) = self.stdout.finish("stdout", None);
        show(site, Stream::Stdout, shown);
        let (shown, stderr) = self.stderr.finish("stderr", None);
        show(site, Stream::Stderr, shown);
        let (stopped, exit_code, error) = match end {
            End::Refused(trouble) => return trouble.outcome(),
            End::Told(status) => {
                exit_code(&status).map_or_else(|| without_code(&status), |code| (None, Some(code), None))
            }
            End::Cut(why) => (
                Some(Ending::Lost),
                None,
                Some(format!("the connection ended before the command did: {why}; what it did is not known")),
            ),
            End::Left(ending, limit) => {
                let why = if ending == Ending::TimedOut {
                    format!("it did not end within {} s", limit.as_secs_f64())
                } else {
                    "it was cancelled".to_owned()
                };
                (Some(ending), None, Some(format!("{why}; it may go on in the container, which belay cannot stop")))
            }
        };
        let finished = report::Finished { stopped, exit_code, signal: None, given_up: false, stdout, stderr };
        let mut outcome = report::outcome(finished);
        if error.is_some() {
            outcome.error = error;
        }
        outcome
    }
}

/// What is known of a command whose end the server tells without an exit status.
fn without_code(status: &Status) -> (Option<Ending>, Option<i32>, Option<String>) {
    let said = status.message.as_deref().unwrap_or_default();
    let begun = !NEVER_STARTED.iter().any(|words| said.contains(words));
    let ending = if begun { Ending::Lost } else { Ending::NotStarted };
    let open = if begun { "; what it did is not known" } else { "" };
    (Some(ending), None, Some(format!("the API server says: {said}{open}")))
}

/// The exit status in the last word of the server; nothing where the command's end is not what it tells of.
///
/// Source: the remote command protocol v4, `NonZeroExitCode`.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_deref()?.parse().ok()
}
