//! One line that is typed.

use tui_input::Input;

use super::message::Key;

/// A line with a cursor.
#[derive(Debug, Clone, Default)]
pub struct Field {
    input: Input,
}

impl Field {
    /// A line that holds a text already, the cursor behind it.
    pub fn new(text: &str) -> Self {
        Self { input: Input::new(text.to_owned()) }
    }

    /// What stands in it.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Takes a key; says whether the text is another one now.
    pub fn press(&mut self, key: &Key) -> bool {
        key.request.and_then(|request| self.input.handle(request)).is_some_and(|changed| changed.value)
    }

    /// Takes pasted text; its line ends become spaces.
    pub fn paste(&mut self, text: &str) -> bool {
        let before = self.text().to_owned();
        for character in text.trim_end_matches(['\n', '\r']).chars() {
            let character = if matches!(character, '\n' | '\r' | '\t') { ' ' } else { character };
            self.input.handle(tui_input::InputRequest::InsertChar(character));
        }
        before != self.text()
    }

    /// What of it is shown in so many columns, and the column of the cursor in that.
    pub fn window(&self, columns: usize) -> (String, usize) {
        let columns = columns.max(2);
        let before: String = self.text().chars().take(self.input.cursor()).collect();
        let (before, all) = (crate::text::line(&before), crate::text::line(self.text()));
        let cursor = crate::text::width(&before);
        let hidden = (cursor + 1).saturating_sub(columns);
        let (mut skipped, mut shown, mut used) = (0, String::new(), 0);
        for character in all.chars() {
            let wide = unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
            if skipped < hidden {
                skipped += wide;
                continue;
            }
            if used + wide > columns {
                break;
            }
            used += wide;
            shown.push(character);
        }
        (shown, cursor.saturating_sub(skipped))
    }
}
