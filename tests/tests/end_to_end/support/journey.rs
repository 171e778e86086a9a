//! A run from its start to its end, through however many deaths, and what has to hold afterwards.

use std::collections::{BTreeMap, BTreeSet};

use belay_testkit::world::{Line, Phase};
use serde_json::Value;

use super::desk::{Desk, Ran, eventually, processes_in};
use super::journal::{Invocation, Journal};
use super::person;
use super::runbooks::{Story, furnish, runbook};
use super::server::Server;

/// More processes than any run takes.
const MOST: usize = 60;

/// The steps of a run that comes after it.
const NEXT: &str = "    - name: look
      commands: ['true']
      rollback: { irreversible: it changes nothing }
";

/// What is seen of a run on its way.
pub struct Journey<'a> {
    pub desk: &'a Desk,
    story: Story,
    arguments: Vec<String>,
    execution: Option<String>,
    /// Hashes that were found in the store after some death.
    seen: BTreeSet<String>,
    /// Attempts that were printed.
    printed: BTreeSet<Invocation>,
    /// How many processes were killed.
    pub killed: usize,
}

impl<'a> Journey<'a> {
    pub fn new(desk: &'a Desk, server: &Server, story: Story) -> Self {
        furnish(desk);
        let file = desk.file("story.yaml", &story.text());
        let arguments = vec![
            "run".to_owned(),
            file.display().to_string(),
            "--var".to_owned(),
            format!("dir={}", desk.world_folder.display()),
            "--var".to_owned(),
            format!("port={}", server.port),
        ];
        Self { desk, story, arguments, execution: None, seen: BTreeSet::new(), printed: BTreeSet::new(), killed: 0 }
    }

    /// Drives it to its end; `drive` runs one process with these arguments, and may kill it; it learns how many were
    /// killed already.
    pub fn travel(&mut self, mut drive: impl FnMut(&Desk, &[String], usize) -> Ran) {
        for _ in 0..MOST {
            let mut arguments = match &self.execution {
                Some(execution) => vec!["resume".to_owned(), execution.clone()],
                None => self.arguments.clone(),
            };
            arguments.extend(["--no-input".to_owned(), "--json".to_owned()]);
            let ran = drive(self.desk, &arguments, self.killed);
            self.take_note(&ran);
            let Some(execution) = self.find_execution() else {
                assert!(ran.was_killed(), "only a kill leaves no execution behind: {ran:#?}");
                assert_eq!(self.desk.world.lines().unwrap(), Vec::new(), "I3: nothing acts without an execution");
                continue;
            };
            if !ran.was_killed() {
                assert!(matches!(ran.code, Some(0 | 1 | 3)), "a run ends, fails or waits: {ran:#?}");
            }
            self.remember(&execution);
            let status = self.desk.status(&execution);
            if !status["finished_at"].is_null() {
                return;
            }
            person::answer(self.desk, &execution, &status);
        }
        panic!("the run does not come to an end: {:#}", self.desk.status(self.execution.as_ref().unwrap()));
    }

    fn take_note(&mut self, ran: &Ran) {
        self.killed += usize::from(ran.was_killed());
        for line in ran.json_lines() {
            let view = if line["steps"].is_array() { &line } else { &line["view"] };
            for step in view["steps"].as_array().into_iter().flatten() {
                for attempt in step["attempts"].as_array().unwrap() {
                    self.printed.insert(Invocation {
                        step: step["name"].as_str().unwrap().to_owned(),
                        visit: 1,
                        attempt: attempt["n"].as_u64().unwrap(),
                        act: attempt["act"].as_str().unwrap().to_owned(),
                    });
                }
            }
        }
    }

    fn find_execution(&mut self) -> Option<String> {
        if self.execution.is_none() {
            let found = self.desk.executions();
            assert!(found.len() <= 1, "one start makes one execution: {found:?}");
            self.execution = found.into_iter().next();
        }
        self.execution.clone()
    }

    /// Looks into the store: what is there now may never go away.
    fn remember(&mut self, execution: &str) {
        let journal = Journal::read(self.desk, execution);
        let now = journal.hashes();
        let lost: Vec<_> = self.seen.difference(&now).collect();
        assert!(lost.is_empty(), "I2: events that were in the store are lost: {lost:?}");
        self.seen = now;
    }

    /// Checks everything that has to hold at the end.
    pub fn check(&self) -> Journal {
        let execution = self.execution.as_ref().expect("it was started");
        let journal = Journal::read(self.desk, execution);
        let lines = self.desk.world.lines().unwrap();
        let status = self.desk.status(execution);
        let wanted = if self.story.goes_back() { "rolled_back" } else { "completed" };
        assert_eq!(status["status"], wanted, "{status:#}");
        self.check_i2(&journal);
        check_i3(&journal, &lines);
        check_i5(&journal, &lines);
        check_i7(&journal);
        for (key, value) in self.story.after() {
            let found = self.desk.world.get(key).unwrap();
            assert_eq!(found.as_deref(), Some(value), "I8: object `{key}` is what it should be: {lines:#?}");
        }
        let verified = self.desk.belay(["audit", "verify", "--json"]).exits(0).json();
        assert_eq!(verified["ok"], true, "I2: everything verifies: {verified:#}");
        eventually("everything that was started ends", || {
            processes_in(&self.desk.world_folder).is_empty().then_some(())
        });
        self.check_records();
        journal
    }

