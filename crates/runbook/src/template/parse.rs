//! Text to a syntax tree. Bounded in depth and total: every input ends in a tree or an error.

use super::tokens::{Spanned, Token, find_close, tokens};
use serde_json::Value;

use super::TemplateError;
use super::functions::{self, Function};

/// Blocks inside blocks, and parentheses inside parentheses.
const MAX_DEPTH: usize = 32;
/// The longest text that is looked at.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// A piece of a parsed template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Text as written.
    Text(String),
    /// An expression whose value stands here.
    Value(Expression),
    /// `if … else if … else … end`.
    If { branches: Vec<(Expression, Vec<Node>)>, otherwise: Vec<Node> },
    /// `range … else … end`.
    Range { over: Expression, body: Vec<Node>, otherwise: Vec<Node> },
    /// `with … else … end`.
    With { value: Expression, body: Vec<Node>, otherwise: Vec<Node> },
}

/// An expression with the place where it starts and its source, for messages.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    pub(super) offset: usize,
    pub(super) source: String,
    pub(super) kind: ExpressionKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExpressionKind {
    /// `.a.b`, relative to the dot, or `$.a.b`, relative to the root.
    Path {
        from_root: bool,
        fields: Vec<String>,
    },
    Literal(Value),
    Call {
        function: Function,
        arguments: Vec<Expression>,
    },
    /// `(expression).field`.
    Field {
        of: Box<Expression>,
        fields: Vec<String>,
    },
}

/// What `{{ … }}` says.
enum Action {
    Comment,
    Value(Expression),
    If(Expression),
    ElseIf(Expression),
    Else,
    Range(Expression),
    With(Expression),
    End,
}

/// Parses a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, TemplateError> {
    if text.len() > MAX_TEXT {
        return Err(TemplateError::new(0, format!("a template may have at most {MAX_TEXT} bytes")));
    }
    Parser { items: items(text)?, next: 0 }.nodes(0, None).map(|(nodes, _)| nodes)
}

/// Parses one expression that stands without braces.
pub(super) fn expression(text: &str) -> Result<Expression, TemplateError> {
    if text.len() > MAX_TEXT {
        return Err(TemplateError::new(0, format!("an expression may have at most {MAX_TEXT} bytes")));
    }
    let tokens = tokens(text, 0, text.len())?;
    Tokens { text, list: &tokens, next: 0, end: text.len() }.whole()
}

enum Item {
    Text(String),
    Action { offset: usize, action: Action },
}

/// Splits a text into literal text and actions, with the trim markers applied.
fn items(text: &str) -> Result<Vec<Item>, TemplateError> {
    let mut items = Vec::new();
    let mut position = 0;
    let mut trim_next = false;
    loop {
        let rest = &text[position..];
        let open = rest.find("{{");
        let mut literal = &rest[..open.unwrap_or(rest.len())];
        if trim_next {
            literal = literal.trim_start();
        }
        let Some(open) = open else {
            if !literal.is_empty() {
                items.push(Item::Text(literal.to_owned()));
            }
            return Ok(items);
        };
        let offset = position + open;
        let mut start = offset + 2;
        let after = &text[start..];
        if after.starts_with('-') && after[1..].starts_with(|c: char| c.is_whitespace()) {
            literal = literal.trim_end();
            start += 1;
        }
        if !literal.is_empty() {
            items.push(Item::Text(literal.to_owned()));
        }
        let inside = text[start..].trim_start();
        let inside_start = text.len() - inside.len();
        if inside.starts_with("/*") {
            let Some(close) = inside.find("*/") else {
                return Err(TemplateError::new(offset, "this comment never ends; `*/}}` is missing"));
            };
            let tail = &inside[close + 2..];
            let trimmed = tail.trim_start();
            let (trims, trimmed) = match trimmed.strip_prefix('-') {
                Some(rest) if tail.len() > trimmed.len() => (true, rest),
                Some(_) | None => (false, trimmed),
            };
            let Some(remaining) = trimmed.strip_prefix("}}") else {
                return Err(TemplateError::new(offset, "a comment stands alone: `{{/* … */}}`"));
            };
            trim_next = trims;
            position = text.len() - remaining.len();
            items.push(Item::Action { offset, action: Action::Comment });
            continue;
        }
        let (close, trims) = find_close(text, inside_start)
            .ok_or_else(|| TemplateError::new(offset, "`{{` is never closed; `}}` is missing"))?;
        let tokens = tokens(text, inside_start, close)?;
        let action = action(text, offset, &tokens, close)?;
        items.push(Item::Action { offset, action });
        trim_next = trims;
        position =
            if trims { close + text[close..].find("}}").map_or(text.len() - close, |at| at + 2) } else { close + 2 };
    }
}

