//! Credentials of services: rotation, its undo, and the end of the old values.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_actions::action::{SecretError, SecretSource};
use belay_runbook::act::{Ending, Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionCatalog as _, Effect};
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stage::{Stage, error};

const ROTATE: &str = "security.rotate_credentials";
const REVOKE: &str = "security.revoke_credentials";
/// `old-password-in-force`
const OLD: &str = "b2xkLXBhc3N3b3JkLWluLWZvcmNl";
/// `issued-elsewhere-1`
const ISSUED: &str = "aXNzdWVkLWVsc2V3aGVyZS0x";

struct Issued(bool);

#[async_trait]
impl SecretSource for Issued {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        match self.missing(name).await {
            None => Ok(SecretString::from("issued-elsewhere-1")),
            Some(error) => Err(error),
        }
    }

    async fn missing(&self, name: &str) -> Option<SecretError> {
        let error = || SecretError { problem: format!("secret `{name}` is not set"), remedy: "set it".to_owned() };
        (!self.0).then(error)
    }
}

/// `checkout` with a credential that is made here and one that is issued elsewhere, in two Secrets.
async fn stage() -> Stage {
    let mut stage = Stage::new().await;
    stage.describe_service(
        "checkout",
        json!({ "credentials": {
            "signing": { "secret": "checkout-signing", "key": "token", "workloads": ["deployment/checkout", "deployment/api"] },
            "database": { "secret": "checkout-db", "key": "password", "from": "NEW_DB" },
        } }),
    );
    stage.surroundings.secrets = Arc::new(Issued(true));
    stage.cluster.add_deployment("shop", "api", 1);
    for (name, key) in [("checkout-signing", "token"), ("checkout-db", "password")] {
        let metadata = json!({ "name": name, "namespace": "shop" });
        let data = json!({ key: OLD, "user": "Ym9i" });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data });
        stage.cluster.create(secret).unwrap();
    }
    stage.cluster.forget_calls();
    stage
}

fn all() -> Value {
    json!({ "service": "checkout", "scope": "all" })
}

fn database() -> Value {
    json!({ "service": "checkout", "scope": "database" })
}

fn data(stage: &Stage, secret: &str) -> Value {
    stage.object("secrets", secret)["data"].clone()
}

/// No value, in any form, in anything that is shown, kept or sent elsewhere.
fn tells_nothing(stage: &Stage, prepared: &Preparation, outcome: &Outcome) {
    let new = data(stage, "checkout-signing")["token"].as_str().unwrap().to_owned();
    let everything = format!("{prepared:?}{outcome:?}{}", stage.said.lock().unwrap());
    for value in ["old-password-in-force", "issued-elsewhere", OLD, ISSUED, &new] {
        assert!(!everything.contains(value), "{value} in {everything}");
    }
}

#[tokio::test]
async fn credentials_are_replaced_the_old_ones_kept_and_the_pods_renewed() {
    let stage = stage().await;
    let (checkout, api) = (stage.pods_of("checkout"), stage.pods_of("api"));
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    assert_eq!(prepared.target.name, "credentials/shop/checkout");
    assert_eq!(stage.probe(ROTATE, all(), &prepared).await, ProbeAnswer::NotDone);
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["rotated"], json!(["database", "signing"]));
    assert_eq!(outcome.output["workloads"], json!(["deployment/checkout", "deployment/api"]));
    assert_eq!(data(&stage, "checkout-db"), json!({ "password": ISSUED, "password.previous": OLD, "user": "Ym9i" }));
    let signing = data(&stage, "checkout-signing");
    assert_eq!(signing["token.previous"], OLD);
    assert!(signing["token"].as_str().unwrap().len() >= 80, "32 bytes of randomness");
    for (before, app) in [(checkout, "checkout"), (api, "api")] {
        assert!(before.iter().all(|pod| !stage.pods_of(app).contains(pod)), "pods of {app} are new ones");
    }
    tells_nothing(&stage, &prepared, &outcome);
    let ProbeAnswer::Done(probed) = stage.probe(ROTATE, all(), &prepared).await else { panic!("it is done") };
    assert_eq!(probed.after, outcome.after);
}

#[tokio::test]
async fn a_rotation_is_taken_back_with_its_pods() {
    let stage = stage().await;
    let before = [data(&stage, "checkout-db"), data(&stage, "checkout-signing")];
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    let pods = stage.pods_of("checkout");
    assert_eq!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::AsAfter);
    let undone = stage.undo(ROTATE, all(), &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::Succeeded, "{undone:?}");
    assert_eq!([data(&stage, "checkout-db"), data(&stage, "checkout-signing")], before);
    assert!(pods.iter().all(|pod| !stage.pods_of("checkout").contains(pod)));
    assert_eq!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::AsBefore);
    tells_nothing(&stage, &prepared, &undone);
    assert_eq!(stage.run(ROTATE, all()).await.ending, Ending::Succeeded, "and can be made again");
}

