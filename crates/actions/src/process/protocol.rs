//! What Belay and its helper say to each other over two pipes.
//!
//! A frame is its length (four bytes, little endian, without itself), a kind (one byte) and a body. Kind 0 is a JSON
//! message; kinds 1 and 2 are output of a job (its number in eight bytes, little endian, then redacted bytes).

use std::collections::BTreeMap;
use std::path::PathBuf;

use belay_runbook::act::Outcome;
use serde::{Deserialize, Serialize};

use crate::action::Stream;

/// The version of the protocol; both sides have to speak the same one.
pub(super) const VERSION: u16 = 2;

/// The largest frame.
pub(super) const LARGEST_FRAME: usize = 16 * 1024 * 1024;

const MESSAGE: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;

/// From Belay to the helper.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Comes first.
    Hello { version: u16 },
    /// Starts a job.
    Run(Box<Request>),
    /// Stops a job.
    Cancel { job: u64 },
}

/// One command to run. Holds the values of secrets, so it is neither shown nor kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) job: u64,
    pub(super) invocation: String,
    pub(super) argv: Vec<String>,
    pub(super) directory: Option<PathBuf>,
    pub(super) environment: BTreeMap<String, String>,
    /// Values to redact.
    pub(super) secrets: Vec<String>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) grace_ms: u64,
    pub(super) linger_ms: u64,
    /// Bytes kept of each stream.
    pub(super) keep: usize,
    pub(super) survives: bool,
    /// The file of its record, which no other command has at the same time.
    pub(super) record: Option<PathBuf>,
    pub(super) spool_directory: Option<PathBuf>,
}

/// From the helper to Belay.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// Answers the hello.
    Hello { version: u16 },
    /// The child of a job exists.
    Started { job: u64, pid: i32, start_time: u64 },
    /// A job ended.
    Ended { job: u64, outcome: Box<Outcome> },
}

/// A frame without its length.
pub(super) enum Frame<'a> {
    /// A JSON message.
    Message(&'a [u8]),
    /// Output of a job.
    Output { job: u64, stream: Stream, bytes: &'a [u8] },
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The frame is larger than any that either side sends.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// The kind or the body is none of ours.
    #[error("a frame is malformed")]
    Malformed,
}

/// Appends a message to what will be sent.
pub(super) fn put_message(outbox: &mut Vec<u8>, message: &impl Serialize) {
    let body = serde_json::to_vec(message).expect("messages hold nothing that JSON cannot");
    put(outbox, MESSAGE, &[&body]);
}

/// Appends output to what will be sent.
pub(super) fn put_output(outbox: &mut Vec<u8>, job: u64, stream: Stream, bytes: &[u8]) {
    let kind = match stream {
        Stream::Stdout => STDOUT,
        Stream::Stderr => STDERR,
    };
    for piece in bytes.chunks(LARGEST_FRAME / 2) {
        put(outbox, kind, &[&job.to_le_bytes(), piece]);
    }
}

fn put(outbox: &mut Vec<u8>, kind: u8, body: &[&[u8]]) {
    let length = 1 + body.iter().map(|part| part.len()).sum::<usize>();
    let length = u32::try_from(length).expect("requests are bounded and output is cut into pieces");
    outbox.extend_from_slice(&length.to_le_bytes());
    outbox.push(kind);
    for part in body {
        outbox.extend_from_slice(part);
    }
}

/// Takes the first whole frame off received bytes and says how many bytes it took.
pub(super) fn take(received: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((length, rest)) = received.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| FrameError::Malformed)?;
    if length > LARGEST_FRAME {
        return Err(FrameError::TooLarge(length));
    }
    let Some(frame) = rest.get(..length) else { return Ok(None) };
    let (kind, body) = frame.split_first().ok_or(FrameError::Malformed)?;
    let stream = match *kind {
        MESSAGE => return Ok(Some((Frame::Message(body), 4 + length))),
        STDOUT => Stream::Stdout,
        STDERR => Stream::Stderr,
        _ => return Err(FrameError::Malformed),
    };
    let (job, bytes) = body.split_first_chunk::<8>().ok_or(FrameError::Malformed)?;
    Ok(Some((Frame::Output { job: u64::from_le_bytes(*job), stream, bytes }, 4 + length)))
}
