//! The world: objects with versions, an append-only log of what was done to them, and faults on demand.

use std::collections::{BTreeMap, VecDeque};

use belay_engine::driver::{HostAnswer, Input, Invocation};
use belay_engine::ids::InvocationId;
use belay_runbook::act::{Act, ActTarget, Basis, Ending, Outcome, Preparation, ProbeAnswer, UndoState, Unread};
use belay_runbook::action::{ActionSpec, COMMAND_ACTION, Effect, Impact, SCRIPT_ACTION};
use serde_json::{Value, json};

use super::actions::specs;

/// An object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    pub value: i64,
    pub version: u64,
}

/// One line of the world's log: something was asked of it.
#[derive(Debug, Clone)]
pub struct Invoked {
    pub id: InvocationId,
    pub act: Act,
    pub undo: bool,
    /// Whether it changed something, or read what it should.
    pub applied: bool,
    pub ending: Ending,
    /// Events that were durable when it started.
    pub durable: usize,
}

/// How an invocation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub ending: Ending,
    /// Whether it was done all the same.
    pub applied: bool,
}

impl Fault {
    pub const FAILED: Self = Self { ending: Ending::Failed, applied: false };
    pub const NOT_STARTED: Self = Self { ending: Ending::NotStarted, applied: false };
    pub const LOST: Self = Self { ending: Ending::Lost, applied: false };
    pub const TIMED_OUT: Self = Self { ending: Ending::TimedOut, applied: false };
    pub const TIMED_OUT_DONE: Self = Self { ending: Ending::TimedOut, applied: true };
}

/// A script that is running: its calls, and how far it is.
#[derive(Debug, Clone)]
struct ScriptRun {
    id: InvocationId,
    calls: Vec<ScriptCall>,
    next: usize,
    answers: Vec<Value>,
}

#[derive(Debug, Clone)]
struct ScriptCall {
    function: String,
    parameters: Value,
    tried: bool,
}

/// The world.
#[derive(Debug, Clone)]
pub struct World {
    pub objects: BTreeMap<String, Object>,
    pub log: Vec<Invoked>,
    pub specs: BTreeMap<String, ActionSpec>,
    /// Faults of the n-th invocation of what [`key`] names, from one.
    pub faults: BTreeMap<(String, usize), Fault>,
    /// What scripted reads of an object answer before live ones; `None` is no data.
    pub reads: BTreeMap<String, VecDeque<Option<i64>>>,
    /// Preparations of these objects fail.
    pub unreadable: Vec<String>,
    /// What the context leads to.
    pub cluster: Option<&'static str>,
    /// Prepared acts, by key.
    pub prepared: Vec<String>,
    script: Option<ScriptRun>,
}

/// What an act is called in fault tables: its command line, or its action and object.
pub fn key(act: &Act) -> String {
    if act.action == COMMAND_ACTION {
        return argv(act).join(" ");
    }
    match act.parameters.get("name").and_then(Value::as_str) {
        Some(name) => format!("{} {name}", act.action),
        None => act.action.clone(),
    }
}

fn argv(act: &Act) -> Vec<&str> {
    act.parameters
        .get("argv")
        .and_then(Value::as_array)
        .map_or(Vec::new(), |words| words.iter().filter_map(Value::as_str).collect())
}