#[tokio::test]
async fn old_values_go_only_after_every_pod_has_begun_with_the_new_ones() {
    let mut stage = stage().await;
    stage.surroundings.timeout = Some(Duration::from_millis(300));
    let pod_start = |time| stage.cluster.set_pod_start(time);
    pod_start(Duration::from_hours(1));
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    assert_eq!(outcome.ending, Ending::TimedOut, "{outcome:?}");
    assert!(error(&outcome).contains("the rollout of"), "{outcome:?}");
    assert_eq!(data(&stage, "checkout-db")["password.previous"], OLD, "the old value is kept");
    let problem = stage.prepare(REVOKE, all()).await.unwrap_err().to_string();
    assert!(problem.contains("the old ones are still needed"), "{problem}");
    assert_eq!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::AsAfter, "and can be put back");

    stage.cluster.advance(Duration::from_hours(9));
    pod_start(Duration::ZERO);
    stage.cluster.advance(Duration::from_hours(9));
    let spec = stage.registry.spec(REVOKE).unwrap();
    assert_eq!((spec.effect, spec.captures_undo), (Effect::Destructive, false));
    let revoking = stage.prepare(REVOKE, all()).await.unwrap();
    let revoked = stage.run_prepared(REVOKE, all(), &revoking).await;
    assert_eq!(revoked.output["revoked"], json!(["database", "signing"]), "{revoked:?}");
    assert_eq!(data(&stage, "checkout-db"), json!({ "password": ISSUED, "user": "Ym9i" }));
    assert!(matches!(stage.probe(REVOKE, all(), &revoking).await, ProbeAnswer::Done(_)));
    assert!(matches!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::Other { .. }));
    assert_eq!(stage.undo(ROTATE, all(), &prepared, &outcome).await.ending, Ending::NotStarted);
    let again = stage.run(REVOKE, all()).await;
    assert_eq!(again.output["revoked"], json!([]), "twice is once");
}

#[tokio::test]
async fn the_same_rotation_twice_is_made_once() {
    let stage = stage().await;
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    // The answer to the write is lost, and so is that to the look at what came of it.
    stage.cluster.fail_next(Matching::verb("patch").with_resource("secrets"), Fault::LostAnswer);
    stage.cluster.fail_always(Matching::verb("get").with_resource("secrets").after(3), Fault::Unavailable);
    let lost = stage.run_prepared(ROTATE, all(), &prepared).await;
    assert_eq!(lost.ending, Ending::Lost);
    stage.cluster.heal();
    assert_eq!(stage.probe(ROTATE, all(), &prepared).await, ProbeAnswer::Unknown, "one of two Secrets is written");
    let values = data(&stage, "checkout-db");
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(data(&stage, "checkout-db"), values);
    let signing = data(&stage, "checkout-signing");
    let pods = stage.pods_of("checkout");
    assert_eq!(stage.run_prepared(ROTATE, all(), &prepared).await.ending, Ending::Succeeded);
    assert_eq!((data(&stage, "checkout-signing"), stage.pods_of("checkout")), (signing, pods));
    let problem = stage.prepare(ROTATE, all()).await.unwrap_err().to_string();
    assert!(problem.contains("is still kept") && problem.contains(REVOKE), "{problem}");
}

#[tokio::test]
async fn a_secret_that_somebody_changed_since_is_left_alone() {
    let stage = stage().await;
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    let change = |secret: &mut Value| secret["data"]["user"] = json!("YWxpY2U=");
    stage.cluster.change("secrets", "shop", "checkout-signing", change).unwrap();
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert_eq!(data(&stage, "checkout-db")["password"], OLD, "nothing at all was changed");

    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    let change = |secret: &mut Value| secret["data"]["token"] = json!(OLD);
    stage.cluster.change("secrets", "shop", "checkout-signing", change).unwrap();
    assert!(matches!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::Other { .. }));
    assert_eq!(stage.undo(ROTATE, all(), &prepared, &outcome).await.ending, Ending::NotStarted);
}

