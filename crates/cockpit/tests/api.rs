//! The API that faces use: calls, the stream of events, and executions that are driven for a face.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::sync::Arc;

use belay_cockpit::api::{Api, Call, Event, Listener, Place, Told};
use belay_cockpit::{Cockpit, KeyringChoice, Options, Program};
use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIRMED: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: { name: look-closely }
spec:
  id: RB-T-1
  name: Look closely
  description: Somebody looks.
  trigger: { alert: LookClosely }
  inputs:
    pod: { type: string, default: '{{ .Alert.Labels.pod }}', description: Which pod }
  steps:
    - { name: look, title: Look, type: manual, description: Look at it. }
";

/// A home with one runbook beside the bundled ones.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("runbooks")).unwrap();
        std::fs::write(folder.path().join("runbooks/look-closely.yaml"), CONFIRMED).unwrap();
        Self { folder }
    }

    /// The application of one process.
    fn api(&self) -> Arc<Api> {
        // Nothing in these tests runs a command.
        let program = Program { program: "/nonexistent".into(), args: Vec::new() };
        let home = self.folder.path().join("home");
        Api::new(Cockpit::new(Options {
            home,
            helper: program.clone(),
            worker: program,
            context: None,
            keyring: KeyringChoice::Off,
        }))
    }

    async fn with_runbook(&self) -> Arc<Api> {
        let api = self.api();
        ask(&api, "catalog_add", json!({ "path": self.folder.path().join("runbooks") })).await;
        api
    }
}

async fn ask(api: &Arc<Api>, call: &str, args: Value) -> Value {
    let call: Call = serde_json::from_value(json!({ "call": call, "args": args })).unwrap();
    api.call(call).await.unwrap()
}

async fn told(listener: &mut Listener) -> (Vec<Event>, Option<u64>) {
    match listener.next().await.unwrap() {
        Told::Events { events } => {
            let last = events.last().map(|numbered| numbered.n);
            (events.into_iter().map(|numbered| numbered.event).collect(), last)
        }
        Told::Anew { .. } => panic!("nothing was lost"),
    }
}

/// Listens until an execution has this status; gives the number of that event.
async fn until(listener: &mut Listener, status: &str) -> u64 {
    loop {
        let (events, last) = told(listener).await;
        let is = |event: &Event| matches!(event, Event::Execution { view, .. } if view.summary.status == status);
        if events.iter().any(is) {
            return last.unwrap();
        }
    }
}

