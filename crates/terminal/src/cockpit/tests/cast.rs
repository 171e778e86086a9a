//! A stage: the state, keys that are pressed, calls that are answered, and the screen that comes of it.

use std::collections::BTreeMap;

use belay_cockpit::api::{
    About, Answer, BranchSpec, Call, CallError, Driven, Event, ExecutionPage, Facet, FacetValue, FlowEdge, FlowKind,
    InputView, Numbered, Obstacle, Place, Prose, RunbookPage, RunbookView, SearchAnswer, StartForm, StepSpec, Told,
    UndoSpec,
};
use belay_cockpit::wire::{
    Candidate, Candidates, ExecutionView, RotSign, RunbookStatistics, SearchHit, TakenBack, Waiting, WaitingKind,
    WaitingOption,
};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::cockpit::message::{Command, Key, Message, Ticket};
use crate::cockpit::state::{Size, State};
use crate::cockpit::update::update;
use crate::cockpit::view::look::Look;
use crate::cockpit::view::view;

/// The state with what it wants done.
pub struct Stage {
    pub state: State,
    pub commands: Vec<Command>,
    n: u64,
}

impl Stage {
    pub fn new(columns: u16, rows: u16) -> Self {
        let now = Timestamp::from_second(1_763_770_012).unwrap();
        let opened = State::new(now, Size { columns, rows });
        let mut stage = Self { state: opened.0, commands: opened.1, n: 0 };
        stage.answer("about", Answer::About(Box::new(about())));
        stage.answer("waiting", Answer::Waiting(Box::default()));
        stage
    }

    pub fn take(&mut self, message: Message) {
        let commands = update(&mut self.state, message);
        self.commands.extend(commands);
    }

    /// Presses keys, by name, one after the other.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.take(Message::Key(Key::named(key)));
        }
    }

    /// Types a text.
    pub fn type_text(&mut self, text: &str) {
        for character in text.chars() {
            self.take(Message::Key(Key::named(&character.to_string())));
        }
    }

    /// The oldest call of a name that was not answered yet.
    pub fn asked(&mut self, name: &str) -> (Ticket, Call) {
        let of = |command: &Command| matches!(command, Command::Ask { call, .. } if name_of(call) == name);
        let place = self.commands.iter().position(of);
        let place = place.unwrap_or_else(|| panic!("`{name}` was not asked for: {:?}", self.commands));
        let command = self.commands.remove(place);
        let Command::Ask { ticket, call } = command else { panic!("{command:?} is no call") };
        (ticket, *call)
    }

    /// Whether a call of a name waits for its answer.
    pub fn waits_for(&self, name: &str) -> bool {
        self.commands.iter().any(|command| matches!(command, Command::Ask { call, .. } if name_of(call) == name))
    }

    pub fn answer(&mut self, name: &str, answer: Answer) {
        let (ticket, _) = self.asked(name);
        self.take(Message::Answered { ticket, answer: Ok(answer) });
    }

    pub fn refuse(&mut self, name: &str) {
        let (ticket, _) = self.asked(name);
        let error = CallError {
            class: "environment".to_owned(),
            message: "the database is locked by another program".to_owned(),
            hint: Some("end the other program, then try again".to_owned()),
        };
        self.take(Message::Answered { ticket, answer: Err(error) });
    }

    pub fn tell(&mut self, event: Event) {
        self.n += 1;
        self.take(Message::Told(Told::Events { events: vec![Numbered { n: self.n, event }] }));
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        let size = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(size.columns, size.rows)).unwrap();
        terminal.draw(|frame| view(frame, &self.state, Look { color: true })).unwrap();
        let rows = terminal.backend().to_string();
        rows.lines().map(|row| row.trim_matches('"').trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// An execution on its page.
    pub fn on_execution(columns: u16, rows: u16, view: ExecutionView) -> Self {
        let mut stage = Self::new(columns, rows);
        stage.answer("search", Answer::Search(Box::new(found(1, ""))));
        let id = view.summary.execution.clone();
        crate::cockpit::perform::perform(
            &mut stage.state,
            crate::cockpit::deed::Deed::Execution(id),
            &mut stage.commands,
        );
        stage.answer("execution", Answer::Execution(Box::new(page(view))));
        stage
    }
}

