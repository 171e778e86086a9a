//! A pure simulation: a scripted world, people who answer by a script, a virtual clock, and a kill switch.

pub mod actions;
pub mod crash;
pub mod journal;
pub mod laws;
pub mod people;
pub mod run;
pub mod world;

pub use crash::{crash_everywhere, crash_twice};
pub use people::People;
pub use run::{Run, Setting};
pub use world::Fault;

use belay_engine::event::Author;
use belay_engine::ids::VisitId;

/// The person at the only device.
pub fn me() -> Author {
    Author { responder: "robin".to_owned(), device: "laptop".to_owned() }
}

/// The first visit of a step.
pub fn at(step: &str) -> VisitId {
    visit(step, 1)
}

/// A visit of a step.
pub fn visit(step: &str, visit: u32) -> VisitId {
    VisitId { step: step.into(), visit }
}

/// A runbook from the lines of its `spec` that matter here; the first line stands where the string begins.
pub fn runbook(spec: &str) -> String {
    let mut text = "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: sample\nspec:\n".to_owned();
    let mut lines = spec.lines().filter(|line| !line.trim().is_empty());
    text.push_str("  ");
    text.push_str(lines.next().unwrap_or_default().trim());
    text.push('\n');
    let lines: Vec<&str> = lines.collect();
    let margin = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    for line in lines {
        text.push_str("  ");
        text.push_str(&line[margin..]);
        text.push('\n');
    }
    text
}