    /// A death at the very end leaves records behind, which speak of nothing that lives; the next run that anybody starts
    /// removes them. A helper takes its own with it, and ends a moment after the program that it served.
    fn check_records(&self) {
        let next = self.desk.file("next.yaml", &runbook("next", NEXT));
        let mut arguments = vec!["run".to_owned(), next.display().to_string(), "--no-input".to_owned()];
        arguments.extend_from_slice(&self.arguments[2..]);
        self.desk.belay(arguments).exits(0);
        eventually("records of commands that have ended go with the next run", || {
            std::fs::read_dir(self.desk.home.join("run")).into_iter().flatten().next().is_none().then_some(())
        });
    }

    fn check_i2(&self, journal: &Journal) {
        let hashes = journal.hashes();
        assert!(self.seen.is_subset(&hashes), "I2: what was in the store stays there");
        let intents: BTreeSet<Invocation> = journal.intents().into_values().collect();
        let lost: Vec<_> = self.printed.difference(&intents).collect();
        assert!(lost.is_empty(), "I2: attempts that were shown are in the log: {lost:?}");
    }
}

/// What Belay started; a person's own hands leave lines without a mark.
fn begins(lines: &[Line]) -> impl Iterator<Item = &Line> {
    lines.iter().filter(|line| line.phase == Phase::Begin && !line.invocation.is_empty())
}

/// Whatever happened had a durable intent, and whatever changes something says what takes it back.
fn check_i3(journal: &Journal, lines: &[Line]) {
    let intents = journal.intents();
    for line in begins(lines) {
        assert!(intents.contains_key(&line.invocation), "I3: no intent for {line:?}");
    }
    for invocation in intents.values().filter(|invocation| invocation.act.starts_with('a')) {
        if journal.reads(invocation) {
            continue;
        }
        let undo = journal
            .all("transition.planned")
            .filter(|body| body["at"]["step"] == invocation.step.as_str())
            .map(|body| &body["plan"]["undo"])
            .last()
            .expect("what acts was planned");
        assert!(!undo.is_null() && undo != "undeclared", "I3: {invocation:?} has an undo or is irreversible: {undo}");
    }
}

/// Nothing that may happen once happened twice.
fn check_i5(journal: &Journal, lines: &[Line]) {
    let intents = journal.intents();
    let mut of_mark: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_act: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in begins(lines).filter(|line| line.verb != "get") {
        let invocation = &intents[&line.invocation];
        *of_mark.entry(&line.invocation).or_default() += 1;
        if !invocation.act.starts_with('u') {
            *of_act.entry((&invocation.step, &invocation.act)).or_default() += 1;
        }
    }
    for (mark, count) in of_mark {
        assert_eq!(count, 1, "I5: one intent, one invocation: {:?}", intents[mark]);
    }
    for ((step, act), count) in of_act {
        let is = |id: &Value| {
            let invocation = Invocation::read(id);
            invocation.step == step && invocation.act == act
        };
        let never = journal
            .all("transition.act_ended")
            .filter(|body| is(&body["id"]) && body["outcome"]["ending"] == "not_started")
            .count();
        let denied = journal
            .all("transition.act_settled")
            .filter(|body| is(&body["id"]) && body["settlement"] == "not_done")
            .count();
        assert!(count <= 1 + never + denied, "I5: {step}/{act} ran {count} times, {never} never, {denied} not done");
    }
}

/// Nothing goes on past an interrupted act that nobody has settled, and what settles it is cited.
fn check_i7(journal: &Journal) {
    for (index, entry) in journal.entries.iter().enumerate() {
        if entry.kind != "transition.act_interrupted" {
            continue;
        }
        let invocation = Invocation::read(&entry.body["id"]);
        let reads = journal.reads(&invocation);
        for later in &journal.entries[index + 1..] {
            match later.kind.as_str() {
                "transition.act_settled" if later.body["id"] == entry.body["id"] => {
                    let by_person = !later.body["by"].is_null();
                    assert!(!by_person || !later.cites.is_empty(), "I7: a person's settlement is cited: {later:?}");
                    break;
                }
                "transition.undo_settled" if invocation.act.starts_with('u') => {
                    assert!(!later.cites.is_empty(), "I7: what a person said of an undo is cited: {later:?}");
                    break;
                }
                "transition.act_started" => {
                    assert!(reads, "I7: something starts while {invocation:?} is interrupted: {later:?}");
                    break;
                }
                _ => {}
            }
        }
    }
}
