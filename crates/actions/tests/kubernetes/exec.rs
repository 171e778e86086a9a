//! Commands in containers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use belay_actions::action::Surroundings;
use belay_runbook::act::{Ending, Outcome, ProbeAnswer};
use belay_runbook::action::{ActionCatalog as _, Effect};
use belay_testkit::cluster::{Exec, ExecFault, Executed, Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, act, error};

const EXEC: &str = "kubernetes.exec";

fn parameters() -> Value {
    json!({ "podName": "web", "argv": ["redis-cli", "ping"] })
}

/// A pod `web` with one container, and what was run in it.
async fn stage(executed: Executed) -> (Stage, Arc<Mutex<Vec<Exec>>>) {
    let stage = Stage::new().await;
    stage.cluster.add_pod("shop", "web", "node-1");
    let ran = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ran);
    stage.cluster.on_exec(move |exec| {
        seen.lock().unwrap().push(exec.clone());
        executed.clone()
    });
    stage.cluster.forget_calls();
    (stage, ran)
}

/// Gives the pod a second container, and annotations.
fn two_containers(stage: &Stage, annotations: &Value) {
    let change = |pod: &mut Value| {
        pod["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "proxy", "image": "proxy:v1" }));
        pod["metadata"]["annotations"] = annotations.clone();
    };
    stage.cluster.change("pods", "shop", "web", change).unwrap();
}

#[tokio::test]
async fn a_command_runs_in_the_only_container_and_tells_what_it_wrote() {
    let said = Executed { stderr: b"careful\n".to_vec(), ..Executed::said("{\"pong\": true}\n") };
    let (stage, ran) = stage(said).await;
    let prepared = stage.prepare(EXEC, parameters()).await.unwrap();
    assert_eq!(prepared.target.name, "pod/shop/web");
    assert_eq!(prepared.effect, Effect::Mutate);
    assert_eq!(prepared.basis.values["container"], "app");
    let outcome = stage.run_prepared(EXEC, parameters(), &prepared).await;
    assert_eq!((outcome.ending, outcome.exit_code), (Ending::Succeeded, Some(0)), "{outcome:?}");
    assert_eq!(outcome.output["stdout"], "{\"pong\": true}\n");
    assert_eq!(outcome.output["stderr"], "careful\n");
    assert_eq!(outcome.output["json"], json!({ "pong": true }));
    assert_eq!(outcome.output["container"], "app");
    assert_eq!(outcome.streams.len(), 2);
    let ran = ran.lock().unwrap();
    assert_eq!((ran.len(), ran[0].container.as_str()), (1, "app"));
    assert_eq!(ran[0].command, ["redis-cli", "ping"]);
    let shown = stage.said.lock().unwrap();
    assert!(shown.contains("pong") && shown.contains("careful"), "output is shown while it comes: {shown}");
}

#[tokio::test]
async fn a_command_is_not_idempotent_and_nobody_can_say_afterwards_whether_it_ran() {
    let (stage, _) = stage(Executed::default()).await;
    let spec = stage.registry.spec(EXEC).unwrap();
    assert!(!spec.idempotent && spec.available);
    let prepared = stage.prepare(EXEC, parameters()).await.unwrap();
    assert_eq!(stage.probe(EXEC, parameters(), &prepared).await, ProbeAnswer::Unknown);
}

#[tokio::test]
async fn a_failed_command_tells_its_exit_status_and_its_last_words() {
    let (stage, _) = stage(Executed::failed(7, "connecting\nno such key\n")).await;
    let outcome = stage.run(EXEC, parameters()).await;
    assert_eq!((outcome.ending, outcome.exit_code), (Ending::Failed, Some(7)));
    assert_eq!(error(&outcome), "exit status 7: no such key");
}

#[tokio::test]
async fn of_several_containers_the_annotated_one_is_meant_and_without_it_one_has_to_be_named() {
    let (stage, ran) = stage(Executed::default()).await;
    two_containers(&stage, &json!({}));
    let problem = stage.prepare(EXEC, parameters()).await.unwrap_err().to_string();
    assert!(problem.contains("`container`") && problem.contains("app, proxy"), "{problem}");
    stage
        .cluster
        .change("pods", "shop", "web", |pod| {
            pod["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/default-container": "proxy" });
        })
        .unwrap();
    assert_eq!(stage.run(EXEC, parameters()).await.ending, Ending::Succeeded);
    let named = json!({ "podName": "web", "container": "app", "argv": ["true"] });
    assert_eq!(stage.run(EXEC, named).await.ending, Ending::Succeeded);
    let containers: Vec<String> = ran.lock().unwrap().iter().map(|exec| exec.container.clone()).collect();
    assert_eq!(containers, ["proxy", "app"]);
    let missing = json!({ "podName": "web", "container": "db", "argv": ["true"] });
    let problem = stage.prepare(EXEC, missing).await.unwrap_err().to_string();
    assert!(problem.contains("no container `db`; it has app, proxy"), "{problem}");
}