/// Reads what one `{{ … }}` says.
fn action(text: &str, offset: usize, tokens: &[Spanned], end: usize) -> Result<Action, TemplateError> {
    let Some(first) = tokens.first() else {
        return Err(TemplateError::new(offset, "`{{ }}` is empty; write a field such as `.Alert.Labels.pod`"));
    };
    let after = |skip: usize| Tokens { text, list: tokens.get(skip..).unwrap_or(&[]), next: 0, end }.whole();
    let Token::Word(word) = &first.token else {
        return Ok(Action::Value(after(0)?));
    };
    match word.as_str() {
        "if" => Ok(Action::If(after(1)?)),
        "range" => Ok(Action::Range(after(1)?)),
        "with" => Ok(Action::With(after(1)?)),
        "end" | "else" if tokens.len() == 1 => Ok(if word == "end" { Action::End } else { Action::Else }),
        "end" => Err(TemplateError::new(offset, "`end` stands alone")),
        "else" => match tokens.get(1).map(|second| &second.token) {
            Some(Token::Word(second)) if second == "if" => Ok(Action::ElseIf(after(2)?)),
            Some(_) | None => Err(TemplateError::new(offset, "after `else` only `if` may follow")),
        },
        "define" | "template" | "block" | "break" | "continue" => {
            Err(TemplateError::new(offset, format!("`{word}` is not part of these templates")))
        }
        _ => Ok(Action::Value(after(0)?)),
    }
}

/// Reads expressions from tokens.
struct Tokens<'t> {
    text: &'t str,
    list: &'t [Spanned],
    next: usize,
    end: usize,
}

impl Tokens<'_> {
    fn peek(&self) -> Option<&Spanned> {
        self.list.get(self.next)
    }

    fn here(&self) -> usize {
        self.peek().map_or(self.end, |token| token.start)
    }

    fn whole(mut self) -> Result<Expression, TemplateError> {
        let expression = self.pipeline(0)?;
        match self.peek() {
            None => Ok(expression),
            Some(token) => Err(TemplateError::new(token.start, "`)` closes nothing")),
        }
    }

    fn finish(&self, offset: usize, kind: ExpressionKind) -> Expression {
        let end = self.next.checked_sub(1).and_then(|last| self.list.get(last)).map_or(offset, |last| last.end);
        Expression { offset, source: self.text.get(offset..end).unwrap_or("").to_owned(), kind }
    }

    /// `command | command | …`: each value becomes the last argument of the next command.
    fn pipeline(&mut self, depth: usize) -> Result<Expression, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::new(self.here(), "too many parentheses inside one another"));
        }
        let offset = self.here();
        let mut value = self.command(depth, None)?;
        let mut stages = 0;
        while self.peek().is_some_and(|token| token.token == Token::Pipe) {
            stages += 1;
            if stages > MAX_DEPTH {
                return Err(TemplateError::new(self.here(), "too many pipes in one expression"));
            }
            self.next += 1;
            let piped = self.command(depth, Some(value))?;
            value = Expression { offset, ..piped };
            value.source = self.finish(offset, ExpressionKind::Literal(Value::Null)).source;
        }
        Ok(value)
    }

    /// A function with its arguments, or one operand.
    fn command(&mut self, depth: usize, piped: Option<Expression>) -> Result<Expression, TemplateError> {
        let offset = self.here();
        let Some(Spanned { token: Token::Word(name), .. }) = self.peek().cloned() else {
            let operand = self.operand(depth)?;
            if piped.is_some() {
                return Err(TemplateError::new(offset, "only a function can take what a pipe gives"));
            }
            return match self.peek().map(|token| &token.token) {
                None | Some(Token::Pipe | Token::Close) => Ok(operand),
                Some(Token::Path { .. } | Token::Fields(_) | Token::Word(_) | Token::Literal(_) | Token::Open) => {
                    Err(TemplateError::new(self.here(), "two values stand beside each other without a function"))
                }
            };
        };
        let function = functions::named(&name).map_err(|message| TemplateError::new(offset, message))?;
        self.next += 1;
        let mut arguments = Vec::new();
        while let Some(token) = self.peek() {
            match token.token {
                Token::Pipe | Token::Close => break,
                Token::Path { .. } | Token::Fields(_) | Token::Word(_) | Token::Literal(_) | Token::Open => {
                    arguments.push(self.operand(depth)?);
                }
            }
        }
        arguments.extend(piped);
        let (least, most) = function.arity();
        if arguments.len() < least || most.is_some_and(|most| arguments.len() > most) {
            return Err(TemplateError::new(
                offset,
                format!("`{name}` takes {}, not {}", function.arity_text(), arguments.len()),
            ));
        }
        Ok(self.finish(offset, ExpressionKind::Call { function, arguments }))
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, TemplateError> {
        let offset = self.here();
        let Some(token) = self.peek().cloned() else {
            return Err(TemplateError::new(offset, "an expression ends too early"));
        };
        self.next += 1;
        let kind = match token.token {
            Token::Path { from_root, fields } => ExpressionKind::Path { from_root, fields },
            Token::Literal(value) => ExpressionKind::Literal(value),
            Token::Word(name) => {
                let function = functions::named(&name).map_err(|message| TemplateError::new(offset, message))?;
                return Err(TemplateError::new(
                    offset,
                    format!("put `{}` with its arguments in parentheses here", function.name()),
                ));
            }
            Token::Open => {
                let inner = self.pipeline(depth + 1)?;
                if self.peek().is_none_or(|token| token.token != Token::Close) {
                    return Err(TemplateError::new(offset, "this parenthesis is never closed"));
                }
                self.next += 1;
                match self.peek().cloned() {
                    Some(Spanned { token: Token::Fields(fields), .. }) => {
                        self.next += 1;
                        ExpressionKind::Field { of: Box::new(inner), fields }
                    }
                    Some(_) | None => return Ok(inner),
                }
            }
            Token::Close => return Err(TemplateError::new(offset, "`)` closes nothing")),
            Token::Pipe => return Err(TemplateError::new(offset, "a value must stand before `|`")),
            Token::Fields(_) => return Err(TemplateError::new(offset, "a field of nothing")),
        };
        Ok(self.finish(offset, kind))
    }
}