/// What an act does to an object.
enum Change<'a> {
    Read(&'a str),
    Set(&'a str, i64),
    Add(&'a str, i64),
    Destroy(&'a str),
    Nothing,
}

fn change(act: &Act) -> Change<'_> {
    let text = |name: &str| act.parameters.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| act.parameters.get(name).and_then(Value::as_i64).unwrap_or_default();
    match act.action.as_str() {
        "thing.read" | "thing.sample" => Change::Read(text("name")),
        "thing.put" | "thing.set" | "thing.place" => Change::Set(text("name"), number("value")),
        "thing.add" => Change::Add(text("name"), number("by")),
        "thing.destroy" => Change::Destroy(text("name")),
        COMMAND_ACTION => match argv(act).as_slice() {
            ["thingctl", "set", name, value] => Change::Set(name, value.parse().unwrap()),
            ["thingctl", "add", name, by] => Change::Add(name, by.parse().unwrap()),
            ["cat", name] => Change::Read(name),
            _ => Change::Nothing,
        },
        _ => Change::Nothing,
    }
}

impl World {
    pub fn new() -> Self {
        let objects = ["a", "b", "c"].map(|name| (name.to_owned(), Object { value: 0, version: 1 }));
        Self {
            objects: objects.into_iter().collect(),
            log: Vec::new(),
            specs: specs(),
            faults: BTreeMap::new(),
            reads: BTreeMap::new(),
            unreadable: Vec::new(),
            cluster: None,
            prepared: Vec::new(),
            script: None,
        }
    }

    pub fn fault(mut self, key: &str, nth: usize, fault: Fault) -> Self {
        self.faults.insert((key.to_owned(), nth), fault);
        self
    }

    pub fn reads(mut self, name: &str, answers: &[Option<i64>]) -> Self {
        self.reads.insert(name.to_owned(), answers.iter().copied().collect());
        self
    }

    pub fn value(&self, name: &str) -> i64 {
        self.objects[name].value
    }

    /// Somebody else changes an object.
    pub fn foreign(&mut self, name: &str, value: i64) {
        self.write(name, value);
    }

    /// Values by name.
    pub fn values(&self) -> BTreeMap<String, i64> {
        self.objects.iter().map(|(name, object)| (name.clone(), object.value)).collect()
    }

    /// Invocations of what a key names.
    pub fn invoked(&self, wanted: &str) -> Vec<&Invoked> {
        self.log.iter().filter(|invoked| key(&invoked.act) == wanted).collect()
    }

    /// Whether an invocation has happened: what an honest person says.
    pub fn happened(&self, id: &InvocationId) -> Option<&Invoked> {
        self.log.iter().rev().find(|invoked| &invoked.id == id)
    }

    /// What ends with the program.
    pub fn lose_processes(&mut self) {
        self.script = None;
    }

    fn write(&mut self, name: &str, value: i64) {
        let object = self.objects.entry(name.to_owned()).or_insert(Object { value, version: 0 });
        object.value = value;
        object.version += 1;
    }

    pub fn prepare(&mut self, act: &Act) -> Result<Preparation, Unread> {
        self.prepared.push(key(act));
        let spec = &self.specs[&act.action];
        let (name, live) = match change(act) {
            Change::Read(name) | Change::Set(name, _) | Change::Add(name, _) | Change::Destroy(name) => {
                (name.to_owned(), self.objects.get(name).copied())
            }
            Change::Nothing => ("local".to_owned(), None),
        };
        if self.unreadable.contains(&name) {
            return Err(format!("`{name}` could not be read").into());
        }
        let mut basis = Basis { known: true, ..Basis::default() };
        if matches!(act.action.as_str(), "thing.set" | "thing.destroy" | "thing.put")
            && let Some(object) = live
        {
            basis.values.insert("value".to_owned(), json!(object.value));
        }
        let undo = spec.captures_undo.then(|| json!({ "value": live.map(|object| object.value) }));
        let fingerprint = self.cluster.filter(|_| act.action.starts_with("thing.")).map(str::to_owned);
        Ok(Preparation {
            target: ActTarget { name, fingerprint },
            effect: spec.effect,
            impact: Impact::Low,
            reasons: Vec::new(),
            facts: BTreeMap::from([("exists".to_owned(), json!(live.is_some()))]),
            basis,
            undo,
            candidates: BTreeMap::new(),
            notes: Vec::new(),
        })
    }

    /// Performs an act, or starts a script, which answers with its first host call.
    pub fn invoke(&mut self, invocation: &Invocation, durable: usize) -> Input {
        let act = &invocation.act;
        let id = invocation.id.clone();
        let name = key(act);
        let undo = invocation.undo_record.is_some() || id.act.takes_back();
        let nth = 1 + self.log.iter().filter(|invoked| key(&invoked.act) == name && invoked.undo == undo).count();
        let fault_key = if invocation.undo_record.is_some() { format!("undo {name}") } else { name };
        let fault = self.faults.get(&(fault_key, nth)).copied();
        let applied = fault.is_none_or(|fault| fault.applied);
        let mut outcome = Outcome::succeeded(Value::Null);
        if applied {
            outcome = match &invocation.undo_record {
                Some(record) => self.take_back(act, record, invocation.expected.as_ref()),
                None => self.apply(act),
            };
        }
        if let Some(fault) = fault {
            outcome = Outcome { error: Some("a fault".to_owned()), ..Outcome::bare(fault.ending) };
        }
        let done = applied && !(fault.is_none() && outcome.ending != Ending::Succeeded);
        self.log.push(Invoked {
            id: id.clone(),
            act: act.clone(),
            undo,
            applied: done,
            ending: outcome.ending,
            durable,
        });
        if act.action == SCRIPT_ACTION && fault.is_none() {
            let replays = nth > 1;
            self.script = Some(ScriptRun { id, calls: script_calls(act, replays), next: 0, answers: Vec::new() });
            return self.next_call();
        }
        Input::Ended { id, outcome }
    }

    fn apply(&mut self, act: &Act) -> Outcome {
        match change(act) {
            Change::Read(name) => {
                if let Some(answer) = self.reads.get_mut(name).and_then(VecDeque::pop_front) {
                    return Outcome::succeeded(answer.map_or(json!({}), |value| json!({ "value": value })));
                }
                match self.objects.get(name) {
                    Some(object) => {
                        let mut outcome =
                            Outcome::succeeded(json!({ "value": object.value, "version": object.version }));
                        outcome.published.insert("Value".to_owned(), json!(object.value));
                        outcome
                    }
                    None => Outcome::failed(format!("there is no `{name}`")),
                }
            }
            Change::Set(name, value) => {
                let name = name.to_owned();
                self.write(&name, value);
                self.after(&name)
            }
            Change::Add(name, by) => {
                let name = name.to_owned();
                let value = self.objects.get(&name).map_or(0, |object| object.value) + by;
                self.write(&name, value);
                self.after(&name)
            }
            Change::Destroy(name) => match self.objects.remove(name) {
                Some(_) => Outcome::succeeded(json!({})),
                None => Outcome::failed("it is gone"),
            },
            Change::Nothing if act.action == COMMAND_ACTION && argv(act).first() == Some(&"thingctl") => {
                Outcome { exit_code: Some(1), ..Outcome::failed("unknown") }
            }
            Change::Nothing => {
                Outcome::succeeded(json!({ "stdout": argv(act).get(1..).unwrap_or_default().join(" ") }))
            }
        }
    }

    fn after(&self, name: &str) -> Outcome {
        let object = self.objects[name];
        let mut outcome = Outcome::succeeded(json!({ "value": object.value }));
        outcome.after = Some(json!({ "value": object.value, "version": object.version }));
        outcome
    }

    fn take_back(&mut self, act: &Act, record: &Value, expected: Option<&Value>) -> Outcome {
        let name = act.parameters["name"].as_str().unwrap().to_owned();
        let expected = expected.map_or(&act.parameters["value"], |expected| &expected["value"]);
        if *expected != json!(self.value(&name)) {
            return Outcome::bare(Ending::NotStarted);
        }
        self.write(&name, record["value"].as_i64().unwrap());
        self.after(&name)
    }

    pub fn compare(&self, act: &Act, record: &Value, after: Option<&Value>) -> UndoState {
        let name = act.parameters["name"].as_str().unwrap();
        let live = self.objects[name];
        let as_after = json!(live.value) == after.map_or(&act.parameters["value"], |after| &after["value"]).clone();
        if json!(live.value) == record["value"] {
            UndoState::AsBefore
        } else if as_after {
            UndoState::AsAfter
        } else {
            let after = after.cloned().unwrap_or_default();
            UndoState::Other { before: record.clone(), after, live: json!({ "value": live.value }) }
        }
    }

    pub fn probe(&self, id: &InvocationId, act: &Act) -> ProbeAnswer {
        if act.action != "thing.place" {
            return ProbeAnswer::Unknown;
        }
        let name = act.parameters["name"].as_str().unwrap();
        match self.happened(id) {
            Some(invoked) if invoked.applied => ProbeAnswer::Done(self.after(name)),
            None if json!(self.value(name)) == act.parameters["value"] => ProbeAnswer::Done(self.after(name)),
            Some(_) | None => ProbeAnswer::NotDone,
        }
    }

    /// A script's host call was answered.
    pub fn answer_host(&mut self, answer: HostAnswer) -> Option<Input> {
        let script = self.script.as_mut()?;
        let call = script.calls[script.next].clone();
        match answer {
            HostAnswer::Suspend => return Some(self.end_script(Outcome::bare(Ending::Suspended))),
            HostAnswer::Error { message, .. } if !call.tried => {
                return Some(self.end_script(Outcome::failed(message)));
            }
            HostAnswer::Error { .. } => script.answers.push(Value::Null),
            HostAnswer::Value { value, .. } => script.answers.push(value),
        }
        script.next += 1;
        Some(self.next_call())
    }

    fn next_call(&mut self) -> Input {
        let script = self.script.as_ref().unwrap();
        let Some(call) = script.calls.get(script.next) else {
            let outcome = Outcome::succeeded(json!({ "answers": script.answers }));
            return self.end_script(outcome);
        };
        let act = self
            .specs
            .contains_key(&call.function)
            .then(|| Act { action: call.function.clone(), parameters: call.parameters.clone() });
        Input::HostCall {
            id: script.id.clone(),
            index: u32::try_from(script.next).unwrap(),
            function: call.function.clone(),
            act,
        }
    }

    fn end_script(&mut self, outcome: Outcome) -> Input {
        let script = self.script.take().unwrap();
        if let Some(invoked) = self.log.iter_mut().rev().find(|invoked| invoked.id == script.id) {
            invoked.ending = outcome.ending;
            invoked.applied = outcome.ending == Ending::Succeeded;
        }
        Input::Ended { id: script.id, outcome }
    }

    /// A running act is stopped; a script that waits for a host call ends at once.
    pub fn cancel(&mut self, id: &InvocationId, ending: Ending) -> Option<Input> {
        if self.script.as_ref().is_some_and(|script| &script.id == id) {
            return Some(self.end_script(Outcome::bare(ending)));
        }
        None
    }

    /// The effect that an act has in this world.
    pub fn effect(&self, act: &Act) -> Effect {
        match change(act) {
            Change::Read(_) => Effect::Read,
            Change::Set(..) | Change::Add(..) => Effect::Mutate,
            Change::Destroy(_) => Effect::Destructive,
            Change::Nothing => self.specs[&act.action].effect,
        }
    }

    /// Whether performing an act twice equals performing it once.
    pub fn idempotent(&self, act: &Act) -> bool {
        act.action == SCRIPT_ACTION || self.specs[&act.action].idempotent || matches!(change(act), Change::Read(_))
    }
}

/// Lines of the world's script language: `call FUNCTION JSON`, with `try` before it where a failure is caught, and
/// `differ` where a replay makes the call after `|` instead.
fn script_calls(act: &Act, replays: bool) -> Vec<ScriptCall> {
    let text = act.parameters["script"].as_str().unwrap();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (tried, line) = line.strip_prefix("try ").map_or((false, line), |rest| (true, rest));
            let line = match line.strip_prefix("differ ").and_then(|rest| rest.split_once('|')) {
                Some((first, other)) => (if replays { other } else { first }).trim(),
                None => line,
            };
            let (function, parameters) = line.strip_prefix("call ").unwrap().split_once(' ').unwrap();
            ScriptCall { function: function.to_owned(), parameters: serde_json::from_str(parameters).unwrap(), tried }
        })
        .collect()
}
