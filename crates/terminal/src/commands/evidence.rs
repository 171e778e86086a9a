//! The signed log as evidence, and deleting what is old.

use std::path::Path;

use belay_cockpit::verify_file;
use serde_json::json;

use super::Desk;
use crate::arguments::{Audit, Purge};
use crate::failure::{Exit, Failure};
use crate::render::lists;
use crate::text;

pub fn audit(desk: &Desk, audit: &Audit) -> Result<Exit, Failure> {
    match audit {
        Audit::Verify(verify) => {
            let report = match &verify.what {
                Some(what) if Path::new(what).is_file() || what.contains(['/', '.']) => verify_file(Path::new(what))?,
                Some(what) => desk.cockpit.verify(Some(&desk.cockpit.resolve(what)?))?,
                None => desk.cockpit.verify(None)?,
            };
            desk.show(&report, || lists::verdicts(&report, desk.settings.style))?;
            // A log that does not hold is a signature refused.
            let complete = !verify.complete || report.end.as_ref().is_none_or(|end| end.proven);
            Ok(if report.ok && complete { Exit::Done } else { Exit::Refused })
        }
        Audit::Export(export) => {
            let execution = desk.cockpit.resolve(&export.at.execution)?;
            let events = desk.cockpit.export(&execution, &export.out)?;
            let file = export.out.display().to_string();
            desk.show(&json!({ "execution": execution, "events": events, "file": file }), || {
                format!(
                    "wrote {events} events to {}\nhint: `belay audit verify {}` verifies that file alone\n",
                    text::line(&file),
                    text::quoted(&text::line(&file))
                )
            })?;
            Ok(Exit::Done)
        }
    }
}

pub fn purge(desk: &Desk, purge: &Purge) -> Result<Exit, Failure> {
    let report = desk.cockpit.purge(purge.older_than)?;
    desk.show(&report, || {
        format!("deleted the output of {} acts and {} finished executions\n", report.outputs, report.executions)
    })?;
    Ok(Exit::Done)
}
