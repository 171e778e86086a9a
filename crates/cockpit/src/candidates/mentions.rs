//! Where a value would stand: calls of actions and of `kubectl`, with what is known of their other parameters.

use std::collections::{BTreeMap, BTreeSet};

use belay_engine::execution::Execution;
use belay_engine::scope::ScopeRoot;
use belay_runbook::action::Sink;
use belay_runbook::automation::AutomationSpec;
use belay_runbook::model::{ActionCall, Does};
use belay_runbook::template::{self, Scope};
use serde_json::{Map, Value};

use super::{Question, kubectl};
use crate::start::{does_of, steps_of};

/// What the labels of an alert are called where they are parameters, and an action that has one.
///
/// Source: the labels of kube-state-metrics, which the usual alerts on clusters carry on.
const LABELS: [(&str, &str, &str); 6] = [
    ("pod", "podName", "kubernetes.get_pod"),
    ("namespace", "namespace", "kubernetes.get_pod"),
    ("deployment", "deployment", "kubernetes.rollout_status"),
    ("container", "container", "kubernetes.get_logs"),
    ("node", "nodeName", "kubernetes.get_node"),
    ("service", "service", "service.restart"),
];

/// The actions to ask for a value, in the order of the steps that it stands in.
pub(super) fn questions(execution: &Execution, name: &str) -> Vec<Question> {
    let wanted = if name.starts_with('.') { name.to_owned() } else { format!(".Vars.{name}") };
    let ScopeRoot { root, variables } = ScopeRoot::of(execution);
    let lens = Lens { root, variables, wanted: BTreeSet::from([wanted.clone()]) };
    let mut mentions = Vec::new();
    for does in steps_of(&execution.runbook).flat_map(does_of) {
        collect(does, &lens, &execution.genesis.automations, &mut mentions);
    }
    let clues = clues(&mentions, &lens);
    let mut questions = Vec::new();
    for mention in &mentions {
        let stands = mention.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Wanted));
        for (parameter, _) in stands {
            let Some(action) = mention.action.as_deref().or_else(|| usual(parameter)) else { continue };
            let known = known(mention, parameter, &clues);
            let question = Question { action: action.to_owned(), parameter: parameter.clone(), known };
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
    }
    if questions.is_empty() {
        // It stands within something, such as an address: the label that it would come from says what it is.
        let default = execution.runbook.inputs.get(name).and_then(|spec| spec.default.as_ref()?.as_str());
        let label = lone(default.unwrap_or_default(), false).unwrap_or(wanted);
        let label = label.strip_prefix(".Alert.Labels.");
        let meant = LABELS.iter().find(|(of, _, _)| Some(*of) == label);
        questions.extend(meant.map(|(_, parameter, action)| Question {
            action: (*action).to_owned(),
            parameter: (*parameter).to_owned(),
            known: clues,
        }));
    }
    questions
}

/// The action that is asked for what a command names.
fn usual(parameter: &str) -> Option<&'static str> {
    LABELS.iter().find(|(_, of, _)| *of == parameter).map(|(_, _, action)| *action)
}

/// What is known of a call, and around it. An act in the context's own namespace is not moved to another one.
fn known(mention: &Mention, parameter: &str, clues: &Map<String, Value>) -> Map<String, Value> {
    let mut known = clues.clone();
    if !mention.slots.contains_key("namespace") {
        known.remove("namespace");
    }
    known.remove(parameter);
    for (name, slot) in &mention.slots {
        if let Slot::Known { value, .. } = slot {
            known.insert(name.clone(), value.clone());
        }
    }
    known
}

/// What is known wherever it stands: values of the runbook's variables by what they are, else the labels of the alert.
fn clues(mentions: &[Mention], lens: &Lens) -> Map<String, Value> {
    let mut clues = Map::new();
    for (parameter, slot) in mentions.iter().flat_map(|mention| &mention.slots) {
        if let Slot::Known { value, lone: true } = slot
            && usual(parameter).is_some()
        {
            clues.entry(parameter.clone()).or_insert_with(|| value.clone());
        }
    }
    for (label, parameter, _) in LABELS {
        if let Some(value) = lens.root.pointer(&format!("/Alert/Labels/{label}")).filter(|value| value.is_string()) {
            clues.entry(parameter).or_insert_with(|| value.clone());
        }
    }
    clues
}

