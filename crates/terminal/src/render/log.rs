//! One line for each event of the log.

use belay_cockpit::wire::LogEntry;

use super::status::clock;
use crate::style::Style;
use crate::text;

/// Lines for entries: position, time, signature, device, kind and text.
pub fn entries(entries: &[LogEntry], style: Style) -> String {
    entries.iter().map(|entry| self::entry(entry, style)).collect()
}

fn entry(entry: &LogEntry, style: Style) -> String {
    let mark = if entry.verified { style.good("✓ signed") } else { style.bad("✗ NOT VALID") };
    let device: String = text::line(&entry.device).chars().take(8).collect();
    let lead = format!("{:>4} {} {mark} {} ", entry.n, clock(entry.at), style.dim(&device));
    let what = if entry.text.is_empty() { &entry.kind } else { &entry.text };
    let mut out = text::hang(&lead, "              ", &text::line(what), style.columns);
    if let Some(fault) = &entry.fault {
        out.push_str(&text::hang(
            &format!("              {} ", style.bad("!")),
            "                ",
            &text::line(fault),
            style.columns,
        ));
    }
    out
}
