//! Drives one execution to its end, or to the instant where the program is killed.

use std::collections::VecDeque;
use std::sync::Arc;

use belay_engine::Execution;
use belay_engine::driver::{Driver, Effect, Input, Present, Refusal, Rules, Stated};
use belay_engine::event::{Event, Genesis, Statement};
use belay_runbook::format;
use belay_runbook::policy::Policy;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::journal::Journal;
use super::me;
use super::people::People;
use super::world::{World, key};

/// More turns than any scenario takes.
const TURNS: usize = 3_000;

/// How a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The execution has ended.
    Finished,
    /// Nothing happens without a person.
    Quiet,
    /// The program was killed.
    Killed,
}

/// What a run starts from.
#[derive(Clone)]
pub struct Setting {
    pub runbook: String,
    pub world: World,
    pub environment: &'static str,
    pub policy: Policy,
    pub inputs: Vec<(&'static str, serde_json::Value)>,
    pub automations: Vec<(&'static str, &'static str)>,
}

impl Setting {
    pub fn new(spec: &str) -> Self {
        Self {
            runbook: super::runbook(spec),
            world: World::new(),
            environment: "local",
            policy: Policy::default_policy(),
            inputs: Vec::new(),
            automations: Vec::new(),
        }
    }

    pub fn production(mut self) -> Self {
        self.environment = "production";
        self
    }

    pub fn world(mut self, change: impl FnOnce(World) -> World) -> Self {
        self.world = change(self.world);
        self
    }

    pub fn input(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.inputs.push((name, value.into()));
        self
    }

    pub fn start(&self, people: People) -> Run {
        Run::new(self, people)
    }

    /// Drives to quiet with these people.
    pub fn run(&self, people: People) -> Run {
        let mut run = self.start(people);
        run.drive();
        run
    }
}

/// One execution, its world and its people.
pub struct Run {
    pub world: World,
    pub journal: Journal,
    pub people: People,
    pub now: Timestamp,
    pub driver: Driver,
    /// What the program knows and loses when it is killed.
    pub inbox: VecDeque<Input>,
    wakes: Vec<Timestamp>,
    rules: Rules,
    /// The policy that is there now.
    pub present: Present,
    /// Instants at which the program could have been killed so far.
    pub points: usize,
    pub kill_at: Option<usize>,
    pub refusals: Vec<Refusal>,
    pub escalations: Vec<String>,
    pub initial: std::collections::BTreeMap<String, i64>,
    pub halt: Halt,
}

impl Run {
    fn new(setting: &Setting, people: People) -> Self {
        let parsed = format::parse("sample.yaml", setting.runbook.as_bytes());
        assert!(!parsed.has_errors(), "{:#?}", parsed.findings);
        let runbook = Arc::new(parsed.runbook.expect("the sample is a runbook"));
        let genesis = Arc::new(genesis(setting));
        let rules = Rules { actions: Arc::new(setting.world.specs.clone()), policy: Arc::new(setting.policy.clone()) };
        let journal = Journal { genesis, runbook, events: Vec::new() };
        let driver = Driver::new(journal.begin(), rules.clone(), me());
        Self {
            initial: setting.world.values(),
            world: setting.world.clone(),
            now: journal.genesis.at,
            journal,
            people,
            driver,
            inbox: VecDeque::from([Input::Drive]),
            wakes: Vec::new(),
            rules,
            present: Present::Unchanged,
            points: 0,
            kill_at: None,
            refusals: Vec::new(),
            escalations: Vec::new(),
            halt: Halt::Quiet,
        }
    }

    pub fn execution(&self) -> &Execution {
        self.driver.execution()
    }

