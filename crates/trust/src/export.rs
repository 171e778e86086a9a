//! The audit export: a text file that verifies alone, without the program's database.
//!
//! # Format
//! UTF-8, one JSON object on each line. The first line is
//! `{"format":"belay.audit","version":2,"events":N,"keys":[public key in hexadecimal, …]}`; each of the N lines after it is
//! `{"hash":"SHA-256 of the envelope","envelope":"standard Base64 of its bytes"}`, and the last one is
//! `{"seal":"standard Base64 of the seal"}` ([`Seal`]), which says how many events there are and where they end.
//! Version 1 has no seal: whoever cuts off its last lines and mends the first one is not noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::envelope::{EnvelopeError, SignedEnvelope};
use crate::ids::{Hash32, PublicKey};
use crate::seal::{self, Seal};

const FORMAT: &str = "belay.audit";
/// The version without a seal.
const UNSEALED: u32 = 1;

/// Says why a file is not read as an export at all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing in it is of the format.
    #[error("no line of it is of the format")]
    Format,
    /// The export was written by a newer program.
    #[error("audit export has version {found}, this program reads versions up to {}", seal::VERSION)]
    Version {
        /// The version that it states.
        found: u32,
    },
    /// A line is not as it was written.
    #[error("line {line}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: LineFault,
    },
}

/// What is wrong with a line of an export.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LineFault {
    /// The first line is not the header.
    #[error("this is not the header of an audit export")]
    Header,
    /// The header states another version than the rest is of.
    #[error("the header states version {stated}, but the file is sealed as version {}", seal::VERSION)]
    StatedVersion {
        /// What it states.
        stated: u32,
    },
    /// Lines were cut off or added.
    #[error("the header states {stated} events, the file has {found}")]
    Count {
        /// The number in the header.
        stated: usize,
        /// The number of lines.
        found: usize,
    },
    /// The keys of the header are not those that signed the envelopes.
    #[error("the keys in the header are not those that signed the events")]
    Keys,
    /// It is neither an event nor a seal.
    #[error("this is not an event of an audit export")]
    Entry,
    /// The envelope does not have the hash that the line states.
    #[error("the event does not have the stated hash {stated}")]
    Hash {
        /// What the line states.
        stated: Hash32,
    },
    /// The envelope is not authentic.
    #[error("the event is not authentic")]
    Envelope(#[source] EnvelopeError),
    /// The event stands in the file already.
    #[error("this is the event of line {of} once more")]
    Repeated {
        /// The first line with it.
        of: usize,
    },
    /// The event was not exported.
    #[error("this event is not among those that were exported")]
    Added,
    /// The event belongs to another execution than the first one.
    #[error("this event belongs to another execution")]
    OtherExecution,
    /// The event stood elsewhere.
    #[error("this event was exported on line {was}")]
    Moved {
        /// Where it stood.
        was: usize,
    },
    /// The event stands before something that it depends on.
    #[error("this event stands before line {before}, on which it depends")]
    Order {
        /// The line with the later event.
        before: usize,
    },
    /// The event that stood here is not in the file.
    #[error("event {hash}, which was exported on this line, is missing")]
    Missing {
        /// The event.
        hash: Hash32,
    },
    /// The seal is not what the exporting device signed.
    #[error("the seal is not authentic")]
    Seal(#[source] EnvelopeError),
    /// The end was cut off.
    #[error("the seal is missing: the end of the file was cut off")]
    NoSeal,
    /// Something was put behind the end.
    #[error("this stands behind the seal, with which the export ended")]
    BehindSeal,
}

/// A line that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrongLine {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: LineFault,
}

/// An export as far as it can be read, with everything that is wrong with its lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Export {
    /// The authentic events, each once, with their lines.
    pub events: Vec<(usize, SignedEnvelope)>,
    /// How many events the lines are, those that are not authentic included.
    pub lines: usize,
    /// The seal; `None` in version 1, or when it is not there or not authentic.
    pub seal: Option<Seal>,
    /// What is wrong, by line.
    pub wrong: Vec<WrongLine>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    events: usize,
    keys: BTreeSet<PublicKey>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    hash: Hash32,
    envelope: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Last {
    seal: String,
}