fn name_of(call: &Call) -> &'static str {
    match call {
        Call::Search(_) => "search",
        Call::Alert(_) => "alert",
        Call::Runbook(_) => "runbook",
        Call::Form(_) => "form",
        Call::Plan(_) => "plan",
        Call::Candidates(_) => "candidates",
        Call::CandidatesIn(_) => "candidates_in",
        Call::Start(_) => "start",
        Call::Executions(_) => "executions",
        Call::Waiting(_) => "waiting",
        Call::Execution(_) => "execution",
        Call::Log(_) => "log",
        Call::Verify(_) => "verify",
        Call::Drive(_) => "drive",
        Call::Cancel(_) => "cancel",
        Call::Say(_) => "say",
        Call::About(_) => "about",
        Call::Doctor(_) => "doctor",
        Call::Secrets(_) => "secrets",
        Call::Validate(_)
        | Call::Edit(_)
        | Call::SaveDraft(_)
        | Call::KeepDraft(_)
        | Call::DiscardDraft(_)
        | Call::Catalog(_)
        | Call::CatalogAdd(_)
        | Call::CatalogRemove(_)
        | Call::Rot(_)
        | Call::Output(_)
        | Call::Export(_)
        | Call::Postmortem(_)
        | Call::Leave(_)
        | Call::Contexts(_)
        | Call::UseContext(_)
        | Call::Policy(_)
        | Call::SecretSet(_)
        | Call::SecretRemove(_) => "another",
    }
}

pub fn about() -> About {
    About {
        version: "0.1.0".to_owned(),
        responder: "maria".to_owned(),
        device: "d0".to_owned(),
        home: "/home/maria/belay".to_owned(),
        context: "local".to_owned(),
        environment: "local".to_owned(),
    }
}

/// So many hits; `word` stands wherever text is not ours.
pub fn found(count: usize, word: &str) -> SearchAnswer {
    let sign = |rule: &str, severity: &str, text: &str| RotSign {
        rule: rule.to_owned(),
        severity: severity.to_owned(),
        text: format!("{text}{word}"),
    };
    let hit = |index: usize| SearchHit {
        id: format!("RB-{index:03}{word}"),
        name: format!("runbook-{index}"),
        title: format!("Runbook number {index}{word}"),
        score: 1.0,
        weak: false,
        matched: vec![format!("symptom \"slow{word}\"")],
        severity: "sev2".to_owned(),
        category: None,
        domain: None,
        services: vec![format!("checkout{word}")],
        tags: Vec::new(),
        source: "bundled".to_owned(),
        hides_bundled: false,
        shares_name: false,
        rot: vec![
            sign("findings", "error", "1 error"),
            sign("overdue-review", "warning", "review was due 2026-01-31"),
            sign("findings", "warning", "2 warnings"),
        ],
        statistics: RunbookStatistics { executions: 3, finished: 2, succeeded: 1, ..RunbookStatistics::default() },
    };
    let severity = Facet { name: "severity".to_owned(), values: vec![FacetValue { value: "sev2".to_owned(), count }] };
    SearchAnswer { hits: (0..count).map(hit).collect(), total: count, more: false, facets: vec![severity] }
}

fn spec(name: &str, kind: &str, word: &str) -> StepSpec {
    StepSpec {
        name: name.to_owned(),
        title: format!("Title of {name}{word}"),
        kind: kind.to_owned(),
        description: Some(Prose { text: format!("Look at the **cache**{word}."), html: String::new() }),
        commands: vec![format!("redis-cli info{word}")],
        remarks: Vec::new(),
        action: None,
        parameters: None,
        effect: Some("mutate".to_owned()),
        when: None,
        prerequisites: Vec::new(),
        post_conditions: Vec::new(),
        expected_output: Some(format!("a hit rate above 80 %{word}")),
        success_criteria: None,
        retries: 0,
        timeout_seconds: None,
        failure_hint: None,
        continue_on_error: false,
        needs_approval: true,
        approvers: Vec::new(),
        quorum: 1,
        undo: Some(UndoSpec { kind: "acts".to_owned(), text: format!("redis-cli undo{word}") }),
        undo_only: false,
        branches: Vec::new(),
        estimated_minutes: Some(2),
    }
}

