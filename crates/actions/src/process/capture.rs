//! One output stream of a child: redacted, hashed and bounded.

use belay_runbook::act::StreamSummary;
use sha2::{Digest as _, Sha256};

use super::hex;
use crate::redact::{Redaction, Redactor};

/// Text of one stream kept for the outcome.
const TEXT_LIMIT: usize = 64 * 1024;

/// Takes the bytes of one stream and keeps its head and its tail.
///
/// The head is redacted as a stream and shown while it comes. What follows goes raw into a ring; at the end the ring is
/// redacted, and where bytes were lost before it, its first part is dropped, so that the rest of a secret that began
/// in the lost part is never shown.
pub(crate) struct Capture {
    redaction: Redaction,
    head: Redactor,
    head_left: usize,
    tail: Ring,
    total: u64,
    hash: Sha256,
    text: HeadTail,
}

/// What is left of a stream when it ended.
pub(crate) struct Captured {
    pub(crate) summary: StreamSummary,
    pub(crate) text: String,
    /// Whether `text` is all there was.
    pub(crate) whole: bool,
}

impl Capture {
    pub(crate) fn new(redaction: Redaction, keep: usize) -> Self {
        let half = keep / 2;
        let margin = redaction.margin();
        Self {
            head: Redactor::new(redaction.clone()),
            head_left: half,
            tail: Ring::new(half.saturating_add(margin)),
            redaction,
            total: 0,
            hash: Sha256::new(),
            text: HeadTail::new(TEXT_LIMIT),
        }
    }

    /// Takes bytes and returns what can be shown now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.total += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_left));
        self.head_left -= head.len();
        self.tail.push(rest);
        if head.is_empty() {
            return Vec::new();
        }
        let shown = self.head.push(head);
        self.keep(&shown);
        shown
    }

    /// Ends the stream, with a remark where there is one, and returns what had not been shown.
    pub(crate) fn finish(mut self, name: &str, remark: Option<&str>) -> (Vec<u8>, Captured) {
        let lost = self.tail.lost();
        let tail = std::mem::replace(&mut self.tail, Ring::new(0)).into_bytes();
        let mut shown = Vec::new();
        let mut left_out = 0;
        if lost == 0 {
            shown = self.head.push(&tail);
            shown.extend(self.head.finish());
        } else {
            // What the redactor of the head still holds may be the start of a secret.
            let margin = self.redaction.margin().min(tail.len());
            let mut redactor = Redactor::new(self.redaction.clone());
            let _dropped_margin = redactor.push(&tail[..margin]);
            let held = redactor.held_back();
            let after = [redactor.push(&tail[margin..]), redactor.finish()].concat();
            left_out = lost + (self.head.held_back() + margin - held) as u64;
            shown.extend_from_slice(format!("\n[belay: {left_out} bytes left out]\n").as_bytes());
            shown.extend(after);
        }
        if let Some(remark) = remark {
            shown.extend_from_slice(format!("\n[belay: {remark}]\n").as_bytes());
        }
        self.keep(&shown);
        let whole = left_out == 0 && self.text.whole();
        let summary = StreamSummary {
            name: name.to_owned(),
            bytes: self.total,
            sha256: hex(&self.hash.finalize()),
            truncated: left_out > 0,
        };
        (shown, Captured { summary, text: self.text.into_text(), whole })
    }

    fn keep(&mut self, shown: &[u8]) {
        self.hash.update(shown);
        self.text.push(shown);
    }
}

/// The first and the last bytes of something long.
struct HeadTail {
    head: Vec<u8>,
    head_limit: usize,
    tail: Ring,
}

impl HeadTail {
    fn new(limit: usize) -> Self {
        Self { head: Vec::new(), head_limit: limit / 2, tail: Ring::new(limit / 2) }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.head_limit - self.head.len();
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(head);
        self.tail.push(rest);
    }

    fn whole(&self) -> bool {
        self.tail.lost() == 0
    }

    fn into_text(mut self) -> String {
        let lost = self.tail.lost();
        if lost > 0 {
            self.head.extend_from_slice(format!("\n[belay: {lost} bytes left out]\n").as_bytes());
        }
        self.head.extend(self.tail.into_bytes());
        String::from_utf8_lossy(&self.head).into_owned()
    }
}

/// The last bytes of something long, in constant memory.
struct Ring {
    bytes: Vec<u8>,
    limit: usize,
    start: usize,
    total: u64,
}

impl Ring {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, start: 0, total: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let mut rest = &bytes[bytes.len().saturating_sub(self.limit)..];
        let room = (self.limit - self.bytes.len()).min(rest.len());
        self.bytes.extend_from_slice(&rest[..room]);
        rest = &rest[room..];
        while !rest.is_empty() {
            let length = rest.len().min(self.limit - self.start);
            self.bytes[self.start..self.start + length].copy_from_slice(&rest[..length]);
            self.start = (self.start + length) % self.limit;
            rest = &rest[length..];
        }
    }

    fn lost(&self) -> u64 {
        self.total - self.bytes.len() as u64
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.rotate_left(self.start);
        self.bytes
    }
}