/// How a list of nodes ended.
enum Ended {
    AtEnd,
    Else,
    ElseIf(Expression),
    Text,
}

struct Parser {
    items: Vec<Item>,
    next: usize,
}

impl Parser {
    fn nodes(&mut self, depth: usize, opened: Option<(usize, &str)>) -> Result<(Vec<Node>, Ended), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            let Some(item) = self.items.get_mut(self.next) else {
                return match opened {
                    Some((offset, word)) => {
                        Err(TemplateError::new(offset, format!("`{word}` is never closed; `{{{{ end }}}}` is missing")))
                    }
                    None => Ok((nodes, Ended::Text)),
                };
            };
            self.next += 1;
            let (offset, action) = match std::mem::replace(item, Item::Text(String::new())) {
                Item::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Item::Action { offset, action } => (offset, action),
            };
            if depth >= MAX_DEPTH {
                return Err(TemplateError::new(offset, "too many blocks inside one another"));
            }
            match action {
                Action::Comment => {}
                Action::Value(expression) => nodes.push(Node::Value(expression)),
                Action::If(condition) => nodes.push(self.conditional(depth, offset, condition)?),
                Action::Range(over) => {
                    let (body, otherwise) = self.block(depth, offset, "range")?;
                    nodes.push(Node::Range { over, body, otherwise });
                }
                Action::With(value) => {
                    let (body, otherwise) = self.block(depth, offset, "with")?;
                    nodes.push(Node::With { value, body, otherwise });
                }
                Action::End | Action::Else | Action::ElseIf(_) if opened.is_none() => {
                    return Err(TemplateError::new(offset, "nothing is open here that this could belong to"));
                }
                Action::End => return Ok((nodes, Ended::AtEnd)),
                Action::Else => return Ok((nodes, Ended::Else)),
                Action::ElseIf(condition) => return Ok((nodes, Ended::ElseIf(condition))),
            }
        }
    }

    fn conditional(&mut self, depth: usize, offset: usize, condition: Expression) -> Result<Node, TemplateError> {
        let mut branches = Vec::new();
        let mut condition = condition;
        loop {
            let (body, ended) = self.nodes(depth + 1, Some((offset, "if")))?;
            branches.push((condition, body));
            match ended {
                Ended::AtEnd | Ended::Text => return Ok(Node::If { branches, otherwise: Vec::new() }),
                Ended::ElseIf(next) => condition = next,
                Ended::Else => {
                    let otherwise = self.last(depth, offset, "if")?;
                    return Ok(Node::If { branches, otherwise });
                }
            }
        }
    }

    fn block(&mut self, depth: usize, offset: usize, word: &str) -> Result<(Vec<Node>, Vec<Node>), TemplateError> {
        let (body, ended) = self.nodes(depth + 1, Some((offset, word)))?;
        match ended {
            Ended::AtEnd | Ended::Text => Ok((body, Vec::new())),
            Ended::Else => Ok((body, self.last(depth, offset, word)?)),
            Ended::ElseIf(_) => Err(TemplateError::new(offset, format!("`{word}` takes `else`, not `else if`"))),
        }
    }

    fn last(&mut self, depth: usize, offset: usize, word: &str) -> Result<Vec<Node>, TemplateError> {
        match self.nodes(depth + 1, Some((offset, word)))? {
            (nodes, Ended::AtEnd | Ended::Text) => Ok(nodes),
            (_, Ended::Else | Ended::ElseIf(_)) => {
                Err(TemplateError::new(offset, format!("this `{word}` has a second `else`")))
            }
        }
    }
}