#[rstest]
#[case::a_shell("; rm -rf /")]
#[case::a_substitution("$(id)")]
#[case::another_argument("a&command=reboot")]
#[case::an_option("--all")]
#[case::lines("a\nb\r\nHost: evil")]
#[case::percent("%26command=x%00")]
#[case::a_template("{{ .Alert.Labels.pod }}")]
#[case::nothing("")]
#[tokio::test]
async fn an_argument_stays_one_argument(#[case] hostile: &str) {
    let (stage, ran) = stage(Executed::default()).await;
    let parameters = json!({ "podName": "web", "argv": ["redis-cli", "get", hostile] });
    assert_eq!(stage.run(EXEC, parameters).await.ending, Ending::Succeeded);
    assert_eq!(ran.lock().unwrap()[0].command, ["redis-cli", "get", hostile]);
}

#[rstest]
#[case::nothing(json!([]), "it names no program")]
#[case::an_empty_program(json!([""]), "it names no program")]
#[case::a_secret(json!(["redis-cli", "-a", { "$secret": "REDIS" }]), "a secret may not be an argument")]
#[case::a_zero(json!(["a\0b"]), "zero byte")]
#[tokio::test]
async fn what_is_no_command_is_refused_before_anything_is_asked(#[case] argv: Value, #[case] expected: &str) {
    let (stage, _) = stage(Executed::default()).await;
    let problem = stage.prepare(EXEC, json!({ "podName": "web", "argv": argv })).await.unwrap_err().to_string();
    assert!(problem.contains(expected), "{problem}");
    assert!(!stage.asked().iter().any(|call| call.contains("pods")));
}

#[tokio::test]
async fn what_looks_like_a_credential_is_shown_nowhere() {
    let (stage, _) = stage(Executed::said("requirepass password=hunter2hunter2\nghp_0123456789abcdefghij\n")).await;
    let outcome = stage.run(EXEC, parameters()).await;
    let everything = format!("{outcome:?}{}", stage.said.lock().unwrap());
    assert!(!everything.contains("hunter2") && !everything.contains("ghp_0123"), "{everything}");
}

#[tokio::test]
async fn much_output_is_bounded_and_its_length_is_told() {
    let line = "0123456789abcdef\n".repeat(4);
    let (stage, _) = stage(Executed::said(&line.repeat(64 * 1024))).await;
    let outcome = stage.run(EXEC, parameters()).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{:?}", outcome.error);
    assert!(outcome.output["stdout"].as_str().unwrap().len() < 80 * 1024);
    assert_eq!(outcome.streams[0].bytes, 68 * 64 * 1024);
    assert!(outcome.streams[0].truncated);
    assert!(outcome.excerpt.len() <= 4096);
    assert!(stage.said.lock().unwrap().len() < 2 * 1024 * 1024);
}

#[rstest]
#[case::cut(ExecFault::Cut, Ending::Lost, "what it did is not known")]
#[case::garbled(ExecFault::Garbled, Ending::Lost, "what it did is not known")]
#[case::no_program(
    ExecFault::Refused("OCI runtime exec failed: exec failed: unable to start container process: exec: \"redis-cli\": \
                        executable file not found in $PATH: unknown".to_owned()),
    Ending::NotStarted,
    "executable file not found"
)]
#[case::a_lost_stream(
    ExecFault::Refused("error reading from error stream: connection reset by peer".to_owned()),
    Ending::Lost,
    "connection reset by peer"
)]
#[tokio::test]
async fn a_connection_that_ends_early_leaves_open_what_was_done(
    #[case] fault: ExecFault,
    #[case] ending: Ending,
    #[case] expected: &str,
) {
    let (stage, ran) = stage(Executed { fault: Some(fault), ..Executed::said("begun\n") }).await;
    let outcome = stage.run(EXEC, parameters()).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    assert!(error(&outcome).contains(expected), "{outcome:?}");
    assert_eq!(outcome.output["stdout"], "begun\n", "what came is kept");
    assert_eq!(ran.lock().unwrap().len(), 1, "it is never sent a second time");
}

