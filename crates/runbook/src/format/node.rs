//! A YAML document as a tree that knows where everything stands.

use serde_json::{Map, Number, Value};

use crate::finding::Position;

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) content: Content,
}

/// What stands at a node. Maps keep the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) value: Node,
}

impl Node {
    /// The entry of a key, where this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::List(_) => None,
        }
    }

    /// The text, where this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The number of values in it, itself included.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.content {
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => 0,
            Content::List(items) => items.iter().map(Self::size).sum(),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }

    /// How deep it nests: 0 for a scalar.
    pub(crate) fn depth(&self) -> usize {
        match &self.content {
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => 0,
            Content::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Content::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }

    /// The same as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }
}

/// Where the values and keys of a document stand, by JSON pointer (`/spec/steps/0/name`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    root: Option<Node>,
}

impl Places {
    pub(crate) fn new(root: Option<Node>) -> Self {
        Self { root }
    }

    pub(crate) fn node(&self, pointer: &str) -> Option<&Node> {
        let (steps, node, _) = self.walk(pointer)?;
        (steps == 0).then_some(node)
    }

    /// Where a value starts.
    pub fn value(&self, pointer: &str) -> Option<Position> {
        self.node(pointer).map(|node| node.position)
    }

    /// Where the key of a value starts; the value itself for items of a list and for the whole document.
    pub fn key(&self, pointer: &str) -> Option<Position> {
        let (steps, node, key) = self.walk(pointer)?;
        (steps == 0).then(|| key.unwrap_or(node.position))
    }

    /// Where a value starts, or else its closest ancestor that exists, or else the beginning.
    pub fn nearest(&self, pointer: &str) -> Position {
        self.walk(pointer).map_or(Position { line: 1, column: 1 }, |(_, node, _)| node.position)
    }

    /// Walks as far as it goes: the number of tokens left over, the last node, and the position of its key.
    fn walk(&self, pointer: &str) -> Option<(usize, &Node, Option<Position>)> {
        let mut node = self.root.as_ref()?;
        let mut key = None;
        let tokens: Vec<&str> = pointer.split('/').skip(1).collect();
        for (index, token) in tokens.iter().enumerate() {
            let next = match &node.content {
                Content::List(items) => {
                    token.parse::<usize>().ok().and_then(|index| items.get(index)).map(|item| (item, None))
                }
                Content::Map(_) => node.entry(&unescape(token)).map(|entry| (&entry.value, Some(entry.position))),
                Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => None,
            };
            let Some((next, position)) = next else {
                return Some((tokens.len() - index, node, key));
            };
            node = next;
            key = position;
        }
        Some((0, node, key))
    }
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Writes a key as a token of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
