//! What stands in front of a page: words that are asked for, a menu, the keys.

use belay_cockpit::api::{CallError, CandidatesInRequest};
use belay_cockpit::wire::StepView;

use super::choices::Choices;
use super::deed::{Deed, Purpose};
use super::field::Field;
use super::message::Key;
use super::scroll::{List, Motion};

/// Lines of a menu that are seen at once.
pub const MENU_ROWS: usize = 12;

/// A dialog.
#[derive(Debug)]
pub enum Dialog {
    /// Words are asked for.
    Words(Box<Words>),
    /// Something is to be chosen.
    Menu(Menu),
    /// The keys, from a line on.
    Help(usize),
}

/// Words that are asked for.
#[derive(Debug)]
pub struct Words {
    /// What for.
    pub purpose: Purpose,
    /// The execution that they are said to; empty for none.
    pub execution: String,
    /// The step as it was shown when the question was asked: an approval is of exactly this.
    pub step: Option<StepView>,
    /// What there is to know before it is said, as it was when the question was asked.
    pub about: Vec<String>,
    /// The first line that is seen of what the question is about.
    pub top: usize,
    /// What is typed.
    pub field: Field,
    /// Why it was not taken; what was typed stays.
    pub error: Option<CallError>,
    /// The call that is under way.
    pub sending: Option<u64>,
    /// What the value that is asked for could be.
    pub choices: Choices,
}

impl Words {
    /// What is to be looked for, so that a value that is missing need not be known by heart.
    pub fn wanted(&self) -> Option<CandidatesInRequest> {
        let Purpose::Provide { given, missing } = &self.purpose else { return None };
        let names = vec![missing.first()?.name.clone()];
        Some(CandidatesInRequest { execution: self.execution.clone(), given: given.clone(), names })
    }

    /// Takes the candidate beside the one that was picked; says whether there is one.
    pub fn choose(&mut self, on: bool) -> bool {
        let chosen = self.choices.pick(self.field.text(), on).as_deref().map(Field::new);
        let chose = chosen.is_some();
        self.field = chosen.unwrap_or_else(|| std::mem::take(&mut self.field));
        chose
    }
}

/// Something is to be chosen; typing narrows the list.
#[derive(Debug, Default)]
pub struct Menu {
    /// The heading.
    pub title: String,
    /// What is typed.
    pub field: Field,
    /// The lines.
    pub entries: Vec<Entry>,
    /// Which one is selected.
    pub list: List,
    /// Whether an entry's key chooses it.
    pub keys: bool,
}

/// A line of a menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its key; empty for none.
    pub key: String,
    /// What it is.
    pub label: String,
    /// What there is to know about it.
    pub detail: String,
    /// What it does.
    pub deed: Deed,
}

/// What becomes of a menu after a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Chosen {
    /// Nothing yet.
    Open,
    /// It is closed.
    Closed,
    /// This is to be done.
    Deed(Box<Deed>),
}

impl Menu {
    /// A menu of entries.
    pub fn new(title: &str, entries: Vec<Entry>) -> Self {
        Self { title: title.to_owned(), entries, ..Self::default() }
    }

    /// A menu in which keys choose.
    pub fn with_keys(title: &str, entries: Vec<Entry>) -> Self {
        Self { keys: true, ..Self::new(title, entries) }
    }

    /// The entries that hold every word that is typed.
    pub fn shown(&self) -> Vec<&Entry> {
        let words: Vec<String> = self.field.text().to_lowercase().split_whitespace().map(str::to_owned).collect();
        let holds = |entry: &&Entry| {
            let text = format!("{} {}", entry.label, entry.detail).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        self.entries.iter().filter(holds).collect()
    }

    /// Takes a key.
    pub fn press(&mut self, key: &Key) -> Chosen {
        if self.keys
            && self.field.text().is_empty()
            && let Some(entry) = self.entries.iter().find(|entry| !entry.key.is_empty() && entry.key == key.name)
        {
            return Chosen::Deed(Box::new(entry.deed.clone()));
        }
        let count = self.shown().len();
        match key.name.as_str() {
            "Esc" => return Chosen::Closed,
            "Enter" => {
                return match self.shown().get(self.list.selected) {
                    Some(entry) => Chosen::Deed(Box::new(entry.deed.clone())),
                    None => Chosen::Open,
                };
            }
            "Up" | "C-p" | "BackTab" => self.list.go(Motion::Up, count, MENU_ROWS),
            "Down" | "C-n" | "Tab" => self.list.go(Motion::Down, count, MENU_ROWS),
            "PageUp" => self.list.go(Motion::PageUp, count, MENU_ROWS),
            "PageDown" => self.list.go(Motion::PageDown, count, MENU_ROWS),
            _ => {
                if self.field.press(key) {
                    self.list = List::default();
                }
            }
        }
        Chosen::Open
    }
}
