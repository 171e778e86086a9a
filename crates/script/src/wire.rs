//! The protocol between client and worker: frames of a big-endian 32-bit length and that many bytes of JSON.
//!
//! The client sends one [`Opening`], then one [`Answer`] for each [`FromWorker::Call`]; calls come one at a time, so
//! their order depends on the script alone. The worker ends with [`FromWorker::Ended`] or [`FromWorker::Refused`].

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The version of this protocol. Client and worker are normally the same binary; they differ when the program was
/// replaced while it ran.
pub const PROTOCOL: u32 = 2;

/// The largest frame, in bytes, without its length.
pub const FRAME_LIMIT: usize = 32 << 20;

/// The first member of an [`Opening`], read alone to compare versions before the rest is understood.
#[derive(Debug, Serialize, Deserialize)]
pub struct Version {
    /// The sender's [`PROTOCOL`].
    pub protocol: u32,
}

/// The first frame to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    /// The sender's [`PROTOCOL`].
    pub protocol: u32,
    /// The job.
    pub job: WireJob,
}

/// A job as it travels. Values stay raw text, because only the script engine looks into them.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireJob {
    /// The body of an async function.
    pub script: String,
    /// A JSON object.
    pub variables: Box<RawValue>,
    /// A JSON object.
    pub context: Box<RawValue>,
    /// Global objects whose methods are host functions.
    pub host_objects: Vec<String>,
    /// Seeds `Math.random`.
    pub seed: u64,
    /// Milliseconds since the epoch.
    pub start: i64,
    /// The limits.
    pub limits: WireLimits,
}

/// Limits as they travel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WireLimits {
    /// Bytes of values.
    pub memory: usize,
    /// Bytes of stack.
    pub stack: usize,
    /// Milliseconds of computing.
    pub run_time_ms: u64,
    /// Number of host calls.
    pub host_calls: u32,
    /// Bytes of output.
    pub output: usize,
    /// Bytes of log text.
    pub log: usize,
}

/// The answer to one host call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The call's number, from zero.
    pub index: u32,
    /// The instant recorded for it, in milliseconds since the epoch.
    pub at: i64,
    /// Members of `context` that it sets for the rest of the script.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, Value>,
    /// Its value, or why there is none.
    pub result: AnswerResult,
}

/// What a host call gave.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerResult {
    /// A JSON value.
    Value(Box<RawValue>),
    /// A message; the script sees an exception.
    Error(String),
}

/// A frame from the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The script called a host function and the worker waits for the answer.
    Call {
        /// The call's number, from zero.
        index: u32,
        /// `kubernetes.listPods`.
        function: String,
        /// Its positional arguments, a JSON array.
        arguments: Value,
    },
    /// The script logged something.
    Log {
        /// How important it is.
        level: LogLevel,
        /// One entry, perhaps of several lines.
        text: String,
    },
    /// The log limit is reached; nothing more is logged.
    LogTruncated,
    /// The script ended; the last frame.
    Ended(WireEnd),
    /// The worker cannot run this job; the last frame.
    Refused {
        /// The worker's [`PROTOCOL`].
        protocol: u32,
        /// Why.
        problem: String,
    },
}

/// How a script ended, as the worker sees it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireEnd {
    /// It returned.
    Returned {
        /// The returned value.
        value: Value,
        /// Members of `context` that differ from the start; a deleted member is null.
        published: BTreeMap<String, Value>,
    },
    /// It threw, or what it returned is not JSON.
    Failed {
        /// The message.
        message: String,
        /// The line in the script, from one.
        line: Option<u32>,
        /// Frames in the script, innermost first, one a line.
        stack: String,
    },
    /// It ran into a limit.
    LimitExceeded(Limit),
}

/// The limits a script can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory for its values.
    Memory,
    /// Depth of calls.
    Stack,
    /// Time spent computing.
    RunTime,
    /// Number of host calls.
    HostCalls,
    /// Size of what it returns, publishes or passes to a host function.
    Output,
}