    /// A new program on the same disk.
    pub fn restart(&mut self) {
        let folded = self.journal.fold().expect("the log that was written can be read");
        self.driver = Driver::new(folded, self.rules.clone(), me());
        self.inbox = VecDeque::from([Input::Drive]);
        self.wakes.clear();
        self.world.lose_processes();
        self.kill_at = None;
        self.now += SignedDuration::from_secs(1);
        // What was said and not taken in is heard again, before anything starts.
        let pending: Vec<_> = self.pending();
        for stated in pending {
            let effects = self.driver.handle(self.now, Input::Statement(stated));
            self.took(effects);
        }
    }

    fn pending(&self) -> Vec<Stated> {
        let cited = &self.driver.execution().cited;
        let said = self.journal.events.iter().filter(|logged| !cited.contains(&logged.hash));
        said.filter_map(|logged| match &logged.event {
            Event::Statement { by, statement } => {
                Some(Stated { hash: logged.hash.clone(), by: by.clone(), statement: statement.clone() })
            }
            Event::Transition { .. } | Event::Genesis(_) => None,
        })
        .collect()
    }

    /// Goes on until it ends, nobody has anything to say, or the program is killed.
    pub fn drive(&mut self) -> Halt {
        for _ in 0..TURNS {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => {
                    self.halt = if self.execution().is_finished() { Halt::Finished } else { Halt::Quiet };
                    return self.halt;
                }
                Err(Killed) => {
                    self.halt = Halt::Killed;
                    return self.halt;
                }
            }
        }
        panic!("it does not come to rest: {:#?}", self.journal.kinds().iter().rev().take(40).collect::<Vec<_>>());
    }

    /// Goes on until something is to be taken back.
    pub fn drive_to_undo(&mut self) {
        while self.execution().phase != belay_engine::execution::Phase::Undoing {
            assert!(self.turn().is_ok_and(|more| more), "it comes to undoing");
        }
    }

    /// One thing happens; false where nothing does.
    pub fn turn(&mut self) -> Result<bool, Killed> {
        let said = self.people.interject(self.driver.execution(), &mut self.world, self.now);
        if let Some(statement) = said {
            if let Err(killed) = self.say(statement.clone()) {
                // What was not durable was not said.
                let durable = self.journal.events.iter().any(
                    |logged| matches!(&logged.event, Event::Statement { statement: said, .. } if said == &statement),
                );
                if !durable {
                    self.people.said.pop();
                }
                return Err(killed);
            }
            return Ok(true);
        }
        if let Some(input) = self.inbox.pop_front() {
            self.point()?;
            self.now += SignedDuration::from_millis(10);
            self.input(input)?;
            return Ok(true);
        }
        if !self.driver.is_busy()
            && let Some(statement) = self.people.answer(self.driver.execution(), &mut self.world)
        {
            self.say(statement)?;
            return Ok(true);
        }
        if self.execution().is_finished() {
            return Ok(false);
        }
        self.wakes.sort();
        if self.wakes.is_empty() {
            return Ok(false);
        }
        let wake = self.wakes.remove(0);
        self.now = self.now.max(wake);
        self.inbox.push_back(Input::Drive);
        Ok(true)
    }

    /// A person says something: durable first, then heard.
    pub fn say(&mut self, statement: Statement) -> Result<(), Killed> {
        if let Err(refusal) = self.driver.execution().accepts(&statement, self.now) {
            self.refusals.push(refusal);
            return Ok(());
        }
        self.point()?;
        let hash = self.journal.append(&Event::Statement { by: me(), statement: statement.clone() }, &[]);
        self.point()?;
        self.hear(Stated { hash, by: me(), statement })
    }

    /// A statement that is durable arrives.
    pub fn hear(&mut self, stated: Stated) -> Result<(), Killed> {
        self.input(Input::Statement(stated))
    }

    pub fn input(&mut self, input: Input) -> Result<(), Killed> {
        self.driver.see_policy(self.present.clone());
        let handled = self.driver.handle(self.now, input);
        for effect in self.effects(handled) {
            self.perform(effect)?;
        }
        Ok(())
    }

