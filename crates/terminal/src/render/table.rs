//! Columns that line up, and give way where the page is narrow.

use crate::style::Style;
use crate::text;

/// A table whose last column takes what room is left.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell: its text, and the same dressed.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    dressed: Option<String>,
}

impl Cell {
    /// Untrusted text, on one line.
    pub fn new(content: &str) -> Self {
        Self { text: text::line(content), dressed: None }
    }

    /// Our own words, dressed.
    pub fn dressed(content: &str, dressed: String) -> Self {
        Self { text: content.to_owned(), dressed: Some(dressed) }
    }

    fn shown(&self, columns: usize) -> String {
        match &self.dressed {
            Some(dressed) if text::width(&self.text) <= columns => dressed.clone(),
            Some(_) | None => text::cut(&self.text, columns),
        }
    }
}

impl Table {
    /// A table with headings.
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints it; the last column is cut to the page.
    pub fn render(&self, style: Style) -> String {
        let count = self.head.len();
        let mut widths: Vec<usize> = self.head.iter().map(|head| text::width(head)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(text::width(&cell.text));
            }
        }
        narrow(&mut widths, style.columns.saturating_sub(2 * count.saturating_sub(1)));
        let mut out = String::new();
        let heads: Vec<String> = self
            .head
            .iter()
            .zip(&widths)
            .map(|(head, width)| text::pad(&style.dim(&text::cut(head, *width)), *width))
            .collect();
        push_row(&mut out, &heads);
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| text::pad(&cell.shown(*width), *width)).collect();
            push_row(&mut out, &cells);
        }
        out
    }
}

/// Takes columns away from the widest column until everything fits, but leaves every column readable.
fn narrow(widths: &mut [usize], room: usize) {
    const READABLE: usize = 8;
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > READABLE) else {
            return;
        };
        *widest -= 1;
    }
}

fn push_row(out: &mut String, cells: &[String]) {
    out.push_str(cells.join("  ").trim_end());
    out.push('\n');
}