#[tokio::test]
async fn a_rotation_that_breaks_off_between_two_secrets_can_be_taken_back() {
    let stage = stage().await;
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    let second = Matching::verb("patch").with_resource("secrets").named("checkout-signing");
    stage.cluster.forbid_matching(second);
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Failed, "{outcome:?}");
    assert_eq!(data(&stage, "checkout-db")["password"], ISSUED);
    stage.cluster.permit_all();
    assert_eq!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(ROTATE, all(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(data(&stage, "checkout-db")["password"], OLD);
}

#[tokio::test]
async fn an_undo_whose_pods_were_not_replaced_is_not_done() {
    let stage = stage().await;
    let prepared = stage.prepare(ROTATE, all()).await.unwrap();
    let outcome = stage.run_prepared(ROTATE, all(), &prepared).await;
    stage.cluster.forbid("patch", "deployments.apps");
    let undone = stage.undo(ROTATE, all(), &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::Failed, "{undone:?}");
    assert_eq!(data(&stage, "checkout-db")["password"], OLD, "the old values are back");
    stage.cluster.permit_all();
    let pods = stage.pods_of("checkout");
    assert_eq!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(ROTATE, all(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert!(pods.iter().all(|pod| !stage.pods_of("checkout").contains(pod)), "every pod began with the old ones");
    assert_eq!(stage.undo_state(ROTATE, all(), &prepared, &outcome).await, UndoState::AsBefore);
}

#[tokio::test]
async fn a_new_value_has_to_be_there_and_to_be_new() {
    let mut stage = stage().await;
    stage.surroundings.secrets = Arc::new(Issued(false));
    let problem = stage.prepare(ROTATE, database()).await.unwrap_err().to_string();
    assert!(problem.contains("secret `NEW_DB` is not set; set it"), "{problem}");
    stage.surroundings.secrets = Arc::new(Issued(true));
    let change = |secret: &mut Value| secret["data"]["password"] = json!(ISSUED);
    stage.cluster.change("secrets", "shop", "checkout-db", change).unwrap();
    let outcome = stage.run(ROTATE, database()).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("is the one in force"), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("issued-elsewhere"));
}

#[rstest]
#[case::no_such_scope(json!({ "service": "checkout", "scope": "queue" }), "no `queue`; it has database, signing")]
#[case::no_credentials(json!({ "service": "api" }), "names no credentials")]
#[case::a_hostile_scope(json!({ "service": "checkout", "scope": "../x" }), "no name of an object")]
#[tokio::test]
async fn which_credentials_are_meant_has_to_be_clear(#[case] parameters: Value, #[case] expected: &str) {
    let stage = stage().await;
    for action in [ROTATE, REVOKE] {
        let problem = stage.prepare(action, parameters.clone()).await.unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[rstest]
#[case::a_hostile_secret(json!({ "secret": "../configmaps/x", "key": "token" }), "is no name")]
#[case::a_hostile_key(json!({ "secret": "checkout-db", "key": "a/b" }), "is no key")]
#[case::a_kept_key(json!({ "secret": "checkout-db", "key": "password.previous" }), "is no key")]
#[case::no_such_key(json!({ "secret": "checkout-db", "key": "token" }), "has no key `token`")]
#[case::no_such_secret(json!({ "secret": "none", "key": "token" }), "not found")]
#[case::a_typing_error(json!({ "secret": "checkout-db", "kye": "token" }), "kye")]
#[tokio::test]
async fn an_entry_that_is_wrong_says_what_is_wrong(#[case] credential: Value, #[case] expected: &str) {
    let mut stage = stage().await;
    stage.describe_service("checkout", json!({ "credentials": { "one": credential } }));
    let problem = stage.prepare(ROTATE, json!({ "service": "checkout" })).await.unwrap_err().to_string();
    assert!(problem.contains(expected), "{problem}");
}

#[rstest]
#[case(ROTATE, "get", "secrets")]
#[case(ROTATE, "patch", "secrets")]
#[case(ROTATE, "get", "deployments.apps")]
#[case(ROTATE, "patch", "deployments.apps")]
#[case(REVOKE, "get", "secrets")]
#[tokio::test]
async fn who_may_not_is_told_the_rule(#[case] action: &str, #[case] verb: &str, #[case] resource: &str) {
    let stage = stage().await;
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(action, database()).await;
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: [\"{verb}\"]}}");
    assert!(error(&outcome).contains(&rule), "{outcome:?}");
}

#[rstest]
#[case::unavailable(Fault::Unavailable, Ending::Lost)]
// It was written, as the look after it tells.
#[case::half(Fault::HalfAnswer, Ending::Succeeded)]
#[case::garbage(Fault::Garbage, Ending::Lost)]
#[case::busy(Fault::Busy(1), Ending::NotStarted)]
#[case::conflict(Fault::Conflict, Ending::NotStarted)]
#[tokio::test]
async fn a_write_that_goes_wrong_is_sent_once_and_tells_no_value(#[case] fault: Fault, #[case] ending: Ending) {
    let stage = stage().await;
    let prepared = stage.prepare(ROTATE, database()).await.unwrap();
    stage.cluster.fail_always(Matching::verb("patch").with_resource("secrets"), fault);
    stage.asked();
    let outcome = stage.run_prepared(ROTATE, database(), &prepared).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    assert_eq!(stage.asked().iter().filter(|call| *call == "patch secrets").count(), 1);
    tells_nothing(&stage, &prepared, &outcome);
}