    fn took(&mut self, handled: Result<Vec<Effect>, Refusal>) {
        for effect in self.effects(handled) {
            let performed = self.perform(effect);
            assert!(performed.is_ok(), "nothing is killed while a program starts");
        }
    }

    fn effects(&mut self, handled: Result<Vec<Effect>, Refusal>) -> Vec<Effect> {
        match handled {
            Ok(effects) => effects,
            Err(Refusal::Illegal(illegal)) => {
                panic!("the driver attempted what is illegal: {illegal}\n{:#?}", self.journal.kinds())
            }
            Err(refusal) => {
                self.refusals.push(refusal);
                Vec::new()
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<(), Killed> {
        self.point()?;
        match effect {
            Effect::Append(drafts) => {
                for draft in &drafts {
                    self.journal.append(&draft.event, &draft.cites);
                }
                let folded = self.journal.fold().expect("what the driver wrote can be folded");
                assert_eq!(
                    format!("{folded:?}"),
                    format!("{:?}", self.driver.execution()),
                    "the fold of the log is the live state"
                );
                self.point()?;
            }
            Effect::Prepare { ticket, acts } => {
                let results = acts.iter().map(|act| self.world.prepare(act)).collect();
                self.inbox.push_back(Input::Prepared { ticket, results });
            }
            Effect::Invoke(invocation) => {
                let durable = self.journal.events.len();
                let answer = self.world.invoke(&invocation, durable);
                self.inbox.push_back(answer);
            }
            Effect::Probe { id, act, .. } => {
                let answer = self.world.probe(&id, &act);
                self.inbox.push_back(Input::Probed { id, answer });
            }
            Effect::CompareUndo { item, act, record, after } => {
                let state = if self.world.unreadable.contains(&key(&act)) {
                    Err("it could not be read".to_owned())
                } else {
                    Ok(self.world.compare(&act, &record, after.as_ref()))
                };
                self.inbox.push_back(Input::Compared { item, state });
            }
            Effect::Cancel(id) => self.cancel(&id),
            Effect::AnswerHost { answer, .. } => {
                let next = self.world.answer_host(answer);
                self.inbox.extend(next);
            }
            Effect::Wake(at) => self.wakes.push(at),
            Effect::Escalate { reason, .. } => self.escalations.push(reason),
        }
        Ok(())
    }

    /// An act that has not been heard of yet ends as cancelled; whether it was done is not known.
    fn cancel(&mut self, id: &belay_engine::ids::InvocationId) {
        use belay_runbook::act::{Ending, Outcome};
        for input in &mut self.inbox {
            if let Input::Ended { id: ended, outcome } = input
                && ended == id
            {
                *outcome = Outcome::bare(Ending::Cancelled);
            }
        }
        if let Some(ended) = self.world.cancel(id, Ending::Cancelled) {
            self.inbox.retain(|input| !matches!(input, Input::HostCall { .. }));
            self.inbox.push_back(ended);
        }
    }

    fn point(&mut self) -> Result<(), Killed> {
        self.points += 1;
        if self.kill_at == Some(self.points) { Err(Killed) } else { Ok(()) }
    }
}

/// The program was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Killed;

fn genesis(setting: &Setting) -> Genesis {
    Genesis {
        label: "0190".to_owned(),
        runbook: setting.runbook.as_str().into(),
        runbook_digest: "0".to_owned(),
        runbook_source: "sample.yaml".to_owned(),
        inputs: setting.inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        alert: Some(json!({ "Labels": { "service": "checkout" } })),
        context: "here".to_owned(),
        environment: setting.environment.to_owned(),
        config: json!({}),
        cluster: None,
        protected: Vec::new(),
        policy: "".into(),
        policy_digest: setting.policy.digest(),
        automations: setting.automations.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect(),
        history: Vec::new(),
        started_by: me(),
        triggered_by: "manual".to_owned(),
        incident: None,
        ticket: None,
        at: "2026-01-01T00:00:00Z".parse().expect("a fixed instant"),
    }
}
