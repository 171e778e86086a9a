//! What Belay costs, as ratios against a floor that is measured in the same run.
//!
//! `BELAY_BIN` names the release binary. Each line says what was measured, the figure, its limit and whether it holds;
//! the exit status is 1 when one does not. Nothing leaves the machine.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and ends where it cannot measure")]
#![allow(clippy::cast_precision_loss, reason = "figures are far below what a float holds exactly")]

mod floor;
mod memory;
mod process;
mod step;

use std::path::PathBuf;
use std::process::ExitCode;

/// One figure with its limit.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
    detail: String,
}

impl Figure {
    fn print(&self) -> bool {
        let holds = self.limit.is_none_or(|limit| self.value <= limit);
        let limit = self.limit.map_or_else(String::new, |limit| format!(" (limit {limit} {})", self.unit));
        let mark = if holds { "ok  " } else { "OVER" };
        println!("{mark} {:<44} {:>9.3} {}{limit}", self.name, self.value, self.unit);
        if !self.detail.is_empty() {
            println!("       {}", self.detail);
        }
        holds
    }
}

fn belay() -> PathBuf {
    std::env::var_os("BELAY_BIN").map(PathBuf::from).expect("BELAY_BIN names the belay binary; `make bench` sets it")
}

fn main() -> ExitCode {
    // Memory is measured in processes of their own, which are this program again.
    let mut arguments = std::env::args().skip(1);
    if let Some(probe) = arguments.next()
        && let Some(probe) = probe.strip_prefix("--probe=")
    {
        return memory::probe(probe, arguments.next().as_deref());
    }
    let mut holds = true;
    for measure in [step::durable_step, process::version, process::twenty_steps, memory::waiting] {
        for figure in measure() {
            holds &= figure.print();
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The middle of some figures.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
