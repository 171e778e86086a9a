//! The log of an execution as `belay log --json` prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::desk::Desk;

/// One event.
#[derive(Debug, Clone)]
pub struct Entry {
    pub hash: String,
    pub kind: String,
    /// The body of the transition or the statement; null for the genesis.
    pub body: Value,
    pub cites: Vec<String>,
}

/// One invocation as the log names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Invocation {
    pub step: String,
    pub visit: u64,
    pub attempt: u64,
    /// `a0`, `c0`, `u0`.
    pub act: String,
}

impl Invocation {
    pub fn read(id: &Value) -> Self {
        let (sort, index) = id["act"].as_object().and_then(|act| act.iter().next()).expect("an act has an index");
        let letter = match sort.as_str() {
            "act" => 'a',
            "call" => 'c',
            "undo" => 'u',
            other => panic!("an unknown sort of act: {other}"),
        };
        Self {
            step: id["step"].as_str().unwrap().to_owned(),
            visit: id["visit"].as_u64().unwrap(),
            attempt: id["attempt"].as_u64().unwrap(),
            act: format!("{letter}{index}"),
        }
    }

    /// The mark that its processes carry.
    pub fn mark(&self, execution: &str) -> String {
        let Self { step, visit, attempt, act } = self;
        let text = format!("{execution}/0.{step}.{visit}.{attempt}.{act}");
        Sha256::digest(text.as_bytes())[..16].iter().fold(String::new(), |mut mark, byte| {
            write!(mark, "{byte:02x}").unwrap();
            mark
        })
    }
}

pub struct Journal {
    pub execution: String,
    pub entries: Vec<Entry>,
}

impl Journal {
    pub fn read(desk: &Desk, execution: &str) -> Self {
        let log = desk.belay(["log", execution, "--json"]).exits(0);
        let lines: Vec<Value> = match serde_json::from_str(&log.stdout) {
            Ok(Value::Array(entries)) => entries,
            Ok(_) | Err(_) => log.json_lines(),
        };
        let entries = lines.iter().map(entry).collect();
        Self { execution: execution.to_owned(), entries }
    }

    pub fn hashes(&self) -> BTreeSet<String> {
        self.entries.iter().map(|entry| entry.hash.clone()).collect()
    }

    /// The bodies of one kind of transition, in order.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.entries.iter().filter(move |entry| entry.kind == kind).map(|entry| &entry.body)
    }

    /// Every invocation with an intent, by the mark of its processes.
    pub fn intents(&self) -> BTreeMap<String, Invocation> {
        self.all("transition.act_started")
            .map(|body| Invocation::read(&body["id"]))
            .map(|invocation| (invocation.mark(&self.execution), invocation))
            .collect()
    }

    /// The last invocation of a step.
    pub fn last_of(&self, step: &str) -> Option<Invocation> {
        self.all("transition.act_started")
            .map(|body| Invocation::read(&body["id"]))
            .filter(|invocation| invocation.step == step)
            .last()
    }

    /// Whether an invocation can only have read.
    pub fn reads(&self, invocation: &Invocation) -> bool {
        if invocation.act.starts_with('u') {
            return false;
        }
        if invocation.act.starts_with('c') {
            return true;
        }
        let index: usize = invocation.act[1..].parse().unwrap();
        self.all("transition.planned")
            .filter(|body| body["at"]["step"] == invocation.step.as_str())
            .filter_map(|body| body["plan"]["acts"].get(index))
            .all(|act| act["effect"] == "read")
    }
}

fn entry(line: &Value) -> Entry {
    assert_eq!(line["verified"], true, "every event verifies: {line}");
    let event = &line["event"];
    let inner = match event.as_object().and_then(|event| event.iter().next()) {
        Some((sort, body)) if sort == "genesis" => return plain(line, body.clone()),
        Some((sort, body)) => body[sort.as_str()].clone(),
        None => panic!("an event has a sort: {line}"),
    };
    // `paused` has no body and is a word.
    let body = inner.as_object().and_then(|fields| fields.values().next()).unwrap_or(&inner).clone();
    plain(line, body)
}

fn plain(line: &Value, body: Value) -> Entry {
    Entry {
        hash: line["hash"].as_str().unwrap().to_owned(),
        kind: line["kind"].as_str().unwrap().to_owned(),
        body,
        cites: line["cites"].as_array().unwrap().iter().map(|cite| cite.as_str().unwrap().to_owned()).collect(),
    }
}