pub fn runbook(word: &str) -> RunbookView {
    let edge = |from: &str, to: &str, kind, label: Option<&str>| FlowEdge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        label: label.map(str::to_owned),
    };
    let mut which = spec("which", "decision", word);
    which.branches = vec![BranchSpec {
        name: format!("warm{word}"),
        to: "restart".to_owned(),
        when: None,
        description: Some(format!("warm it{word}")),
    }];
    RunbookView {
        id: format!("RB-000{word}"),
        name: "runbook-0".to_owned(),
        title: format!("Runbook number 0{word}"),
        description: Some(Prose { text: format!("Puts the cache right{word}."), html: String::new() }),
        domain: None,
        category: Some("incident_response".to_owned()),
        severity: "sev2".to_owned(),
        services: vec![format!("checkout{word}")],
        tags: vec![format!("cache{word}")],
        alerts: vec![format!("CacheMisses{word}")],
        triggers: Vec::new(),
        symptoms: vec![format!("Pages are slow{word}")],
        impact: Some(Prose { text: format!("Customers wait{word}."), html: String::new() }),
        resolution: None,
        author: Some(format!("kim{word}")),
        version: Some("1.2.0".to_owned()),
        updated: None,
        review_date: Some("2026-12-01".to_owned()),
        estimated_minutes: Some(15),
        automation_level: None,
        rollback_on_failure: false,
        requires_change_ticket: false,
        prerequisites: vec![format!("You have told the channel{word}")],
        post_conditions: Vec::new(),
        steps: vec![
            spec("look", "manual", word),
            which,
            spec("restart", "automated", word),
            spec("verify", "verification", word),
        ],
        rollback_steps: Vec::new(),
        flow: vec![
            edge("look", "which", FlowKind::Next, None),
            edge("which", "restart", FlowKind::Branch, Some("warm")),
            edge("restart", "verify", FlowKind::Next, None),
            edge("restart", "look", FlowKind::Failure, None),
            edge("verify", "end", FlowKind::Next, None),
        ],
        related: Vec::new(),
        references: vec![format!("https://example.com/{word}")],
        changelog: Vec::new(),
    }
}

pub fn runbook_page(word: &str) -> RunbookPage {
    RunbookPage {
        runbook: runbook(word),
        findings: Vec::new(),
        statistics: RunbookStatistics::default(),
        history: Vec::new(),
        source: "bundled".to_owned(),
        digest: "d".to_owned(),
        text: String::new(),
        unavailable: Vec::new(),
    }
}

/// An execution that waits for an approval.
pub fn execution(word: &str) -> ExecutionView {
    let mut view = crate::render::tests::view(word);
    view.summary.error = None;
    let back = |step: &str, title: &str, status: &str, how: &str| TakenBack {
        step: step.to_owned(),
        title: format!("{title}{word}"),
        status: status.to_owned(),
        how: format!("{how}{word}"),
    };
    view.takes_back = vec![
        back("flush", "Empty the cache", "irreversible", "it fills by itself"),
        back("scale", "Scale out", "ready", "scale the deployment to 2"),
        back("tell", "Tell the channel", "step", "a step of the runbook's own rollback"),
    ];
    view
}

/// The same, waiting for something else at its second step.
pub fn waiting(kind: WaitingKind, options: &[(&str, &str)]) -> ExecutionView {
    let mut view = execution("");
    let option = |(name, description): &(&str, &str)| WaitingOption {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        ..WaitingOption::default()
    };
    view.summary.waiting_on = vec![Waiting {
        kind,
        step: (kind != WaitingKind::Checklist).then(|| "restart".to_owned()),
        detail: "somebody has to look".to_owned(),
        options: options.iter().map(option).collect(),
    }];
    view.steps[1].approval = None;
    view.steps[1].status = if kind == WaitingKind::Outcome { "interrupted" } else { "waiting_input" }.to_owned();
    view
}

pub fn page(view: ExecutionView) -> ExecutionPage {
    ExecutionPage {
        place: Place { stream: "s".to_owned(), n: 0 },
        view,
        driven: Driven::Here,
        runbook: runbook(""),
        running: None,
    }
}

pub fn form() -> StartForm {
    let input = |name: &str, kind: &str, value: Option<&str>| InputView {
        name: name.to_owned(),
        kind: kind.to_owned(),
        description: Some(format!("what {name} is")),
        value: value.map(str::to_owned),
        is_default: value.is_some(),
        options: Vec::new(),
        pattern: None,
        required: true,
        problem: None,
        hint: None,
    };
    StartForm {
        inputs: vec![input("host", "string", None), input("rounds", "integer", Some("3"))],
        checklist: vec!["You have told the channel".to_owned()],
        context: "shop".to_owned(),
        environment: "production".to_owned(),
        production: true,
        needs_ticket: false,
        obstacles: vec![Obstacle {
            what: "`redis-cli` is not on this device's PATH".to_owned(),
            hint: Some("install it, or do its steps by hand".to_owned()),
            blocking: false,
        }],
    }
}

/// What a value could be, as the API answers it.
pub fn candidates(name: &str, all: &[(&str, &str)]) -> Vec<Candidates> {
    let candidate = |(value, note): &(&str, &str)| Candidate { value: (*value).to_owned(), note: (*note).to_owned() };
    vec![Candidates { name: name.to_owned(), candidates: all.iter().map(candidate).collect(), problem: None }]
}

/// Values of a map of one.
pub fn one(name: &str, value: &str) -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([(name.to_owned(), serde_json::Value::String(value.to_owned()))])
}