/// Writes envelopes as an audit export, in the order given, which is that of the seal; without one as version 1.
///
/// # Errors
/// When `to` cannot be written.
pub fn write<'a>(
    envelopes: impl IntoIterator<Item = &'a SignedEnvelope>,
    seal: Option<&Seal>,
    to: &mut impl Write,
) -> io::Result<()> {
    let envelopes: Vec<&SignedEnvelope> = envelopes.into_iter().collect();
    let version = if seal.is_some() { seal::VERSION } else { UNSEALED };
    let keys = keys_of(envelopes.iter().copied());
    line(&Header { format: FORMAT.to_owned(), version, events: envelopes.len(), keys }, to)?;
    for envelope in envelopes {
        line(&Entry { hash: envelope.hash(), envelope: STANDARD.encode(envelope.bytes()) }, to)?;
    }
    seal.map_or(Ok(()), |seal| line(&Last { seal: STANDARD.encode(seal.bytes()) }, to))
}

/// Reads an audit export in which every line is as it was written.
///
/// # Errors
/// Names the first line that is not.
pub fn read(export: &[u8]) -> Result<Vec<SignedEnvelope>, ExportError> {
    let export = Export::read(export)?;
    match export.wrong.into_iter().next() {
        Some(WrongLine { line, fault }) => Err(ExportError::Line { line, source: fault }),
        None => Ok(export.events.into_iter().map(|(_, event)| event).collect()),
    }
}

impl Export {
    /// Reads what can be read and names every line that is not as it was written.
    ///
    /// # Errors
    /// When the file is no export, or one of a newer version.
    pub fn read(export: &[u8]) -> Result<Self, ExportError> {
        Reading::of(export)?.judged()
    }
}

/// An event as its line has it.
struct Line {
    number: usize,
    stated: Hash32,
    bytes: Vec<u8>,
}

/// The lines, taken apart.
#[derive(Default)]
struct Reading {
    header: Option<(usize, Header)>,
    lines: Vec<Line>,
    seal: Option<Seal>,
    /// Whether there is a line with a seal, authentic or not.
    sealed: bool,
    last: usize,
    wrong: Vec<WrongLine>,
}

