//! Templates in commands, where `{name}` of a declared variable is a placeholder too.

use std::collections::BTreeSet;

use serde_json::Value;

use super::parse::{self, Expression, ExpressionKind, Node};
use super::{Filled, Origin, Piece, Reference, RenderError, Scope, TemplateError, eval, references};

/// Entries of `commands` joined by line breaks, parsed.
pub(crate) struct Joined {
    nodes: Vec<Node>,
}

impl Joined {
    /// Parses the entries and joins them.
    pub(crate) fn parse(texts: &[&str], variables: &BTreeSet<String>) -> Result<Self, TemplateError> {
        let mut nodes = Vec::new();
        for (position, text) in texts.iter().enumerate() {
            if position > 0 {
                nodes.push(Node::Text("\n".to_owned()));
            }
            nodes.extend(with_placeholders(parse::template(text)?, variables));
        }
        Ok(Self { nodes })
    }

    /// What the text refers to.
    pub(crate) fn references(&self) -> Vec<Reference> {
        references::of_nodes(&self.nodes)
    }
}

/// Evaluates joined entries; what is missing is added to the list.
pub(crate) fn pieces_of_joined(
    joined: &Joined,
    scope: &Scope<'_>,
    missing: &mut Vec<Reference>,
) -> Result<Vec<Piece>, RenderError> {
    let evaluation = eval::evaluate(&joined.nodes, scope)?;
    missing.extend(evaluation.missing);
    Ok(evaluation.pieces)
}

/// The pieces of a text whose values are not known: once with every first branch taken, once with every last one.
pub(crate) fn static_pieces(joined: &Joined) -> [Vec<Piece>; 2] {
    let mut first = Vec::new();
    flatten(&joined.nodes, true, &mut first);
    let mut last = Vec::new();
    flatten(&joined.nodes, false, &mut last);
    [first, last]
}

fn flatten(nodes: &[Node], first: bool, pieces: &mut Vec<Piece>) {
    for node in nodes {
        match node {
            Node::Text(text) => push_text(pieces, text),
            Node::Value(Expression { kind: ExpressionKind::Literal(Value::String(text)), .. }) => {
                push_text(pieces, text);
            }
            Node::Value(expression) => pieces.push(Piece::Value(Filled {
                value: Value::String("x".to_owned()),
                origin: static_origin(expression),
                place: expression.source.clone(),
            })),
            Node::If { branches, otherwise } => match branches.first() {
                Some((_, body)) if first => flatten(body, first, pieces),
                Some(_) | None => flatten(otherwise, first, pieces),
            },
            Node::Range { body, otherwise, .. } | Node::With { body, otherwise, .. } => {
                flatten(if first { body } else { otherwise }, first, pieces);
            }
        }
    }
}

/// Where a value will come from, as far as the text tells.
fn static_origin(expression: &Expression) -> Origin {
    match &expression.kind {
        ExpressionKind::Path { fields, .. } => fields.first().map_or(Origin::Data, |root| Origin::of_root(root)),
        ExpressionKind::Literal(_) => Origin::Literal,
        ExpressionKind::Call { arguments, .. } => arguments.iter().map(static_origin).max().unwrap_or(Origin::Literal),
        ExpressionKind::Field { of, .. } => static_origin(of),
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        Some(Piece::Value(_)) | None => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// Replaces `{name}` of declared variables in the literal text; every other brace stays text.
fn with_placeholders(nodes: Vec<Node>, variables: &BTreeSet<String>) -> Vec<Node> {
    let mut replaced = Vec::new();
    for node in nodes {
        match node {
            Node::Text(text) => split(&text, variables, &mut replaced),
            Node::Value(expression) => replaced.push(Node::Value(expression)),
            Node::If { branches, otherwise } => replaced.push(Node::If {
                branches: branches
                    .into_iter()
                    .map(|(condition, body)| (condition, with_placeholders(body, variables)))
                    .collect(),
                otherwise: with_placeholders(otherwise, variables),
            }),
            Node::Range { over, body, otherwise } => replaced.push(Node::Range {
                over,
                body: with_placeholders(body, variables),
                otherwise: with_placeholders(otherwise, variables),
            }),
            Node::With { value, body, otherwise } => replaced.push(Node::With {
                value,
                body: with_placeholders(body, variables),
                otherwise: with_placeholders(otherwise, variables),
            }),
        }
    }
    replaced
}

fn split(text: &str, variables: &BTreeSet<String>, nodes: &mut Vec<Node>) {
    let mut written = 0;
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        from = open + 1;
        // `${name}` is the shell's.
        if text[..open].ends_with('$') {
            continue;
        }
        let Some(close) = text[from..].find('}').map(|at| from + at) else { break };
        let name = &text[from..close];
        if !variables.contains(name) {
            continue;
        }
        if written < open {
            nodes.push(Node::Text(text[written..open].to_owned()));
        }
        nodes.push(Node::Value(Expression {
            offset: open,
            source: format!("{{{name}}}"),
            kind: ExpressionKind::Path { from_root: true, fields: vec!["Vars".to_owned(), name.to_owned()] },
        }));
        from = close + 1;
        written = from;
    }
    if written < text.len() {
        nodes.push(Node::Text(text[written..].to_owned()));
    }
}
