//! The audit export: a text file that verifies alone, without the program's database.
//!
//! # Format, version 1
//! UTF-8, one JSON object on each line. The first line is
//! `{"format":"belay.audit","version":1,"events":N,"keys":[public key in hexadecimal, …]}`; each of the N lines after it is
//! `{"hash":"SHA-256 of the envelope","envelope":"standard Base64 of its bytes"}`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::envelope::{EnvelopeError, SignedEnvelope};
use crate::ids::{Hash32, PublicKey};

const FORMAT: &str = "belay.audit";
const VERSION: u32 = 1;

/// Says why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The first line is not the header of an audit export.
    #[error("not an audit export: the first line is no header")]
    Header,
    /// The export was written by a newer program.
    #[error("audit export has version {found}, this program reads version {VERSION}")]
    Version {
        /// The version that it states.
        found: u32,
    },
    /// A line is not an entry.
    #[error("line {line} is not an entry of an audit export")]
    Entry {
        /// The line, from 1.
        line: usize,
    },
    /// The envelope of a line does not have the hash that the line states.
    #[error("the envelope on line {line} does not have the stated hash")]
    Hash {
        /// The line, from 1.
        line: usize,
    },
    /// The envelope of a line is not authentic.
    #[error("the envelope on line {line} is not authentic")]
    Envelope {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: EnvelopeError,
    },
    /// Lines were cut off or added.
    #[error("the header states {stated} events, the export has {found}")]
    Count {
        /// The number in the header.
        stated: usize,
        /// The number of lines.
        found: usize,
    },
    /// The keys of the header are not those that signed the envelopes.
    #[error("the keys in the header are not those of the envelopes")]
    Keys,
}

#[derive(Deserialize, Serialize)]
struct Header {
    format: String,
    version: u32,
    events: usize,
    keys: BTreeSet<PublicKey>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    hash: Hash32,
    envelope: String,
}

/// Writes envelopes as an audit export, in the order given.
///
/// # Errors
/// When `to` cannot be written.
pub fn write<'a>(envelopes: impl IntoIterator<Item = &'a SignedEnvelope>, to: &mut impl Write) -> io::Result<()> {
    let envelopes: Vec<&SignedEnvelope> = envelopes.into_iter().collect();
    let header =
        Header { format: FORMAT.to_owned(), version: VERSION, events: envelopes.len(), keys: keys_of(&envelopes) };
    line(&header, to)?;
    for envelope in envelopes {
        let entry = Entry { hash: envelope.hash(), envelope: STANDARD.encode(envelope.bytes()) };
        line(&entry, to)?;
    }
    Ok(())
}

/// Reads an audit export in which everything is authentic and nothing was cut off.
///
/// # Errors
/// Names the first line that is not as it was written.
pub fn read(export: &[u8]) -> Result<Vec<SignedEnvelope>, ExportError> {
    let (header, entries) = parse(export)?;
    let mut envelopes = Vec::with_capacity(entries.len());
    for (index, (hash, bytes)) in entries.iter().enumerate() {
        let line = index + 2;
        if Hash32::of(bytes) != *hash {
            return Err(ExportError::Hash { line });
        }
        envelopes.push(SignedEnvelope::open(bytes).map_err(|source| ExportError::Envelope { line, source })?);
    }
    if header.events != envelopes.len() {
        return Err(ExportError::Count { stated: header.events, found: envelopes.len() });
    }
    if keys_of(&envelopes.iter().collect::<Vec<_>>()) != header.keys {
        return Err(ExportError::Keys);
    }
    Ok(envelopes)
}

/// Reads the raw envelopes of an audit export without checking any, for [`audit`](crate::audit()) to name what is wrong.
///
/// # Errors
/// When the header or a line is not of the format.
pub fn entries(export: &[u8]) -> Result<Vec<Vec<u8>>, ExportError> {
    let (_, entries) = parse(export)?;
    Ok(entries.into_iter().map(|(_, bytes)| bytes).collect())
}

type RawEntry = (Hash32, Vec<u8>);

fn parse(export: &[u8]) -> Result<(Header, Vec<RawEntry>), ExportError> {
    let mut lines = export.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let (_, first) = lines.next().ok_or(ExportError::Header)?;
    let header: Header = serde_json::from_slice(first).map_err(|_| ExportError::Header)?;
    if header.format != FORMAT {
        return Err(ExportError::Header);
    }
    if header.version != VERSION {
        return Err(ExportError::Version { found: header.version });
    }
    let entries = lines
        .map(|(index, line)| {
            let wrong = || ExportError::Entry { line: index + 1 };
            let entry: Entry = serde_json::from_slice(line).map_err(|_| wrong())?;
            let bytes = STANDARD.decode(entry.envelope).map_err(|_| wrong())?;
            Ok((entry.hash, bytes))
        })
        .collect::<Result<_, _>>()?;
    Ok((header, entries))
}

fn keys_of(envelopes: &[&SignedEnvelope]) -> BTreeSet<PublicKey> {
    envelopes.iter().map(|envelope| envelope.envelope().key).collect()
}

fn line(value: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}