/// A call with its parameters; without an action it is a command.
struct Mention {
    action: Option<String>,
    slots: BTreeMap<String, Slot>,
}

/// What stands in a parameter.
enum Slot {
    /// The value that is looked for, and nothing else.
    Wanted,
    /// Something that is known; `lone` where it is one value and nothing beside it.
    Known { value: Value, lone: bool },
    /// Something that is not known yet.
    Unknown,
}

fn collect(does: &Does, lens: &Lens, automations: &BTreeMap<String, std::sync::Arc<str>>, found: &mut Vec<Mention>) {
    match does {
        Does::Nothing => {}
        Does::Action(call) => found.push(Mention { action: Some(call.name.clone()), slots: lens.slots(call) }),
        Does::Commands(commands) => {
            for named in kubectl::named(commands) {
                let slots = named.into_iter().map(|(parameter, word)| (parameter.to_owned(), lens.read(&word, true)));
                found.push(Mention { action: None, slots: slots.collect() });
            }
        }
        Does::Automation(call) => {
            let text = automations.get(&call.name);
            let Some(spec) = text.and_then(|text| AutomationSpec::parse(&call.name, text.as_bytes()).0) else { return };
            let inside = lens.inside(call, &spec);
            // An automation does not call another one.
            for part in spec.parts.iter().filter(|part| !matches!(part, Does::Automation(_))) {
                collect(part, &inside, automations, found);
            }
        }
    }
}

/// What templates see, and the references that are the value looked for.
struct Lens {
    root: Value,
    variables: BTreeSet<String>,
    wanted: BTreeSet<String>,
}

impl Lens {
    fn slots(&self, call: &ActionCall) -> BTreeMap<String, Slot> {
        let parameters = call.parameters.as_object().into_iter().flatten();
        parameters
            .map(|(name, value)| {
                let slot = match value {
                    Value::String(text) => self.read(text, false),
                    Value::Null | Value::Array(_) | Value::Object(_) => Slot::Unknown,
                    Value::Bool(_) | Value::Number(_) => Slot::Known { value: value.clone(), lone: false },
                };
                (name.clone(), slot)
            })
            .collect()
    }

    /// What the parts of an automation see: its parameters as their variables.
    fn inside(&self, call: &ActionCall, spec: &AutomationSpec) -> Self {
        let mut wanted = BTreeSet::new();
        let mut given = Map::new();
        for (name, input) in &spec.parameters {
            given.extend(input.default.as_ref().map(|default| (name.clone(), default.clone())));
        }
        for (name, slot) in self.slots(call) {
            given.remove(&name);
            match slot {
                Slot::Wanted => {
                    wanted.insert(format!(".Vars.{name}"));
                }
                Slot::Known { value, .. } => {
                    given.insert(name, value);
                }
                Slot::Unknown => {}
            }
        }
        let mut root = self.root.clone();
        if let Some(fields) = root.as_object_mut() {
            fields.insert("Vars".to_owned(), Value::Object(given));
        }
        Self { root, variables: spec.parameters.keys().cloned().collect(), wanted }
    }

    fn read(&self, text: &str, command: bool) -> Slot {
        match lone(text, command) {
            Some(path) if self.wanted.contains(&path) => Slot::Wanted,
            Some(path) => self.rendered(&format!("{{{{ {path} }}}}"), true),
            None if text.contains("{{") => self.rendered(text, false),
            None if command && text.contains(['{', '$', '`']) => Slot::Unknown,
            None => Slot::Known { value: Value::String(text.to_owned()), lone: false },
        }
    }

    fn rendered(&self, text: &str, lone: bool) -> Slot {
        let scope = Scope { root: &self.root, variables: &self.variables };
        match template::render_value(text, Sink::Text, &scope) {
            Ok(value) => Slot::Known { value, lone },
            Err(_) => Slot::Unknown,
        }
    }
}

/// The reference that a text is, where it is one and nothing else; in commands also `{name}`.
fn lone(text: &str, command: bool) -> Option<String> {
    let text = text.trim();
    let is_path = |path: &str| path.chars().all(|letter| letter.is_alphanumeric() || "._".contains(letter));
    if let Some(inner) = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        let path = inner.trim_matches('-').trim();
        return (path.starts_with('.') && is_path(path)).then(|| path.to_owned());
    }
    let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|_| command)?;
    (!name.is_empty() && is_path(name)).then(|| format!(".Vars.{name}"))
}
