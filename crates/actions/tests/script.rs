//! `script.execute` with real worker processes.
//!
//! This binary is its own worker: started with the worker's subcommand it runs the worker, as `belay` does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use belay_actions::action::{Action, HostAnswer, OutputSink, ScriptHost, SecretError, SecretSource, Surroundings};
use belay_actions::script::ScriptExecute;
use belay_runbook::act::{Act, Ending, Outcome};
use belay_runbook::action::{Effect, Sink};
use belay_script::{WORKER_SUBCOMMAND, Worker};
use libtest_mimic::{Arguments, Trial};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(WORKER_SUBCOMMAND) {
        return belay_script::worker_main();
    }
    let tests: [(&str, fn()); 9] = [
        ("a_returned_value_is_the_output_and_context_writes_are_published", returned),
        ("a_thrown_error_fails_with_its_line_and_publishes_nothing", thrown),
        ("a_call_that_waits_for_a_person_suspends_the_script", suspended),
        ("a_script_without_a_host_cannot_call_anything", without_host),
        ("a_script_that_computes_too_long_fails_at_its_own_timeout", too_long),
        ("the_time_limit_of_the_act_includes_waiting", deadline),
        ("wrong_parameters_are_named_before_anything_starts", wrong_parameters),
        ("secrets_and_tokens_are_hidden_in_everything_it_says", redacted),
        ("an_invocation_draws_the_same_numbers_again", same_numbers),
    ];
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

struct OneSecret;

#[async_trait]
impl SecretSource for OneSecret {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        match self.missing(name).await {
            None => Ok(SecretString::from("correct-horse-battery")),
            Some(error) => Err(error),
        }
    }

    async fn missing(&self, name: &str) -> Option<SecretError> {
        let error = || SecretError { problem: format!("secret `{name}` is not set"), remedy: "set it".to_owned() };
        (name != "TOKEN").then(error)
    }
}

/// Answers call 0, never answers `http.never`, suspends at everything else.
struct Scripted;

#[async_trait]
impl ScriptHost for Scripted {
    async fn call(&self, index: u32, function: &str, arguments: Value) -> HostAnswer {
        if function == "http.never" {
            return std::future::pending().await;
        }
        match index {
            0 => HostAnswer::Value { value: json!([function, arguments]), published: BTreeMap::new(), at: 7000 },
            _ => HostAnswer::Suspend,
        }
    }
}

fn surroundings(invocation: &str, output: OutputSink) -> Surroundings {
    Surroundings {
        invocation: invocation.to_owned(),
        timeout: None,
        cancel: CancellationToken::new(),
        output,
        survives: false,
        context: Arc::new(json!({})),
        secrets: Arc::new(OneSecret),
        now: jiff::Timestamp::from_millisecond(5000).unwrap(),
        notices: Arc::new(|_| {}),
        host: Some(Arc::new(Scripted)),
    }
}

fn action() -> ScriptExecute {
    ScriptExecute::new(Worker::subcommand_of(std::env::current_exe().unwrap()))
}

fn perform(parameters: Value, surroundings: &Surroundings) -> Outcome {
    let act = Act { action: "script.execute".to_owned(), parameters };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let action = action();
        let preparation = action.prepare(&act, surroundings).await.unwrap();
        assert_eq!(preparation.effect, Effect::Read, "its calls have effects of their own");
        action.run(&act, &preparation, surroundings).await
    })
}

fn run(parameters: Value) -> Outcome {
    perform(parameters, &surroundings("e/1", Arc::new(|_| {})))
}

fn returned() {
    let script =
        "context.pods = await kubernetes.listPods({limit: variables.limit}); return [context.node, Date.now()]";
    let outcome = run(json!({"script": script, "variables": {"limit": 3}, "context": {"node": "n1"}}));
    assert_eq!((outcome.ending, &outcome.error), (Ending::Succeeded, &None));
    assert_eq!(outcome.output, json!(["n1", 7000]), "the call's recorded time is the script's");
    let expected = [("pods".to_owned(), json!(["kubernetes.listPods", [{"limit": 3}]]))];
    assert_eq!(outcome.published, expected.into());
    assert_eq!(action().spec().sink("script"), Sink::Script);
    assert!(!action().spec().idempotent, "a second run makes its calls again");
}