/// How important a log entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// `console.debug`.
    Debug,
    /// `log`, `console.log`, `console.info`.
    Info,
    /// `console.warn`.
    Warning,
    /// `console.error`.
    Error,
}

/// Reads one frame; `None` at a clean end of the stream.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while let Some(rest) = length.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut body = vec![0; frame_length(length)?];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

/// Writes one frame and flushes.
pub fn write_frame(to: &mut impl Write, body: &impl Serialize) -> io::Result<()> {
    to.write_all(&frame(body)?)?;
    to.flush()
}

/// The bytes of one frame, its length included.
pub fn frame(body: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, body)?;
    let length = bytes.len() - 4;
    if length > FRAME_LIMIT {
        return Err(too_long(length));
    }
    let length = u32::try_from(length).map_err(|_| too_long(length))?;
    bytes.splice(..4, length.to_be_bytes());
    Ok(bytes)
}

/// The length that a frame's first four bytes announce, refused above [`FRAME_LIMIT`].
pub fn frame_length(prefix: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| too_long(usize::MAX))?;
    if length > FRAME_LIMIT { Err(too_long(length)) } else { Ok(length) }
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes is above the limit of {FRAME_LIMIT}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const GOLDEN_OPENING: &str = r#"{"protocol":2,"job":{"script":"return 1","variables":{"a":1},"context":{},"host_objects":["http"],"seed":7,"start":1000,"limits":{"memory":67108864,"stack":524288,"run_time_ms":10000,"host_calls":200,"output":1048576,"log":262144}}}"#;
    const GOLDEN_FRAMES: &[&str] = &[
        r#"{"call":{"index":0,"function":"http.healthcheck","arguments":["http://x"]}}"#,
        r#"{"log":{"level":"warning","text":"slow"}}"#,
        r#""log_truncated""#,
        r#"{"ended":{"returned":{"value":{"ok":true},"published":{"a":1}}}}"#,
        r#"{"ended":{"failed":{"message":"Error: x","line":3,"stack":"at script:3:7"}}}"#,
        r#"{"ended":{"limit_exceeded":"run_time"}}"#,
        r#"{"refused":{"protocol":2,"problem":"no job"}}"#,
    ];
    const GOLDEN_ANSWERS: &[&str] =
        &[r#"{"index":0,"at":5,"result":{"value":{"b": [1]}}}"#, r#"{"index":1,"at":6,"result":{"error":"refused"}}"#];

    #[test]
    fn version_one_is_read_and_written_unchanged() {
        let opening: Opening = serde_json::from_str(GOLDEN_OPENING).unwrap();
        assert_eq!(serde_json::to_string(&opening).unwrap(), GOLDEN_OPENING, "other versions read these bytes");
        for golden in GOLDEN_FRAMES {
            let frame: FromWorker = serde_json::from_str(golden).unwrap();
            assert_eq!(&serde_json::to_string(&frame).unwrap(), golden, "other versions read these bytes");
        }
        for golden in GOLDEN_ANSWERS {
            let answer: Answer = serde_json::from_str(golden).unwrap();
            assert_eq!(&serde_json::to_string(&answer).unwrap(), golden, "raw values keep their spelling");
        }
    }

    #[test]
    fn a_frame_that_was_written_is_read_back() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &FromWorker::LogTruncated).unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(read_frame(&mut from).unwrap().unwrap(), br#""log_truncated""#);
        assert!(read_frame(&mut from).unwrap().is_none(), "the stream ends cleanly between frames");
    }

    #[test]
    fn a_cut_or_oversized_frame_is_an_error() {
        assert!(read_frame(&mut [0, 0].as_slice()).is_err(), "the length is cut");
        assert!(read_frame(&mut [0, 0, 0, 9, b'{'].as_slice()).is_err(), "the body is cut");
        assert!(read_frame(&mut [255, 255, 255, 255].as_slice()).is_err(), "no 4 GiB are allocated");
    }
}