impl Reading {
    fn of(export: &[u8]) -> Result<Self, ExportError> {
        let mut reading = Self::default();
        let lines = (1..).zip(export.split(|&byte| byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
        for (index, (number, line)) in lines.enumerate() {
            reading.last = number;
            if index == 0 {
                match serde_json::from_slice::<Header>(line) {
                    Ok(header) if header.format == FORMAT => {
                        reading.header = Some((number, header));
                        continue;
                    }
                    Ok(_) | Err(_) => reading.say(number, LineFault::Header),
                }
            }
            reading.take(number, line, index == 0);
        }
        if reading.header.is_none() && reading.lines.is_empty() && !reading.sealed {
            return Err(ExportError::Format);
        }
        Ok(reading)
    }

    fn say(&mut self, line: usize, fault: LineFault) {
        self.wrong.push(WrongLine { line, fault });
    }

    /// Takes a line that is not the header; `instead` of it where the header should stand.
    fn take(&mut self, number: usize, line: &[u8], instead: bool) {
        if self.sealed {
            return self.say(number, LineFault::BehindSeal);
        }
        if let Ok(last) = serde_json::from_slice::<Last>(line) {
            self.sealed = true;
            let malformed = |error: base64::DecodeError| EnvelopeError::Malformed { detail: error.to_string() };
            match STANDARD.decode(last.seal).map_err(malformed).and_then(|bytes| Seal::open(&bytes)) {
                Ok(seal) => self.seal = Some(seal),
                Err(error) => self.say(number, LineFault::Seal(error)),
            }
            return;
        }
        let entry = serde_json::from_slice::<Entry>(line).ok();
        match entry.and_then(|entry| Some((entry.hash, STANDARD.decode(entry.envelope).ok()?))) {
            Some((stated, bytes)) => self.lines.push(Line { number, stated, bytes }),
            None if instead => {}
            None => self.say(number, LineFault::Entry),
        }
    }

    fn judged(mut self) -> Result<Export, ExportError> {
        let version = self.header.as_ref().map(|(_, header)| header.version);
        if let Some(found) = version.filter(|found| !(UNSEALED..=seal::VERSION).contains(found))
            && !self.sealed
        {
            return Err(ExportError::Version { found });
        }
        let (events, broken) = self.authentic();
        match (&self.seal, version) {
            (Some(seal), _) => {
                let seal = seal.clone();
                self.compare(&seal, &events, &broken);
            }
            (None, Some(seal::VERSION)) if !self.sealed => self.say(self.last + 1, LineFault::NoSeal),
            (None, _) => self.hangs_together(&events),
        }
        self.check_header(&events);
        // By line, and what is wrong with a line before what is missing there.
        self.wrong.sort_by_key(|wrong| (wrong.line, matches!(wrong.fault, LineFault::Missing { .. })));
        Ok(Export { events, lines: self.lines.len(), seal: self.seal, wrong: self.wrong })
    }

    /// The authentic events, each once; and the hashes of those that stand in the file but are damaged.
    fn authentic(&mut self) -> (Vec<(usize, SignedEnvelope)>, BTreeSet<Hash32>) {
        let mut events = Vec::with_capacity(self.lines.len());
        let mut seen: BTreeMap<Hash32, usize> = BTreeMap::new();
        let mut broken = BTreeSet::new();
        let mut wrong = Vec::new();
        for Line { number, stated, bytes } in &self.lines {
            let fault = if Hash32::of(bytes) != *stated {
                broken.insert(*stated);
                LineFault::Hash { stated: *stated }
            } else if let Some(&of) = seen.get(stated) {
                LineFault::Repeated { of }
            } else {
                seen.insert(*stated, *number);
                match SignedEnvelope::open(bytes) {
                    Ok(event) => {
                        events.push((*number, event));
                        continue;
                    }
                    Err(error) => LineFault::Envelope(error),
                }
            };
            wrong.push(WrongLine { line: *number, fault });
        }
        self.wrong.extend(wrong);
        (events, broken)
    }

    /// Compares what is there with what was sealed.
    fn compare(&mut self, seal: &Seal, events: &[(usize, SignedEnvelope)], broken: &BTreeSet<Hash32>) {
        // The header is line 1.
        let sealed: BTreeMap<Hash32, usize> = seal.events().iter().copied().zip(2..).collect();
        let mut furthest = 0;
        for (line, event) in events {
            match sealed.get(&event.hash()) {
                None => self.say(*line, LineFault::Added),
                Some(&was) if was < furthest => self.say(*line, LineFault::Moved { was }),
                Some(&was) => furthest = was,
            }
        }
        let there: BTreeSet<Hash32> = events.iter().map(|(_, event)| event.hash()).collect();
        let unreadable: BTreeSet<usize> =
            self.wrong.iter().filter(|wrong| wrong.fault == LineFault::Entry).map(|wrong| wrong.line).collect();
        for (hash, line) in sealed {
            if !there.contains(&hash) && !broken.contains(&hash) && !unreadable.contains(&line) {
                self.say(line, LineFault::Missing { hash });
            }
        }
    }

    /// Checks what can be checked without a seal: one execution, and causes before what follows from them.
    fn hangs_together(&mut self, events: &[(usize, SignedEnvelope)]) {
        let lines: BTreeMap<Hash32, usize> = events.iter().map(|(line, event)| (event.hash(), *line)).collect();
        let first = events.first().map(|(_, event)| event.execution());
        for (line, event) in events {
            if Some(event.execution()) != first {
                self.say(*line, LineFault::OtherExecution);
            }
            if let Some(&before) = event.dependencies().filter_map(|hash| lines.get(&hash)).find(|other| *other > line)
            {
                self.say(*line, LineFault::Order { before });
            }
        }
    }

    fn check_header(&mut self, events: &[(usize, SignedEnvelope)]) {
        let Some((line, header)) = self.header.take() else { return };
        if self.sealed && header.version != seal::VERSION {
            self.say(line, LineFault::StatedVersion { stated: header.version });
        }
        let found = self.lines.len();
        if header.events != found || self.seal.as_ref().is_some_and(|seal| seal.events().len() != header.events) {
            self.say(line, LineFault::Count { stated: header.events, found });
        }
        if keys_of(events.iter().map(|(_, event)| event)) != header.keys {
            self.say(line, LineFault::Keys);
        }
    }
}

fn keys_of<'a>(envelopes: impl IntoIterator<Item = &'a SignedEnvelope>) -> BTreeSet<PublicKey> {
    envelopes.into_iter().map(|envelope| envelope.envelope().key).collect()
}

fn line(value: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}
