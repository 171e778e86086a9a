//! The output of the act that runs, as it comes: bounded, harmless, and with nothing said twice.

use std::collections::VecDeque;

use belay_cockpit::api::RunningOutput;

use crate::cockpit::scroll::{Motion, Scroll};
use crate::text;

/// Lines that are held; all output is kept elsewhere and can be read afterwards.
const LINES: usize = 20_000;
/// Bytes that are held.
const BYTES: usize = 4 << 20;
/// Characters of one line; what is longer goes on in the next.
const LONGEST: usize = 4_096;

/// Output.
#[derive(Debug, Default)]
pub struct Output {
    /// The step that wrote it.
    pub step: String,
    /// Lines, oldest first.
    pub lines: VecDeque<Line>,
    /// Whether earlier output is not here.
    pub cut: bool,
    /// The place in it; not used while the end is shown.
    pub scroll: Scroll,
    /// Whether the place stays where it is.
    pub held: bool,
    /// How much the act has written, in UTF-16 units.
    written: usize,
    bytes: usize,
    /// Whether the last line goes on.
    open: bool,
}

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whether it came on standard error.
    pub error: bool,
    /// The line, harmless.
    pub text: String,
}

impl Output {
    /// Another act starts.
    pub fn begin(&mut self, step: &str) {
        *self = Self { step: step.to_owned(), scroll: Scroll { top: 0, ..self.scroll.clone() }, ..Self::default() };
    }

    /// Takes what a snapshot holds.
    pub fn restore(&mut self, running: &RunningOutput) {
        self.begin(&running.step);
        for piece in &running.pieces {
            self.append(&piece.stream, &piece.text);
        }
        self.written = running.written;
        self.cut = running.cut;
    }

    /// Takes a piece that begins at a place in what the act writes; what is known of it already is left out.
    pub fn take(&mut self, step: &str, stream: &str, at: usize, piece: &str) {
        if self.step != step {
            self.begin(step);
        }
        let known = self.written.saturating_sub(at);
        let mut units = 0;
        let from = piece.char_indices().find(|(_, character)| {
            let before = units;
            units += character.len_utf16();
            before >= known
        });
        self.written = self.written.max(at + piece.encode_utf16().count());
        if let Some(fresh) = from.and_then(|(index, _)| piece.get(index..)) {
            self.append(stream, fresh);
        }
    }

    fn append(&mut self, stream: &str, piece: &str) {
        let error = stream == "stderr";
        let mut first = true;
        for part in text::block(piece).split('\n') {
            let goes_on = std::mem::take(&mut first) && self.open;
            self.push(error, part, goes_on);
        }
        // A piece that ends with a line's end leaves an empty line open, which the next piece fills.
        self.open = true;
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(gone) = self.lines.pop_front() else { break };
            self.bytes -= gone.text.len();
            self.cut = true;
            self.scroll.top = self.scroll.top.saturating_sub(1);
        }
    }

    fn push(&mut self, error: bool, part: &str, goes_on: bool) {
        self.bytes += part.len();
        let last = self.lines.back_mut().filter(|last| goes_on && (last.error == error || last.text.is_empty()));
        if let Some(last) = last.filter(|last| last.text.len() + part.len() <= LONGEST) {
            last.error = error;
            last.text.push_str(part);
            return;
        }
        let mut rest = part;
        while rest.len() > LONGEST {
            let (line, after) = rest.split_at(rest.floor_char_boundary(LONGEST));
            self.lines.push_back(Line { error, text: line.to_owned() });
            rest = after;
        }
        self.lines.push_back(Line { error, text: rest.to_owned() });
    }

    /// How many lines there are; one that is empty and waits to be filled does not count.
    pub fn count(&self) -> usize {
        let waits = self.lines.back().is_some_and(|last| last.text.is_empty());
        self.lines.len() - usize::from(waits)
    }

    /// Moves; at the end it follows what comes.
    pub fn go(&mut self, motion: Motion, seen: usize) {
        let count = self.count();
        if !self.held {
            self.scroll.top = count.saturating_sub(seen);
        }
        self.scroll.go(motion, count, seen);
        self.held = self.scroll.top + seen < count;
    }

    /// Goes to the next or previous line that holds what is searched for.
    pub fn hit(&mut self, back: bool) -> bool {
        if !self.held {
            self.scroll.top = self.count();
        }
        let hit = self.scroll.hit(self.lines.iter().map(|line| line.text.as_str()).enumerate(), back);
        self.held |= hit;
        hit
    }

    /// Shows the end, and what comes.
    pub fn follow(&mut self) {
        self.held = false;
    }

    /// The first line that is seen in so many rows.
    pub fn top(&self, seen: usize) -> usize {
        let last = self.count().saturating_sub(seen);
        if self.held { self.scroll.top.min(self.count().saturating_sub(1)) } else { last }
    }
}

#[cfg(test)]
mod tests {
    use belay_cockpit::api::{OutputPiece, RunningOutput};

    use super::{LINES, Output};

    fn texts(output: &Output) -> Vec<&str> {
        output.lines.iter().take(output.count()).map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn pieces_join_into_lines_and_streams_stay_apart() {
        let mut output = Output::default();
        output.take("a", "stdout", 0, "one\ntw");
        output.take("a", "stdout", 6, "o\n");
        output.take("a", "stderr", 8, "bad\u{1b}[2J\n");
        assert_eq!(texts(&output), ["one", "two", "bad␛[2J"], "what acts on a terminal is shown instead");
        assert!(output.lines.get(2).is_some_and(|line| line.error), "standard error is told apart");
    }

    #[test]
    fn what_a_snapshot_holds_is_not_said_again() {
        let mut output = Output::default();
        let pieces = vec![OutputPiece { stream: "stdout".to_owned(), text: "aé😀\n".to_owned() }];
        output.restore(&RunningOutput { step: "a".to_owned(), pieces, written: 5, cut: false });
        output.take("a", "stdout", 0, "aé😀\nnext\n");
        assert_eq!(texts(&output), ["aé😀", "next"], "the first five UTF-16 units were known");
        output.take("b", "stdout", 0, "other\n");
        assert_eq!(texts(&output), ["other"], "another step's output begins anew");
    }

    #[test]
    fn memory_is_bounded_and_the_newest_is_kept() {
        let mut output = Output::default();
        let mut at = 0;
        for number in 0..LINES + 500 {
            let piece = format!("line {number}\n");
            output.take("a", "stdout", at, &piece);
            at += piece.len();
        }
        assert!(output.lines.len() <= LINES && output.cut, "old lines are gone, and that is said");
        assert_eq!(texts(&output).last().copied(), Some(format!("line {}", LINES + 499).as_str()));
        output.take("a", "stdout", at, &"x".repeat(20_000));
        assert!(output.lines.iter().all(|line| line.text.len() <= 4_096), "a line without end is broken");
    }
}
