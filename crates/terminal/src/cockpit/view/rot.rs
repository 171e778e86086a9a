//! The signs of rot beside a hit.

use belay_cockpit::wire::{RotSign, SearchHit};
use ratatui::style::Style;
use ratatui::text::Span;

use super::look::Look;
use crate::text;

/// What separates a sign from what stands before it.
const GAP: &str = "  ";

/// The signs of a hit that fit into so many columns, the worst first, and how many more there are; with the columns that
/// they take.
pub fn signs(hit: &SearchHit, columns: usize, look: Look) -> (Vec<Span<'static>>, usize) {
    let (mut spans, mut taken) = (Vec::new(), 0);
    for (index, sign) in hit.rot.iter().enumerate() {
        let left = hit.rot.len() - index;
        let told = text::line(&sign.text);
        let wide = GAP.len() + text::width(&told);
        // How many more there are has to fit as well.
        let further = if left > 1 { GAP.len() + 2 } else { 0 };
        if taken + wide + further > columns {
            let told = format!("+{left}");
            taken += GAP.len() + told.len();
            spans.extend([Span::raw(GAP), Span::styled(told, look.dim())]);
            break;
        }
        taken += wide;
        spans.extend([Span::raw(GAP), Span::styled(told, weight(sign, look))]);
    }
    (spans, taken)
}

fn weight(sign: &RotSign, look: Look) -> Style {
    match (sign.severity.as_str(), sign.rule.as_str()) {
        ("error", _) => look.bad(),
        (_, "overdue-review") => look.care(),
        _ => look.dim(),
    }
}
