//! The syntax tree of a constant shell script.

/// A whole script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) script: Script,
    /// The texts of its here-documents.
    pub(super) documents: Vec<Word>,
}

/// A list of pipelines, in order; what joins them does not matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) pipelines: Vec<Vec<Command>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Simple(Simple),
    Compound(Compound),
    Function { name: String, body: Box<Command> },
}

/// Assignments, words and redirections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Simple {
    pub(super) assignments: Vec<Assignment>,
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: Word,
}

/// A block and the lists in it, its conditions included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compound {
    pub(super) kind: Kind,
    pub(super) bodies: Vec<Script>,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A group, a subshell, `if`, `while`, `until`.
    Plain,
    /// Without words it walks over the positional parameters.
    For {
        name: String,
        words: Option<Vec<Word>>,
    },
    Case {
        subject: Word,
        patterns: Vec<Word>,
    },
    Arithmetic(Arithmetic),
}

/// The names in an arithmetic expression, which a shell may evaluate as expressions in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Arithmetic {
    pub(super) names: Vec<String>,
    /// Whether it holds more than names, numbers and operators.
    pub(super) opaque: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text {
        text: String,
        quoted: bool,
    },
    Parameter(Parameter),
    /// `$(…)` or backticks.
    Output {
        script: Script,
        quoted: bool,
    },
    /// `$((…))`.
    Arithmetic(Arithmetic),
    /// `<(…)` or `>(…)`.
    Process(Script),
}

/// `$name` or `${name…}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameter {
    /// A name, a digit, `@`, `*` or another special parameter.
    pub(super) name: String,
    pub(super) quoted: bool,
    /// The word after an operator.
    pub(super) operand: Option<Word>,
    pub(super) form: Form,
    /// Names in its subscript, offset or length.
    pub(super) arithmetic: Arithmetic,
}

/// What an expansion gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// What the variable holds, or the word where it holds nothing.
    #[default]
    Value,
    /// The same, and the variable holds the word from then on.
    Assign,
    /// A part of it, or something made of it.
    Change,
    /// A number.
    Length,
    /// What it names or evaluates to (`${!name}`, `${name@P}`).
    Evaluate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) kind: Direction,
    pub(super) target: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From a file.
    Read,
    /// Into a file.
    Write,
    /// The here-document of that number.
    Document(usize),
    /// A here-string: the target is the text.
    Text,
    /// Another descriptor.
    Duplicate,
}

impl Form {
    /// The form of an expansion with a sign before its name and one after it.
    pub(super) fn or(self, later: Self) -> Self {
        if self == Self::Value { later } else { self }
    }
}

impl Word {
    /// A word of one quoted text.
    pub(super) fn text(text: &str) -> Self {
        Self { parts: vec![Part::Text { text: text.to_owned(), quoted: true }] }
    }

    /// The word as the command will see it, where that is one word known from the text alone.
    pub(super) fn literal(&self) -> Option<String> {
        let mut literal = String::new();
        for part in &self.parts {
            let Part::Text { text, quoted } = part else { return None };
            // A file's name, or several words.
            let globs = text.contains(['*', '?', '[']) && text != "[" && text != "[[";
            let home = text.starts_with('~') && !text.starts_with("~/");
            let expands = !quoted && (globs || home);
            if expands {
                return None;
            }
            literal.push_str(text);
        }
        if self.has_braces() { None } else { Some(literal) }
    }

    /// The text before the first part that is none.
    pub(super) fn prefix(&self) -> String {
        let texts = self.parts.iter().map_while(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            Part::Parameter(_) | Part::Output { .. } | Part::Arithmetic(_) | Part::Process(_) => None,
        });
        texts.collect()
    }

    /// Whether a shell that knows brace expansion would make several words of it.
    fn has_braces(&self) -> bool {
        let unquoted: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Text { text, quoted: false } => text.as_str(),
                Part::Text { .. }
                | Part::Parameter(_)
                | Part::Output { .. }
                | Part::Arithmetic(_)
                | Part::Process(_) => "x",
            })
            .collect();
        unquoted
            .split_once('{')
            .is_some_and(|(_, rest)| rest.contains('}') && (rest.contains(',') || rest.contains("..")))
    }

    /// Whether its text or the positional parameters may make several words of it, or none.
    pub(super) fn expands(&self) -> bool {
        self.has_braces()
            || self.parts.iter().any(|part| match part {
                Part::Text { text, quoted } => !quoted && text.contains(['*', '?', '[']) && text != "[" && text != "[[",
                Part::Parameter(parameter) => matches!(parameter.name.as_str(), "@" | "*"),
                Part::Output { .. } | Part::Arithmetic(_) | Part::Process(_) => false,
            })
    }

    /// Whether it may become several words, or none.
    pub(super) fn splits(&self) -> bool {
        self.expands()
            || self.parts.iter().any(|part| match part {
                Part::Parameter(parameter) => !parameter.quoted,
                Part::Output { quoted, .. } => !quoted,
                Part::Text { .. } | Part::Arithmetic(_) | Part::Process(_) => false,
            })
    }
}
