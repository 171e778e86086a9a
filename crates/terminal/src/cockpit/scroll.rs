//! Where one is in something long: a list with a selection, or a text.

/// A way to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// One back.
    Up,
    /// One on.
    Down,
    /// A screen back.
    PageUp,
    /// A screen on.
    PageDown,
    /// To the beginning.
    First,
    /// To the end.
    Last,
}

impl Motion {
    /// Where it leads from a place among so many, when so many are seen at once.
    pub fn from(self, place: usize, count: usize, seen: usize) -> usize {
        let last = count.saturating_sub(1);
        let page = seen.saturating_sub(1).max(1);
        match self {
            Self::Up => place.saturating_sub(1),
            Self::Down => (place + 1).min(last),
            Self::PageUp => place.saturating_sub(page),
            Self::PageDown => (place + page).min(last),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

/// A list of which one is selected. The rows outside the window cost nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct List {
    /// The selected one.
    pub selected: usize,
    top: usize,
}

impl List {
    /// Moves.
    pub fn go(&mut self, motion: Motion, count: usize, seen: usize) {
        self.selected = motion.from(self.selected, count, seen);
        self.settle(count, seen);
    }

    /// Keeps the selection inside the list, and the window around it.
    pub fn settle(&mut self, count: usize, seen: usize) {
        self.selected = self.selected.min(count.saturating_sub(1));
        self.top = self.window(count, seen).start;
    }

    /// Which ones are seen.
    pub fn window(&self, count: usize, seen: usize) -> std::ops::Range<usize> {
        let seen = seen.max(1);
        let selected = self.selected.min(count.saturating_sub(1));
        let top = self.top.min(selected).max((selected + 1).saturating_sub(seen)).min(count.saturating_sub(seen));
        top..(top + seen).min(count)
    }
}

/// A place in a text, and what is searched for in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scroll {
    /// The first line that is seen.
    pub top: usize,
    /// What is searched for; empty for nothing.
    pub find: String,
}

impl Scroll {
    /// Moves over a text of so many lines.
    pub fn go(&mut self, motion: Motion, lines: usize, seen: usize) {
        let last = lines.saturating_sub(seen);
        self.top = motion.from(self.top.min(last), last + 1, seen);
    }

    /// The next line after the top, or before it, that holds what is searched for; goes there.
    pub fn hit<'l>(&mut self, lines: impl DoubleEndedIterator<Item = (usize, &'l str)>, back: bool) -> bool {
        let find = self.find.to_lowercase();
        let holds = |text: &str| !find.is_empty() && text.to_lowercase().contains(&find);
        let top = self.top;
        let mut hits = lines.filter(|(_, text)| holds(text)).map(|(line, _)| line);
        let found = if back { hits.rfind(|line| *line < top) } else { hits.find(|line| *line > top) };
        self.top = found.unwrap_or(top);
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Motion, Scroll};

    #[test]
    fn the_window_follows_the_selection_and_never_leaves_the_list() {
        let mut list = List::default();
        for _ in 0..12 {
            list.go(Motion::Down, 100, 10);
        }
        assert_eq!(list.window(100, 10), 3..13, "the selected one is the last that is seen");
        list.go(Motion::Up, 100, 10);
        assert_eq!(list.window(100, 10), 3..13, "the window stays where it still shows the selection");
        list.go(Motion::Last, 100, 10);
        assert_eq!(list.window(100, 10), 90..100);
        list.settle(4, 10);
        assert_eq!((list.selected, list.window(4, 10)), (3, 0..4), "the list got shorter");
        assert_eq!(List::default().window(0, 10), 0..0);
    }

    #[test]
    fn a_text_is_searched_in_both_directions() {
        let text = ["alpha", "beta", "Alpha", "gamma"];
        let lines = || text.iter().enumerate().map(|(index, line)| (index, *line));
        let mut scroll = Scroll { find: "ALPHA".to_owned(), ..Scroll::default() };
        assert!(scroll.hit(lines(), false) && scroll.top == 2, "letters of either case match");
        assert!(!scroll.hit(lines(), false) && scroll.top == 2, "there is none after it");
        assert!(scroll.hit(lines(), true) && scroll.top == 0);
    }
}
