//! Exports: written with a seal, and verified by the file alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use belay_trust::{DeviceId, Export, ExportError, Hash32, Seal, SignedEnvelope, Succession};
use jiff::Timestamp;
use serde::Serialize;
use ts_rs::TS;

use crate::audit::{self, ExecutionVerdict, VerifyReport};
use crate::error::{CockpitError, chain};
use crate::files;
use crate::journal::Shared;

/// What is known of the end of an exported log: whether anything may have been cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ExportEnd {
    /// Whether a device that wrote events of the log signed that these are all that it held.
    pub proven: bool,
    /// The device that sealed the file.
    pub device: Option<String>,
    /// When it was sealed.
    pub at: Option<Timestamp>,
    /// The same in words.
    pub detail: String,
}

impl ExportEnd {
    fn unproven(why: &str) -> Self {
        Self { proven: false, device: None, at: None, detail: format!("the end is not proven: {why}") }
    }

    fn of(export: &Export) -> Self {
        let Some(seal) = &export.seal else {
            return Self::unproven(if export.wrong.is_empty() {
                "an export of version 1 has no seal, so nobody would notice if its last events were cut off"
            } else {
                "there is no seal that holds"
            });
        };
        let wrote: BTreeSet<DeviceId> = export.events.iter().map(|(_, event)| event.device()).collect();
        let proven = export.wrong.is_empty() && seal.devices().iter().any(|device| wrote.contains(device));
        let device = short(&seal.device());
        let at = i64::try_from(seal.at_ms()).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        let when = at.map(|at| format!(" at {at}")).unwrap_or_default();
        let detail = if !export.wrong.is_empty() {
            format!("the end is not proven: the file is not as device {device} sealed it{when}")
        } else if proven {
            format!("complete: device {device} signed that these are all events it held{when}")
        } else {
            format!("the end is not proven: device {device}, which sealed it{when}, wrote none of the events")
        };
        Self { proven, device: Some(seal.device().to_string()), at, detail }
    }
}

/// A log with the seal of this device; without its key as version 1, whose end is not proven.
pub(crate) fn sealed(
    events: &[SignedEnvelope],
    key: Option<&belay_trust::DeviceKey>,
    successions: &[Succession],
) -> Result<Vec<u8>, CockpitError> {
    let at_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let seal = key.map(|key| Seal::sign(events, successions, key, at_ms));
    let mut bytes = Vec::new();
    belay_trust::write(events, seal.as_ref(), &mut bytes)
        .map_err(|error| CockpitError::environment("the log cannot be written", &error))?;
    Ok(bytes)
}

/// Writes an export whole or not at all.
pub(crate) fn write(bytes: &[u8], out: &Path) -> Result<(), CockpitError> {
    let failed =
        |error: &std::io::Error| CockpitError::environment(&format!("`{}` cannot be written", out.display()), error);
    // A pipe or a device is written, not replaced.
    let special = std::fs::metadata(out).is_ok_and(|there| !there.is_file());
    let written = if special { std::fs::write(out, bytes) } else { files::write(out, bytes, true).map(|_| ()) };
    written.map_err(|error| failed(&error))
}

/// Verifies an exported file by itself: no store, no key, no network.
pub fn verify_file(path: &Path) -> Result<VerifyReport, CockpitError> {
    let bytes = std::fs::read(path).map_err(|error| {
        CockpitError::user(format!("`{}` cannot be read: {error}", path.display()))
            .hint("give an execution, or a file that `belay audit export EXEC --out FILE` wrote")
    })?;
    let export = Export::read(&bytes).map_err(|error| {
        let hint = match &error {
            ExportError::Version { .. } => "use the newer version of belay that wrote it",
            ExportError::Format | ExportError::Line { .. } => "`belay audit export EXEC --out FILE` makes one",
        };
        CockpitError::user(format!("`{}` is not an audit export: {}", path.display(), chain(&error))).hint(hint)
    })?;
    let lines: BTreeMap<Hash32, usize> = export.events.iter().map(|(line, event)| (event.hash(), *line)).collect();
    let mut by_execution: BTreeMap<String, Vec<SignedEnvelope>> = BTreeMap::new();
    for (_, event) in &export.events {
        by_execution.entry(event.execution().to_string()).or_default().push(event.clone());
    }
    let shared = Shared::default();
    let mut executions: Vec<ExecutionVerdict> = by_execution
        .into_iter()
        .map(|(execution, events)| {
            audit::verify(&shared, execution, &belay_trust::causal_order(events), |hash| lines.get(hash).copied())
        })
        .collect();
    if !export.wrong.is_empty() || executions.is_empty() {
        let mut faults: Vec<String> =
            export.wrong.iter().map(|wrong| format!("line {}: {}", wrong.line, chain(&wrong.fault))).collect();
        if faults.is_empty() {
            faults.push("it holds no event".to_owned());
        }
        executions.push(ExecutionVerdict {
            execution: "file".to_owned(),
            events: export.lines as u64,
            status: None,
            ok: false,
            faults,
        });
    }
    let end = ExportEnd::of(&export);
    Ok(VerifyReport { ok: executions.iter().all(|verdict| verdict.ok), executions, end: Some(end) })
}

fn short(device: &DeviceId) -> String {
    device.to_string().chars().take(16).collect()
}