fn thrown() {
    let outcome = run(json!({"script": "context.a = 1;\nlog('almost');\nthrow new Error('no')"}));
    assert_eq!((outcome.ending, outcome.error.as_deref()), (Ending::Failed, Some("line 3: Error: no")));
    assert!(outcome.published.is_empty());
    assert_eq!(outcome.excerpt, "almost\n", "the log says how far it came");
    assert_eq!(outcome.streams[0].bytes, 7);
}

fn suspended() {
    let outcome = run(json!({"script": "context.a = 1; await http.a(); await cache.flush(); return 1"}));
    assert_eq!((outcome.ending, outcome.error), (Ending::Suspended, None));
    assert!(outcome.published.is_empty() && outcome.output.is_null());
}

fn without_host() {
    let surroundings = Surroundings { host: None, ..surroundings("e/1", Arc::new(|_| {})) };
    let outcome = perform(json!({"script": "return 1 + 1"}), &surroundings);
    assert_eq!(outcome.output, json!(2), "a script that calls nothing needs no host");
    let outcome = perform(json!({"script": "await cache.flush()"}), &surroundings);
    let error = outcome.error.unwrap();
    assert_eq!(error, "line 1: `cache.flush` cannot be called here: this script runs without a host");
}

fn too_long() {
    let outcome = run(json!({"script": "for (;;) {}", "timeout": 0.2}));
    assert_eq!(outcome.ending, Ending::Failed, "its calls are journaled, so nothing is unknown");
    assert_eq!(outcome.error.as_deref(), Some("the script computed for more than 0.2 s"));
}

fn deadline() {
    let limit = Some(Duration::from_millis(300));
    let surroundings = Surroundings { timeout: limit, ..surroundings("e/1", Arc::new(|_| {})) };
    let outcome = perform(json!({"script": "await http.never()"}), &surroundings);
    assert_eq!(outcome.ending, Ending::TimedOut);
}

fn wrong_parameters() {
    for (parameters, named) in [
        (json!({}), "script"),
        (json!({"script": 1}), "script"),
        (json!({"script": "", "variables": []}), "variables"),
        (json!({"script": "", "context": "x"}), "context"),
        (json!({"script": "", "timeout": 0}), "timeout"),
        (json!({"script": "", "timeout": "10s"}), "timeout"),
    ] {
        let act = Act { action: "script.execute".to_owned(), parameters };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let surroundings = surroundings("e/1", Arc::new(|_| {}));
        let error = runtime.block_on(action().prepare(&act, &surroundings)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("parameter `{named}`")), "{error}");
    }
}

fn redacted() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&said);
    let output: OutputSink = Arc::new(move |chunk| sink.lock().unwrap().extend(chunk.bytes));
    let script = "const s = ['correct', 'horse', 'battery'].join('-'); log(s); context.s = s;
        if (variables.fail) throw new Error(s); return {s}";
    for fail in [false, true] {
        let variables = json!({"fail": fail, "token": {"$secret": "TOKEN"}});
        let outcome =
            perform(json!({"script": script, "variables": variables}), &surroundings("e/1", Arc::clone(&output)));
        let text = serde_json::to_string(&outcome).unwrap();
        assert!(!text.contains("correct-horse-battery"), "{text}");
    }
    let said = String::from_utf8(said.lock().unwrap().clone()).unwrap();
    assert!(said.lines().count() == 2 && !said.contains("correct-horse"), "{said}");
}

fn same_numbers() {
    let draw = |invocation| {
        perform(json!({"script": "return Math.random()"}), &surroundings(invocation, Arc::new(|_| {}))).output
    };
    assert_eq!(draw("e/1"), draw("e/1"));
    assert_ne!(draw("e/1"), draw("e/2"));
}
