//! What acts on a cluster cost, against the API server of the testkit, as ratios against a floor of the same run.
//!
//! Each line says what was measured, the figure, its limit and whether it holds; the exit status is 1 when one does not.
//! `BELAY_CLUSTER` leaves everything out but one part: `drain` or `list`. Nothing leaves the machine.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench prints, and ends where it cannot measure"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are far below what a float holds exactly")]

mod drain;
mod list;
mod place;
mod raw;

use std::process::ExitCode;

/// One figure with its limit.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
    detail: String,
}

impl Figure {
    fn most(name: impl Into<String>, value: f64, unit: &'static str, limit: f64) -> Self {
        Self { limit: Some(limit), ..Self::told(name, value, unit) }
    }

    fn told(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, limit: None, detail: String::new() }
    }

    fn detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }

    fn print(&self) -> bool {
        let holds = self.limit.is_none_or(|limit| self.value <= limit);
        let limit = self.limit.map_or_else(String::new, |limit| format!(" (limit {limit} {})", self.unit));
        let mark = if holds { "ok  " } else { "OVER" };
        println!("{mark} {:<56} {:>9.3} {}{limit}", self.name, self.value, self.unit);
        if !self.detail.is_empty() {
            println!("       {}", self.detail);
        }
        holds
    }
}

fn main() -> ExitCode {
    // The server that is listed from and the client that lists are processes of their own, which are this program again.
    let mut arguments = std::env::args().skip(1);
    if let Some(probe) = arguments.next()
        && let Some(probe) = probe.strip_prefix("--probe=")
    {
        return list::probe(probe, arguments.next().as_deref(), arguments.next().as_deref());
    }
    let only = std::env::var("BELAY_CLUSTER").ok();
    let mut holds = true;
    for (part, measure) in [("drain", drain::drains as fn() -> Vec<Figure>), ("list", list::lists)] {
        if only.as_deref().is_none_or(|only| only == part) {
            for figure in measure() {
                holds &= figure.print();
            }
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
