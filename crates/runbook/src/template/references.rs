//! What a template refers to, without evaluating it.

use super::functions::{self, Function};
use super::parse::{Expression, ExpressionKind, Node};
use super::{Reference, distinct};

/// Where `.` points, as far as the text tells.
type Base = Option<String>;

pub(super) fn of_nodes(nodes: &[Node]) -> Vec<Reference> {
    let mut found = Vec::new();
    walk(nodes, &Some(String::new()), &mut found);
    distinct(found)
}

pub(super) fn of_expression(expression: Expression) -> Vec<Reference> {
    of_nodes(&[Node::Value(expression)])
}

fn walk(nodes: &[Node], base: &Base, found: &mut Vec<Reference>) {
    for node in nodes {
        match node {
            Node::Text(_) => {}
            Node::Value(value) => expression(value, base, false, found),
            Node::If { branches, otherwise } => {
                for (condition, body) in branches {
                    expression(condition, base, true, found);
                    walk(body, base, found);
                }
                walk(otherwise, base, found);
            }
            Node::With { value, body, otherwise } => {
                expression(value, base, true, found);
                walk(body, &path_of(value, base), found);
                walk(otherwise, base, found);
            }
            Node::Range { over, body, otherwise } => {
                expression(over, base, false, found);
                // The elements have no name of their own.
                walk(body, &None, found);
                walk(otherwise, base, found);
            }
        }
    }
}

fn expression(value: &Expression, base: &Base, optional: bool, found: &mut Vec<Reference>) {
    if let Some(path) = path_of(value, base) {
        if !path.is_empty() {
            found.push(Reference { optional, ..Reference::at(path, value.offset) });
        }
        return;
    }
    match &value.kind {
        ExpressionKind::Literal(_) | ExpressionKind::Path { .. } => {}
        ExpressionKind::Field { of, .. } => expression(of, base, optional, found),
        ExpressionKind::Call { function, arguments } => {
            for (position, argument) in arguments.iter().enumerate() {
                let optional = optional || (*function == Function::Default && position == 1);
                expression(argument, base, optional, found);
            }
        }
    }
}

/// The full path of an expression that is one: a field, or `index` with literal keys.
fn path_of(value: &Expression, base: &Base) -> Base {
    match &value.kind {
        ExpressionKind::Path { from_root, fields } => {
            let mut path = if *from_root { String::new() } else { base.clone()? };
            for field in fields {
                path.push('.');
                path.push_str(field);
            }
            Some(path)
        }
        ExpressionKind::Field { of, fields } => {
            let mut path = path_of(of, base)?;
            for field in fields {
                path.push('.');
                path.push_str(field);
            }
            Some(path)
        }
        ExpressionKind::Call { function: Function::Index, arguments } => {
            let (first, keys) = arguments.split_first()?;
            let mut path = path_of(first, base)?;
            for key in keys {
                let ExpressionKind::Literal(key) = &key.kind else { return None };
                path.push('.');
                path.push_str(&functions::text(key));
            }
            Some(path)
        }
        ExpressionKind::Call { .. } | ExpressionKind::Literal(_) => None,
    }
}
