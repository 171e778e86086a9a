//! What is known of a word: which values reach it, and how far they are still what they were.

/// The most values that one script may hold.
pub(in crate::commands) const MAX_VALUES: usize = 128;

/// A set of values, by their number.
pub(in crate::commands) type Sources = u128;

/// The values that reach a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taint {
    /// Unchanged, so that what is asked of the value can be asked where it enters.
    pub(super) direct: Sources,
    /// Changed by a program or an expansion: nothing is known of the text.
    pub(super) altered: Sources,
    /// What a tool answered that was asked with the value: written by the system that was asked.
    pub(super) answered: Sources,
}

impl Taint {
    pub(super) const NONE: Self = Self { direct: 0, altered: 0, answered: 0 };

    pub(super) fn of(number: usize) -> Self {
        Self { direct: 1 << (number % MAX_VALUES), ..Self::NONE }
    }

    pub(super) fn any(self) -> Sources {
        self.direct | self.altered | self.answered
    }

    /// Text that whoever chose the value may have chosen in full.
    pub(super) fn chosen(self) -> Sources {
        self.direct | self.altered
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            direct: self.direct | other.direct,
            altered: self.altered | other.altered,
            answered: self.answered | other.answered,
        }
    }

    /// After a program.
    pub(super) fn altered(self) -> Self {
        Self { direct: 0, altered: self.direct | self.altered, answered: self.answered }
    }

    /// After a tool that answers from what it knows.
    pub(super) fn answered(self) -> Self {
        Self { answered: self.any(), ..Self::NONE }
    }
}

/// What is asked of a value because of a place that it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Guard {
    /// It may not look like an option.
    Option,
    /// The shell splits it, so it is one plain word.
    Word,
    /// It becomes a part of a redirection's file.
    File,
    /// It may not begin with what makes the program read a file.
    Marker(&'static str),
    /// It is a URL from its first character on.
    Url,
}

/// Values that may not stand where they would get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Refused {
    pub(in crate::commands) sources: Sources,
    pub(in crate::commands) why: String,
    pub(in crate::commands) hint: Option<String>,
}

/// What becomes of the values of a script or an argument vector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::commands) struct Verdict {
    pub(in crate::commands) refused: Vec<Refused>,
    pub(in crate::commands) guards: Vec<(Sources, Guard)>,
}

/// A word of a command.
#[derive(Debug, Clone, Default)]
pub(super) struct Argument {
    /// The word, where it is known.
    pub(super) literal: Option<String>,
    /// The text before the first value or expansion.
    pub(super) prefix: String,
    pub(super) taint: Taint,
    /// What reaches its first character.
    pub(super) start: Taint,
    /// What stands in it without quotes.
    pub(super) open: Taint,
    /// Whether it may become several words, or none.
    pub(super) splits: bool,
}

impl Argument {
    /// A word that the shell or `xargs` adds.
    pub(super) fn added(taint: Taint) -> Self {
        Self { taint, start: taint, splits: true, ..Self::default() }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.literal.as_deref() == Some(word)
    }

    pub(super) fn is_option(&self) -> bool {
        self.prefix.len() > 1 && self.prefix.starts_with('-')
    }
}

pub(super) fn taint_of(arguments: &[Argument]) -> Taint {
    arguments.iter().fold(Taint::NONE, |taint, argument| taint.and(argument.taint))
}
