//! `database.*` on a real PostgreSQL.

use belay_runbook::act::Ending;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::{Desk, PASSWORD, secret};
use belay_testkit::machines::{self, Machine};

async fn database() -> (Machine, Desk) {
    let machine = machines::postgres(PASSWORD).await;
    let entry = json!({ "host": "127.0.0.1", "port": machine.port, "user": "postgres", "password": secret() });
    (machine, Desk::new(&json!({ "database": entry })))
}

async fn client(machine: &Machine) -> Client {
    let login = format!("host=127.0.0.1 port={} user=postgres password={PASSWORD}", machine.port);
    let (client, connection) = tokio_postgres::connect(&login, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn connections_are_counted_by_state() {
    let (machine, desk) = database().await;
    let (one, two) = (client(&machine).await, client(&machine).await);
    one.batch_execute("BEGIN").await.unwrap();
    two.simple_query("SELECT 1").await.unwrap();
    let outcome = desk.run("database.check_connections", json!({ "host": "127.0.0.1" })).await;
    let Value::Object(states) = &outcome.output["byState"] else { panic!("{outcome:?}") };
    assert_eq!(states["idle in transaction"], 1, "{outcome:?}");
    assert_eq!(outcome.output["connectionCount"], 3, "two, and the one that asks: {outcome:?}");
    assert_eq!((&outcome.published["connectionCount"], &outcome.published["maxConnections"]), (&json!(3), &json!(20)));
    assert_eq!(outcome.output["usedPercent"], json!(15.0));
}

#[tokio::test]
async fn a_table_is_vacuumed_whatever_it_is_called() {
    let (machine, desk) = database().await;
    let client = client(&machine).await;
    client.batch_execute("CREATE TABLE \"odd\"\"; DROP TABLE t; --\" (n int); CREATE TABLE t (n int)").await.unwrap();
    let prepared = desk.prepare("database.vacuum", json!({ "table": "t" })).await.unwrap();
    assert_eq!(prepared.target.name, format!("127.0.0.1:{}/postgres", machine.port));
    for table in [json!("t"), json!("public.t"), json!("odd\"; DROP TABLE t; --"), json!(null)] {
        let outcome = desk.run("database.vacuum", json!({ "table": table })).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{table}: {outcome:?}");
    }
    let row =
        client.query_one("SELECT last_vacuum IS NOT NULL FROM pg_stat_user_tables WHERE relname = 't'", &[]).await;
    assert!(row.unwrap().get::<_, bool>(0), "it was really vacuumed, and is still there");
    let outcome = desk.run("database.vacuum", json!({ "table": "nosuch" })).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(outcome.error.as_deref().unwrap_or_default().contains("\"nosuch\" does not exist"), "{outcome:?}");
    let wrong = desk.prepare("database.vacuum", json!({ "table": "a.b.c" })).await.unwrap_err().to_string();
    assert!(wrong.contains("SCHEMA.TABLE"), "{wrong}");
}

#[tokio::test]
async fn a_vacuum_that_is_cancelled_ends_on_the_server_too() {
    let (machine, desk) = database().await;
    // Within a transaction the statistics stay as they were at the first look.
    let (holder, client) = (client(&machine).await, client(&machine).await);
    holder.batch_execute("CREATE TABLE held (n int)").await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE held").await.unwrap();
    let parameters = json!({ "table": "held" });
    let prepared = desk.prepare("database.vacuum", parameters.clone()).await.unwrap();
    let act = crate::act("database.vacuum", parameters);
    let vacuum = desk.registry.get("database.vacuum").unwrap();
    let waits = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        desk.surroundings.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(vacuum.run(&act, &prepared, &desk.surroundings), waits);
    assert_eq!(outcome.ending, Ending::Cancelled, "{outcome:?}");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'VACUUM%' AND state = 'active'";
    while client.query_one(running, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_login_that_is_refused_says_what_the_context_lacks() {
    let (machine, _) = database().await;
    let desk = Desk::new(&json!({ "database": { "host": "127.0.0.1", "port": machine.port } }));
    let refused = desk.prepare("database.vacuum", json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("password"), "{refused}");
    let prepared = desk.prepare("database.check_connections", json!({})).await.unwrap();
    assert_eq!(prepared.facts["databaseReachable"], json!(false));
}
