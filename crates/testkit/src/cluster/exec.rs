//! Commands in containers, over a WebSocket with one channel in the first byte of each message.

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use serde_json::{Value, json};

/// A command that somebody wants to run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// What came on standard input until it was closed; empty where none was asked for.
    pub stdin: Vec<u8>,
}

/// What became of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Its exit code.
    pub code: i32,
    /// How long it runs.
    pub takes: std::time::Duration,
    /// What goes wrong after it has written.
    pub fault: Option<ExecFault>,
}

/// What goes wrong with a command once its connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecFault {
    /// The connection ends before the command's end is told.
    Cut,
    /// What tells the command's end is no status.
    Garbled,
    /// The container runtime, or what lies before it, says why there is no exit code.
    Refused(String),
}

impl Executed {
    /// A command that went well and wrote this to standard output.
    pub fn said(stdout: &str) -> Self {
        Self { stdout: stdout.as_bytes().to_vec(), ..Self::default() }
    }

    /// A command that failed with this exit code and wrote this to standard error.
    pub fn failed(code: i32, stderr: &str) -> Self {
        Self { stderr: stderr.as_bytes().to_vec(), code, ..Self::default() }
    }
}

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const CLOSE: u8 = 255;

/// The protocols, the preferred one first.
pub const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

fn on_channel(channel: u8, bytes: &[u8]) -> Message {
    let mut message = vec![channel];
    message.extend_from_slice(bytes);
    Message::Binary(Bytes::from(message))
}

/// Everything from standard input, until it is closed or the peer goes.
pub async fn stdin(socket: &mut WebSocket) -> Vec<u8> {
    let mut input = Vec::new();
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Binary(bytes) = message else {
            if matches!(message, Message::Close(_)) {
                break;
            }
            continue;
        };
        match bytes.split_first() {
            Some((&STDIN, rest)) => input.extend_from_slice(rest),
            Some((&CLOSE, [STDIN])) => break,
            _ => {}
        }
    }
    input
}

/// Which streams the client asked for.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// Sends what a command wrote and how it ended, and ends the connection.
pub async fn answer(mut socket: WebSocket, exec: &Exec, executed: &Executed, streams: Streams) {
    tokio::time::sleep(executed.takes).await;
    let status = match &executed.fault {
        None => Some(status(exec, executed.code).to_string()),
        Some(ExecFault::Cut) => None,
        Some(ExecFault::Garbled) => Some("<html>Bad gateway".to_owned()),
        Some(ExecFault::Refused(why)) => Some(refused(why).to_string()),
    };
    let mut messages = Vec::new();
    if streams.stdout && !executed.stdout.is_empty() {
        messages.extend(executed.stdout.chunks(32 * 1024).map(|chunk| on_channel(STDOUT, chunk)));
    }
    if streams.stderr && !executed.stderr.is_empty() {
        messages.extend(executed.stderr.chunks(32 * 1024).map(|chunk| on_channel(STDERR, chunk)));
    }
    let is_told = status.is_some();
    if let Some(status) = status {
        messages.push(on_channel(ERROR, status.as_bytes()));
        let done = CloseFrame { code: close_code::NORMAL, reason: "".into() };
        messages.push(Message::Close(Some(done)));
    }
    for message in messages {
        // The peer may have gone: then nobody is there who could be told.
        if socket.send(message).await.is_err() {
            return;
        }
    }
    while is_told && let Some(Ok(_)) = socket.recv().await {}
}

/// What a server tells of a command that has no exit code.
fn refused(why: &str) -> Value {
    let message = format!("Internal error occurred: {why}");
    json!({
        "metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500,
        "details": { "causes": [{ "message": why }] },
    })
}

fn status(exec: &Exec, code: i32) -> Value {
    if code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    let message = format!(
        "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
        exec.command.join(" ")
    );
    json!({
        "metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode",
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}
