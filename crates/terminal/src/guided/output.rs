//! Output of a running act as it comes: behind a bar, without control characters, and bounded.

use crate::style::Style;
use crate::text;

/// Lines shown of one act; the rest is kept and can be read afterwards.
const SHOWN: usize = 60;
/// Rows that one line of output may take.
const ROWS: usize = 4;
/// Characters of an unfinished line that are kept waiting for its end.
const PENDING: usize = 8192;

/// The output of one act.
#[derive(Debug, Default)]
pub struct OutputPane {
    pending: String,
    stream: String,
    lines: usize,
}

impl OutputPane {
    /// Takes a piece of output; gives back the lines that it completes.
    pub fn take(&mut self, stream: &str, piece: &str, style: Style) -> String {
        let mut out = String::new();
        if self.stream != stream {
            out.push_str(&self.end_line(style));
            stream.clone_into(&mut self.stream);
        }
        // Each character is moved once, however many lines a piece has.
        for part in piece.split_inclusive('\n') {
            self.pending.push_str(part);
            if part.ends_with('\n') {
                out.push_str(&self.end_line(style));
            }
        }
        if self.pending.len() > PENDING {
            out.push_str(&self.end_line(style));
        }
        out
    }

    /// Ends the act's output: the unfinished line, and where the rest can be read.
    pub fn finish(&mut self, execution: &str, step: &str, style: Style) -> String {
        let mut out = self.end_line(style);
        if self.lines > SHOWN {
            let more = text::count(self.lines - SHOWN, "more line", "more lines");
            let command = format!("belay output {} {}", text::short(execution), text::quoted(&text::line(step)));
            put!(out, "  {} {more}: {}\n", style.dim("┆"), style.code(&command));
        }
        *self = Self::default();
        out
    }

    fn end_line(&mut self, style: Style) -> String {
        let line = std::mem::take(&mut self.pending);
        if line.is_empty() { String::new() } else { self.shown(&line, style) }
    }

    fn shown(&mut self, line: &str, style: Style) -> String {
        self.lines += 1;
        if self.lines > SHOWN {
            return String::new();
        }
        let bar = if self.stream == "stderr" { style.care("┃") } else { style.dim("│") };
        let safe = text::block(line.trim_end_matches(['\n', '\r']));
        let rows = text::fold(&safe, style.columns.saturating_sub(4));
        let more = rows.len() > ROWS;
        let mut out = String::new();
        for row in rows.into_iter().take(ROWS) {
            put!(out, "  {bar} {row}\n");
        }
        if more {
            put!(out, "  {bar} …\n");
        }
        out
    }
}