#[rstest]
#[case::unavailable(Fault::Unavailable, Ending::Lost)]
#[case::internal(Fault::Internal, Ending::Lost)]
#[case::busy(Fault::Busy(1), Ending::NotStarted)]
#[case::conflict(Fault::Conflict, Ending::NotStarted)]
#[case::lost(Fault::LostAnswer, Ending::Lost)]
#[case::garbage(Fault::Garbage, Ending::Lost)]
#[tokio::test]
async fn a_request_that_goes_wrong_is_sent_once(#[case] fault: Fault, #[case] ending: Ending) {
    let (stage, _) = stage(Executed::default()).await;
    let prepared = stage.prepare(EXEC, parameters()).await.unwrap();
    stage.cluster.fail_always(Matching::resource("pods/exec"), fault);
    stage.asked();
    let outcome = stage.run_prepared(EXEC, parameters(), &prepared).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    assert!(!error(&outcome).is_empty());
    assert_eq!(stage.asked(), ["get pods", "get pods/exec"]);
}

#[rstest]
#[case("get", "pods")]
#[case("get", "pods/exec")]
#[case("create", "pods/exec")]
#[tokio::test]
async fn who_may_not_is_told_the_rule(#[case] verb: &str, #[case] resource: &str) {
    let (stage, ran) = stage(Executed::default()).await;
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(EXEC, parameters()).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    let rule = format!("{{apiGroups: [\"\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]}}");
    assert!(error(&outcome).contains(&rule), "{outcome:?}");
    assert!(ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_runs_too_long_is_left_and_may_go_on() {
    let (stage, _) = stage(Executed { takes: Duration::from_hours(1), ..Executed::default() }).await;
    let prepared = stage.prepare(EXEC, parameters()).await.unwrap();
    let surroundings = Surroundings { timeout: Some(Duration::from_millis(200)), ..stage.surroundings.clone() };
    let outcome = stage.action(EXEC).run(&act(EXEC, parameters()), &prepared, &surroundings).await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(error(&outcome).contains("may go on in the container"), "{outcome:?}");
}

#[tokio::test]
async fn a_cancelled_command_is_left_at_once() {
    let (stage, ran) = stage(Executed { takes: Duration::from_hours(1), ..Executed::default() }).await;
    let prepared = stage.prepare(EXEC, parameters()).await.unwrap();
    let cancel = CancellationToken::new();
    let surroundings = Surroundings { cancel: cancel.clone(), ..stage.surroundings.clone() };
    let (action, act) = (stage.action(EXEC), act(EXEC, parameters()));
    let running = action.run(&act, &prepared, &surroundings);
    let cancelling = async {
        while ran.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (outcome, ()): (Outcome, ()) = tokio::join!(running, cancelling);
    assert_eq!(outcome.ending, Ending::Cancelled);
    assert!(error(&outcome).contains("may go on in the container"), "{outcome:?}");
}

#[tokio::test]
async fn a_pod_of_the_same_name_that_is_another_one_is_left_alone() {
    let (stage, ran) = stage(Executed::default()).await;
    let prepared = stage.prepare(EXEC, parameters()).await.unwrap();
    stage.cluster.remove("pods", "shop", "web").unwrap();
    let outcome = stage.run_prepared(EXEC, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("there is no pod `web`"), "{outcome:?}");
    stage.cluster.add_pod("shop", "web", "node-1");
    let outcome = stage.run_prepared(EXEC, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("another pod of the same name"), "{outcome:?}");
    assert!(ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_pod_that_does_not_run_is_said_before_anybody_is_asked() {
    let (stage, _) = stage(Executed::default()).await;
    stage.cluster.change("pods", "shop", "web", |pod| pod["status"]["phase"] = json!("Succeeded")).unwrap();
    let problem = stage.prepare(EXEC, parameters()).await.unwrap_err().to_string();
    assert!(problem.contains("is Succeeded"), "{problem}");
}
