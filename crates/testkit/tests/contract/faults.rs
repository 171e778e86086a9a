//! What goes wrong on purpose.

use std::time::{Duration, Instant};

use belay_testkit::cluster::{Fault, Matching};
use serde_json::json;

use crate::ground::{Answer, Ground, config};

crate::cases! {
    anywhere: [],
    fake: [
        a_server_that_is_down_for_a_moment_says_so,
        overload_tells_when_to_come_back,
        a_conflict_is_played,
        an_expired_login_stays_expired_until_it_is_renewed,
        a_resource_that_is_not_yet_served_is_plain_text,
        a_slow_answer_comes_late,
        half_an_answer_is_an_error,
        a_page_of_html_is_no_json,
        a_lost_answer_leaves_the_change_done,
        a_lost_request_leaves_nothing_done,
        connections_are_refused_for_a_while,
        a_fault_waits_for_its_request,
        a_fault_for_all_goes_on_until_it_is_healed,
    ],
}

async fn create(ground: &Ground, name: &str) -> Result<Answer, kube::Error> {
    let body = config(name).to_string().into_bytes();
    ground.try_ask("POST", &ground.core("configmaps"), "application/json", body).await
}

fn is_there(ground: &Ground, name: &str) -> bool {
    ground.cluster().object("configmaps", "shop", name).is_some()
}

async fn a_server_that_is_down_for_a_moment_says_so(ground: Ground) {
    ground.cluster().fail_next("create configmaps", Fault::Unavailable);
    ground.cluster().fail_next("create configmaps", Fault::Internal);
    create(&ground, "a").await.unwrap().refused(503, "ServiceUnavailable");
    create(&ground, "a").await.unwrap().refused(500, "InternalError");
    assert!(!is_there(&ground, "a"));
    create(&ground, "a").await.unwrap().expect(201);
}

async fn overload_tells_when_to_come_back(ground: Ground) {
    ground.cluster().fail_next(Matching::any(), Fault::Busy(3));
    let answer = create(&ground, "a").await.unwrap().refused(429, "TooManyRequests");
    assert_eq!(answer.headers["retry-after"], "3");
    assert!(answer.body["details"].get("causes").is_none(), "overload names no budget");
}

async fn a_conflict_is_played(ground: Ground) {
    create(&ground, "a").await.unwrap().expect(201);
    ground.cluster().fail_next("patch configmaps", Fault::Conflict);
    let patch = json!({ "data": { "key": "new" } });
    let path = ground.core("configmaps/a");
    let answer = ground.patch("merge", &path, &patch).await.refused(409, "Conflict");
    assert!(
        answer.at("/message").starts_with("Operation cannot be fulfilled on configmaps \"a\": the object has been")
    );
    ground.patch("merge", &path, &patch).await.expect(200);
}

async fn an_expired_login_stays_expired_until_it_is_renewed(ground: Ground) {
    ground.cluster().fail_next("create configmaps", Fault::ExpiredLogin);
    ground.get(&ground.core("configmaps")).await.expect(200);
    create(&ground, "a").await.unwrap().refused(401, "Unauthorized");
    ground.get(&ground.core("configmaps")).await.refused(401, "Unauthorized");
    ground.cluster().renew_login("secret-token-of-alice");
    create(&ground, "a").await.unwrap().expect(201);
}

async fn a_resource_that_is_not_yet_served_is_plain_text(ground: Ground) {
    ground.cluster().define_volume_snapshots();
    let path = ground.of("snapshot.storage.k8s.io", "volumesnapshots");
    assert_eq!(ground.get(&path).await.expect(404).text, "404 page not found\n");
    let answer = ground.get(&path).await.refused(429, "TooManyRequests");
    assert_eq!(answer.at("/message"), "storage is (re)initializing");
    ground.get(&path).await.expect(200);
}

async fn a_slow_answer_comes_late(ground: Ground) {
    ground.cluster().fail_next(Matching::any(), Fault::Slow(Duration::from_millis(200)));
    let begun = Instant::now();
    create(&ground, "a").await.unwrap().expect(201);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

async fn half_an_answer_is_an_error(ground: Ground) {
    ground.cluster().fail_next("create configmaps", Fault::HalfAnswer);
    assert!(create(&ground, "a").await.is_err(), "half a body is none");
    assert!(is_there(&ground, "a"), "but the request was handled");
}

async fn a_page_of_html_is_no_json(ground: Ground) {
    ground.cluster().fail_next(Matching::any(), Fault::Garbage);
    let answer = create(&ground, "a").await.unwrap().expect(200);
    assert!(answer.body.is_null() && answer.text.starts_with("<!DOCTYPE html>"));
    assert!(!is_there(&ground, "a"));
}

async fn a_lost_answer_leaves_the_change_done(ground: Ground) {
    ground.cluster().fail_next("create configmaps", Fault::LostAnswer);
    assert!(create(&ground, "a").await.is_err(), "the connection ends without an answer");
    assert!(is_there(&ground, "a"), "and the change is made");
    let calls = ground.cluster().calls();
    assert_eq!(calls.iter().filter(|call| call.verb == "create").count(), 1, "it was asked for once");
    assert_eq!(calls.last().unwrap().status, 0);
}

async fn a_lost_request_leaves_nothing_done(ground: Ground) {
    ground.cluster().fail_next("create configmaps", Fault::LostRequest);
    assert!(create(&ground, "a").await.is_err());
    assert!(!is_there(&ground, "a"));
    create(&ground, "a").await.unwrap().expect(201);
}

async fn connections_are_refused_for_a_while(ground: Ground) {
    ground.cluster().fail_next("create configmaps", Fault::RefuseConnections(Duration::from_millis(200)));
    assert!(create(&ground, "a").await.is_err(), "the connection ends");
    assert!(create(&ground, "a").await.is_err(), "a new one is refused");
    assert!(!is_there(&ground, "a"));
    ground.until("connections to be taken again", || async { create(&ground, "a").await.ok() }).await.expect(201);
}

async fn a_fault_waits_for_its_request(ground: Ground) {
    ground.cluster().fail_next(Matching::from("get configmaps").named("b").after(1), Fault::Internal);
    create(&ground, "a").await.unwrap().expect(201);
    create(&ground, "b").await.unwrap().expect(201);
    ground.get(&ground.core("configmaps/a")).await.expect(200);
    ground.get(&ground.core("configmaps/b")).await.expect(200);
    assert_eq!(ground.cluster().waiting_faults(), 1);
    ground.get(&ground.core("configmaps/b")).await.expect(500);
    ground.get(&ground.core("configmaps/b")).await.expect(200);
    assert_eq!(ground.cluster().waiting_faults(), 0);
}

async fn a_fault_for_all_goes_on_until_it_is_healed(ground: Ground) {
    ground.cluster().fail_always("list configmaps", Fault::Unavailable);
    for _ in 0..3 {
        ground.get(&ground.core("configmaps")).await.expect(503);
    }
    ground.cluster().heal();
    ground.get(&ground.core("configmaps")).await.expect(200);
}
