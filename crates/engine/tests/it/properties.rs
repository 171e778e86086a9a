//! Whatever happens in whatever order: no panic, nothing illegal from the driver, and a log that folds.

use belay_engine::driver::{Input, Stated};
use belay_engine::event::{Checklist, Confirmation, Statement, UndoChoice};
use belay_engine::status::ExecutionStatus;
use belay_runbook::act::{Ending, Outcome};
use proptest::prelude::*;

use crate::support::journal::Logged;
use crate::support::people::approve;
use crate::support::{Fault, People, Run, Setting, laws, me};

const EVERYTHING: &str = "prerequisites: [One]
         postConditions: [Two]
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 1}
           onFailure: rollback
         - name: several
           commands: [thingctl add b 1, thingctl add b 2]
           rollback: {commands: [thingctl add b -1, thingctl add b -2]}
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.read {\"name\":\"a\"}
               try call thing.set {\"name\":\"c\",\"value\":1}
               call thing.add {\"name\":\"c\",\"by\":1}
         - name: scripted
           commands: [thingctl add c 2]
           rollback:
             action: script.execute
             parameters:
               script: |
                 try call thing.set {\"name\":\"a\",\"value\":4}
                 call thing.add {\"name\":\"c\",\"by\":-2}
         - name: place
           action: thing.place
           parameters: {name: b, value: 1}
           timeout: 5s
           continueOnError: true
           validation: {postCondition: {value: 3}}
         - name: choose
           type: decision
           branches: {back: set, on: check}
         - name: check
           type: verification
           action: thing.read
           parameters: {name: a}
           timeout: 20s
           validation: {postCondition: {value: 1}}
         - name: look
           type: manual
           description: Look.
           continueOnError: true
         rollback:
           steps:
           - name: put
             action: thing.put
             parameters: {name: a, value: 0}
           - name: put-place
             action: thing.place
             parameters: {name: b, value: 0}
        ";

/// One thing that somebody or something does.
#[derive(Debug, Clone)]
enum Move {
    Turn(u8),
    Say(Word),
    Cancel,
    Crash,
    Foreign(i64),
    Duplicate,
    Late,
    Minutes(u8),
}

#[derive(Debug, Clone)]
enum Word {
    Approve,
    Reject,
    Confirm(Confirmation, bool),
    Decide(&'static str),
    Retry,
    Skip,
    Pause,
    Resume,
    Abort,
    Rollback,
    Settle(UndoChoice),
    Check,
}

fn word() -> impl Strategy<Value = Word> {
    let confirmation = prop_oneof![
        Just(Confirmation::Done),
        Just(Confirmation::NotDone),
        Just(Confirmation::Failed),
        Just(Confirmation::Undo)
    ];
    let choice =
        prop_oneof![Just(UndoChoice::Retry), Just(UndoChoice::Done), Just(UndoChoice::ByHand), Just(UndoChoice::Leave)];
    prop_oneof![
        4 => Just(Word::Approve),
        1 => Just(Word::Reject),
        4 => (confirmation, any::<bool>()).prop_map(|(outcome, by_hand)| Word::Confirm(outcome, by_hand)),
        2 => prop_oneof![Just("back"), Just("on"), Just("nowhere")].prop_map(Word::Decide),
        2 => Just(Word::Retry),
        1 => Just(Word::Skip),
        1 => Just(Word::Pause),
        2 => Just(Word::Resume),
        1 => Just(Word::Abort),
        1 => Just(Word::Rollback),
        3 => choice.prop_map(Word::Settle),
        2 => Just(Word::Check),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        10 => (1_u8..6).prop_map(Move::Turn),
        10 => word().prop_map(Move::Say),
        1 => Just(Move::Cancel),
        1 => Just(Move::Crash),
        1 => (0_i64..4).prop_map(Move::Foreign),
        1 => Just(Move::Duplicate),
        1 => Just(Move::Late),
        1 => (1_u8..10).prop_map(Move::Minutes),
    ];
    proptest::collection::vec(one, 1..60)
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, usize, Fault)>> {
    let keys = prop_oneof![
        Just("thing.set a"),
        Just("thingctl add b 1"),
        Just("thing.set c"),
        Just("thing.add c"),
        Just("thing.read a"),
        Just("undo thing.set a"),
        Just("thingctl add b -1"),
        Just("thing.place b"),
    ];
    let endings = prop_oneof![
        Just(Ending::Failed),
        Just(Ending::NotStarted),
        Just(Ending::TimedOut),
        Just(Ending::Cancelled),
        Just(Ending::Lost)
    ];
    let fault = (endings, any::<bool>())
        .prop_map(|(ending, applied)| Fault { ending, applied: applied && ending != Ending::NotStarted });
    proptest::collection::vec((keys, 1_usize..3, fault), 0..5)
}

fn statement(run: &Run, word: &Word) -> Option<Statement> {
    let execution = run.execution();
    let stuck = execution.rollback.iter().flat_map(|rollback| &rollback.items).find(|entry| !entry.is_over());
    let last = execution.visits.values().flatten().max_by_key(|visit| visit.entered_at).map(|visit| visit.id.clone());
    let at = execution.current.clone().or(last);
    Some(match word {
        Word::Approve => approve(execution.visit(&at?)?)?,
        Word::Reject => {
            let at = at?;
            let digest = execution.visit(&at)?.request.as_ref()?.asked.digest.clone();
            Statement::Reject { at, digest, comment: None }
        }
        Word::Confirm(outcome, by_hand) => {
            Statement::Confirm { at: at?, outcome: *outcome, by_hand: *by_hand, note: Some("n".to_owned()) }
        }
        Word::Decide(branch) => Statement::Decide { at: at?, branch: (*branch).to_owned() },
        Word::Retry => Statement::Retry { at: at? },
        Word::Skip => Statement::Skip { at: at?, reason: "s".to_owned() },
        Word::Pause => Statement::Pause,
        Word::Resume => Statement::Resume,
        Word::Abort => Statement::Abort { reason: "a".to_owned() },
        Word::Rollback => Statement::Rollback { reason: "r".to_owned() },
        Word::Settle(choice) => Statement::SettleUndo { at: stuck?.item.at.clone(), choice: *choice, note: None },
        Word::Check => {
            let unchecked = execution.unchecked(Checklist::Prerequisites);
            let which = if unchecked.is_empty() { Checklist::PostConditions } else { Checklist::Prerequisites };
            Statement::Check { list: which, items: vec![0], note: None }
        }
    })
}

/// Plays the moves. Panics where the driver attempts what is illegal, or where the fold is not the live state.
fn play(production: bool, faults: &[(&'static str, usize, Fault)], moves: &[Move]) -> Run {
    let setting = if production { Setting::new(EVERYTHING).production() } else { Setting::new(EVERYTHING) };
    let setting = setting.world(|mut world| {
        for (key, nth, fault) in faults {
            world = world.fault(key, *nth, *fault);
        }
        world
    });
    let mut people = People::new();
    people.silent = true;
    let mut run = setting.start(people);
    for step in moves {
        match step {
            Move::Turn(turns) => {
                for _ in 0..*turns {
                    run.turn().unwrap();
                }
            }
            Move::Say(word) => {
                if let Some(statement) = statement(&run, word) {
                    // Not asked first whether it fits: it may have been said elsewhere.
                    let hash = run
                        .journal
                        .append(&belay_engine::event::Event::Statement { by: me(), statement: statement.clone() }, &[]);
                    run.hear(Stated { hash, by: me(), statement }).unwrap();
                }
            }
            Move::Cancel => run.input(Input::Cancel).unwrap(),
            Move::Crash => run.restart(),
            Move::Foreign(value) => run.world.foreign("a", *value),
            Move::Duplicate => {
                if let Some(input) = run.inbox.front().cloned() {
                    run.inbox.push_back(input);
                }
            }
            Move::Late => {
                if let Some(invoked) = run.world.log.last() {
                    let id = invoked.id.clone();
                    let outcome = Outcome::bare(Ending::Succeeded);
                    let ended = invoked.ending;
                    // Only what has ended before can arrive once more.
                    let known = run.execution().act(&id).is_none_or(belay_engine::execution::ActRecord::is_settled);
                    if known && ended != Ending::Suspended {
                        // It is refused, or becomes a fact that leaves the flow alone; the laws are checked all the same.
                        let (stage, acts) = (run.execution().current.clone(), run.world.log.len());
                        let handled = run.input(Input::Ended { id, outcome });
                        assert!(handled.is_ok(), "nothing is killed here");
                        assert_eq!(run.execution().current, stage, "a late outcome moves nothing");
                        assert_eq!(run.world.log.len(), acts, "a late outcome starts nothing");
                    }
                }
            }
            Move::Minutes(minutes) => run.now += jiff::SignedDuration::from_mins(i64::from(*minutes)),
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_moves_keeps_the_laws(production in any::<bool>(), faults in faults(), moves in moves()) {
        let run = play(production, &faults, &moves);
        laws::safe(&run);
        let mut execution = run.journal.begin();
        for logged in &run.journal.events {
            prop_assert!(execution.absorb(&logged.event, &logged.cites).is_ok(), "every prefix folds");
        }
        prop_assert_eq!(format!("{execution:?}"), format!("{:?}", run.execution()));
    }

    #[test]
    fn whoever_takes_over_after_any_moves_comes_to_rest(production in any::<bool>(), faults in faults(), moves in moves()) {
        let mut run = play(production, &faults, &moves);
        run.restart();
        run.people = People::new().decide("choose", "on").undo(UndoChoice::Leave);
        run.drive();
        prop_assert!(run.execution().is_finished(), "it rests at {:?} {:?}", run.execution().phase, run.execution().current_visit());
        laws::safe(&run);
    }

    #[test]
    fn a_log_that_was_tampered_with_is_refused_or_harmless(
        moves in moves(),
        how in 0_usize..3,
        places in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let run = play(false, &[], &moves);
        let mut events: Vec<Logged> = run.journal.events.clone();
        if !events.is_empty() {
            let (one, two) = (places.0.index(events.len()), places.1.index(events.len()));
            match how {
                0 => drop(events.remove(one)),
                1 => {
                    let copy = events[one].clone();
                    events.insert(two, copy);
                }
                _ => events.swap(one, two),
            }
        }
        // Never a panic; where it folds, a driver can take it up.
        if let Ok(execution) = run.journal.fold_of(&events) {
            prop_assert!(execution.status().as_str().len() > 3);
        }
    }

    #[test]
    fn undo_after_do_leaves_the_world_as_it_was(values in proptest::collection::vec((0_usize..3, 0_i64..5), 1..5)) {
        let mut text = "rollbackOnFailure: true\nsteps:\n".to_owned();
        for (index, (object, value)) in values.iter().enumerate() {
            let name = ["a", "b", "c"][*object];
            let step = format!("- name: s{index}\n  action: thing.set\n  parameters: {{name: {name}, value: {value}}}\n");
            text.push_str(&step);
        }
        text.push_str("- name: fails\n  commands: [thingctl fail]\n  rollback: {irreversible: nothing}\n");
        let run = Setting::new(&text).run(People::new());
        prop_assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        prop_assert_eq!(run.world.values(), run.initial.clone());
    }
}