async fn here(listener: &mut Listener) -> Place {
    match listener.next().await.unwrap() {
        Told::Anew { after } => after,
        Told::Events { .. } => panic!("the first thing that is told is where the stream stands"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_started_answered_and_ended_through_calls_alone() {
    let desk = Desk::new();
    let api = desk.with_runbook().await;
    let mut listener = api.listen(None);
    here(&mut listener).await;
    let started = ask(&api, "start", json!({ "runbook": "look-closely", "variables": { "pod": "web-1" } })).await;
    until(&mut listener, "waiting").await;
    let page = ask(&api, "execution", started.clone()).await;
    assert_eq!(page["driven"], "here");
    assert_eq!(page["view"]["waiting_on"][0]["kind"], "manual", "{page}");
    let saying = json!({ "say": "confirm", "step": "look", "outcome": "done", "by_hand": false });
    ask(&api, "say", json!({ "execution": started["execution"], "saying": saying })).await;
    until(&mut listener, "completed").await;
    assert_eq!(ask(&api, "verify", started.clone()).await["ok"], true);
    let report = ask(&api, "postmortem", started).await;
    assert!(report["text"].as_str().unwrap().contains("Look closely"), "{report}");
    api.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_that_comes_back_hears_what_it_missed_and_another_process_is_told_to_ask_anew() {
    let desk = Desk::new();
    let api = desk.with_runbook().await;
    let mut listener = api.listen(None);
    let place = here(&mut listener).await;
    ask(&api, "start", json!({ "runbook": "look-closely", "variables": { "pod": "web-1" } })).await;
    until(&mut listener, "waiting").await;
    let mut back = api.listen(Some(&place));
    until(&mut back, "waiting").await;
    api.close().await;
    let other = desk.api();
    let mut listener = other.listen(Some(&place));
    assert_ne!(here(&mut listener).await.stream, place.stream, "another process has another stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_was_shown_can_be_handed_back_to_a_start() {
    let desk = Desk::new();
    let api = desk.with_runbook().await;
    let payload = json!({ "version": "4", "externalURL": "http://alertmanager", "alerts": [{
        "status": "firing", "fingerprint": "ab12",
        "labels": { "alertname": "LookClosely", "pod": "web-7" }, "annotations": { "summary": "look" },
    }] });
    let answer = ask(&api, "alert", json!({ "payload": payload.to_string() })).await;
    let alert = &answer["alerts"][0];
    assert_eq!(alert["runbooks"][0]["name"], "look-closely", "{answer}");
    let form = ask(&api, "form", json!({ "runbook": "look-closely", "alert": alert["value"] })).await;
    assert_eq!(form["inputs"][0]["value"], "web-7", "the input is filled from the alert: {form}");
    let started = ask(&api, "start", json!({ "runbook": "look-closely", "alert": alert["value"] })).await;
    let page = ask(&api, "execution", started).await;
    assert_eq!(page["view"]["triggered_by"], "alert LookClosely");
    api.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_does_is_told() {
    let desk = Desk::new();
    let api = desk.with_runbook().await;
    api.follow().await.unwrap();
    let mut listener = api.listen(None);
    here(&mut listener).await;
    let other = desk.api();
    ask(&other, "start", json!({ "runbook": "look-closely", "variables": { "pod": "web-1" } })).await;
    until(&mut listener, "waiting").await;
    other.close().await;
    api.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_something_else_than_what_was_shown_is_refused() {
    let desk = Desk::new();
    let gated = CONFIRMED.replace("look-closely", "gated").replace("RB-T-1", "RB-T-2").replace(
        "{ name: look, title: Look, type: manual, description: Look at it. }",
        "{ name: look, title: Look, commands: [[\"true\"]], approval: { required: true }, \
         rollback: { irreversible: nothing to take back } }",
    );
    std::fs::write(desk.folder.path().join("runbooks/gated.yaml"), gated).unwrap();
    let api = desk.with_runbook().await;
    let mut listener = api.listen(None);
    here(&mut listener).await;
    let started = ask(&api, "start", json!({ "runbook": "gated", "variables": { "pod": "web-1" } })).await;
    until(&mut listener, "waiting").await;
    let saying = json!({ "say": "approve", "step": "look", "digest": "0".repeat(64), "target": "local" });
    let args = json!({ "execution": started["execution"], "saying": saying });
    let call: Call = serde_json::from_value(json!({ "call": "say", "args": args })).unwrap();
    let error = api.call(call).await.unwrap_err();
    assert_eq!(error.class, "refused", "{error:?}");
    let page = ask(&api, "execution", started).await;
    assert_eq!(page["view"]["steps"][0]["status"], "waiting_approval");
    api.close().await;
}

#[tokio::test]
async fn what_a_value_could_be_is_asked_for_with_what_is_typed_so_far() {
    const LACKING: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: { name: restart-it }
spec:
  name: Restart it
  description: Restarts a service.
  trigger: { manual: true }
  inputs:
    service: { type: string, description: Which service }
    scope: { type: string, description: Which credential, pattern: '[a-z]+' }
    rounds: { type: integer, description: How often }
  steps:
    - name: rotate
      action: security.rotate_credentials
      parameters: { service: '{{ .Vars.service }}', scope: '{{ .Vars.scope }}' }
";
    let desk = Desk::new();
    std::fs::write(desk.folder.path().join("runbooks/restart-it.yaml"), LACKING).unwrap();
    std::fs::create_dir_all(desk.folder.path().join("home")).unwrap();
    let contexts = "current: shop\ncontexts:\n  shop:\n    environment: staging\n    config: { services: { shop: { \
                    kubernetes: { credentials: { db: {}, db2: {} } } } } }\n";
    std::fs::write(desk.folder.path().join("home/contexts.yaml"), contexts).unwrap();
    let api = desk.with_runbook().await;
    let candidates = async |variables: Value| {
        let start = json!({ "runbook": "restart-it", "variables": variables });
        ask(&api, "candidates", json!({ "start": start, "names": ["service", "scope", "rounds"] })).await
    };
    let [service, none] = [json!({ "value": "shop", "note": "in the context's file" }), json!([])];
    let found = candidates(json!({ "rounds": "no number" })).await;
    assert_eq!(found[0], json!({ "name": "service", "candidates": [service], "problem": null }));
    assert_eq!(found[1]["candidates"], none, "of no service, nothing");
    assert_eq!(found[2]["candidates"], none, "a number is nothing to list");
    let found = candidates(json!({ "service": "shop" })).await;
    let fitting = json!([{ "value": "db", "note": "of service shop" }]);
    assert_eq!(found[1]["candidates"], fitting, "what its pattern refuses is not proposed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_the_moment_an_execution_fails_drives_it_on() {
    let desk = Desk::new();
    let api = desk.with_runbook().await;
    let mut listener = api.listen(None);
    here(&mut listener).await;
    let started = ask(&api, "start", json!({ "runbook": "look-closely", "variables": { "pod": "web-1" } })).await;
    let say = async |saying: Value| {
        ask(&api, "say", json!({ "execution": started["execution"], "saying": saying })).await;
    };
    let patience = std::time::Duration::from_mins(1);
    for round in 0..40 {
        // The drive that has just ended still tells where the execution stands.
        let waits = tokio::time::timeout(patience, until(&mut listener, "waiting")).await;
        assert!(waits.is_ok(), "round {round}: nobody drives it");
        say(json!({ "say": "confirm", "step": "look", "outcome": "failed", "by_hand": false })).await;
        until(&mut listener, "failed").await;
        say(json!({ "say": "retry", "step": "look" })).await;
    }
    api.close().await;
}
