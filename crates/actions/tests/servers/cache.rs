//! `cache.*` on a real Redis.

use belay_runbook::act::{Ending, ProbeAnswer};
use redis::AsyncCommands as _;
use serde_json::json;

use crate::{Desk, PASSWORD, act, secret};
use belay_testkit::machines::{self, Machine};

async fn filled(sessions: usize) -> (Machine, Desk, redis::aio::MultiplexedConnection) {
    let machine = machines::redis(PASSWORD).await;
    let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/", machine.port)).unwrap();
    let patient = redis::AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let mut keys = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
    let mut pipe = redis::pipe();
    for number in 0..sessions {
        pipe.set(format!("session:{number}"), "x").ignore();
    }
    pipe.set("cart:1", "y").ignore();
    let () = pipe.query_async(&mut keys).await.unwrap();
    let desk = Desk::new(&json!({ "redis": { "host": "127.0.0.1", "port": machine.port, "password": secret() } }));
    (machine, desk, keys)
}

#[tokio::test]
async fn the_hit_rate_is_what_look_ups_found_and_nothing_before_the_first() {
    let (machine, desk, mut keys) = filled(3).await;
    let outcome = desk.run("cache.get_stats", json!({ "host": "127.0.0.1" })).await;
    assert_eq!(outcome.output["hitRate"], json!(null), "no look-up is no rate: {outcome:?}");
    assert!(outcome.published.is_empty(), "what is not known is not published");
    for key in ["session:0", "session:1", "cart:1", "nothing"] {
        let _: Option<String> = keys.get(key).await.unwrap();
    }
    let outcome = desk.run("cache.get_stats", json!({})).await;
    assert_eq!(outcome.output["hitRate"], json!(0.75), "{outcome:?}");
    assert_eq!(outcome.published["cacheHitRate"], json!(0.75));
    assert_eq!(outcome.output["keys"], json!(4));
    let prepared = desk.prepare("cache.get_stats", json!({})).await.unwrap();
    assert_eq!(prepared.target.name, format!("127.0.0.1:{}", machine.port));
    assert_eq!(prepared.facts["cacheReachable"], json!(true));
}

#[tokio::test]
async fn a_flush_says_before_what_it_deletes_and_deletes_nothing_else() {
    let (_machine, desk, mut keys) = filled(2500).await;
    let parameters = json!({ "pattern": "session:*" });
    let prepared = desk.prepare("cache.flush", parameters.clone()).await.unwrap();
    assert_eq!(prepared.notes, ["it deletes 2500 of 2501 keys"]);
    assert_eq!(keys.exists::<_, usize>("session:7").await.unwrap(), 1, "nothing is deleted yet");
    let flush = desk.registry.get("cache.flush").unwrap();
    let probe = flush.probe(&act("cache.flush", parameters.clone()), &prepared, &desk.surroundings).await.unwrap();
    assert_eq!(probe, ProbeAnswer::Unknown);
    let outcome = desk.run("cache.flush", parameters.clone()).await;
    assert_eq!(outcome.output, json!({ "flushed": true, "deleted": 2500 }));
    assert!(desk.said.lock().unwrap().ends_with("2500 keys deleted\n"), "progress is said");
    assert_eq!(keys.exists::<_, usize>("cart:1").await.unwrap(), 1);
    let probe = flush.probe(&act("cache.flush", parameters), &prepared, &desk.surroundings).await.unwrap();
    assert!(matches!(probe, ProbeAnswer::Done(_)), "{probe:?}");
    assert_eq!(desk.run("cache.flush", json!({})).await.output["deleted"], 1, "every key of the database");
}

#[tokio::test]
async fn a_pattern_from_an_alert_is_no_command() {
    let (_machine, desk, mut keys) = filled(1).await;
    let outcome = desk.run("cache.flush", json!({ "pattern": "x\r\nFLUSHALL\r\n" })).await;
    assert_eq!(outcome.output["deleted"], 0);
    assert_eq!(keys.exists::<_, usize>("cart:1").await.unwrap(), 1);
}

#[tokio::test]
async fn a_password_goes_to_the_contexts_own_server_only() {
    let (machine, desk, _keys) = filled(1).await;
    let other = machines::redis("another-password").await;
    let asked = json!({ "host": "127.0.0.1", "port": other.port });
    let prepared = desk.prepare("cache.get_stats", asked.clone()).await.unwrap();
    assert_eq!(prepared.facts["cacheReachable"], json!(false));
    assert!(prepared.notes[0].contains("NOAUTH") && prepared.notes[0].contains("password"), "{:?}", prepared.notes);
    let outcome = desk.run("cache.get_stats", asked.clone()).await;
    assert_eq!(outcome.ending, Ending::Failed, "{outcome:?}");
    let refused = desk.prepare("cache.flush", asked).await.unwrap_err().to_string();
    assert!(refused.contains("NOAUTH"), "{refused}");
    let mut login = json!({ "host": "127.0.0.1", "port": other.port, "password": secret() });
    let refused = desk.prepare("cache.flush", login.clone()).await.unwrap_err().to_string();
    assert!(
        refused.contains("authentication failed") && refused.contains("$secret"),
        "a step's own secret goes where the step says: {refused}"
    );
    login["port"] = json!(machine.port);
    desk.prepare("cache.flush", login).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_or_must_not_be_asked_is_said_so() {
    let desk = Desk::new(&json!({ "redis": { "host": "127.0.0.1", "port": 1 } }));
    let gone = desk.prepare("cache.flush", json!({})).await.unwrap_err().to_string();
    assert!(gone.contains("127.0.0.1:1 could not be read"), "{gone}");
    let refused = desk.prepare("cache.flush", json!({ "host": "169.254.169.254" })).await.unwrap_err().to_string();
    assert!(refused.contains("metadata"), "{refused}");
    let nowhere = Desk::new(&json!({})).prepare("cache.flush", json!({})).await.unwrap_err().to_string();
    assert!(nowhere.contains("config: { redis: { host: … } }"), "{nowhere}");
}
