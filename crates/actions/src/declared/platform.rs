//! What the actions on databases, caches and telemetry declare.

use belay_runbook::action::{ActionSpec, PolicyKind, Sink};
use serde_json::json;

use crate::declaration::{Declaration, boolean, integer, list, number, object, text, word};

/// The declarations, in no particular order.
pub(super) fn specs() -> Vec<ActionSpec> {
    let mut specs = databases();
    specs.extend(caches());
    specs.extend(telemetry());
    specs
}

fn declare(name: &str, description: &str) -> Declaration {
    Declaration::new(name, description).unavailable()
}

fn of_database(declaration: Declaration) -> Declaration {
    declaration
        .optional("host", Sink::Host, text("the server; the context's `database` where absent"))
        .optional("port", Sink::Json, integer(1, "the port, 5432 where absent"))
        .optional("database", Sink::Name, text("the database"))
        .optional("user", Sink::Name, text("the role"))
        .optional("password", Sink::Json, json!({ "description": "a secret by name: {\"$secret\": NAME}" }))
        .target("host")
        .fact("databaseReachable")
}

fn databases() -> Vec<ActionSpec> {
    vec![
        of_database(declare("database.check_connections", "Count a PostgreSQL server's connections"))
            .publishes("connectionCount", integer(0, "connections that are open"))
            .publishes("maxConnections", integer(0, "connections that the server allows"))
            .output("usedPercent", number("open connections in percent of those allowed"))
            .output("byState", object("connections by state"))
            .access("membership of pg_monitor")
            .build(),
        of_database(declare("database.vacuum", "Vacuum and analyze a PostgreSQL database or one table"))
            .optional("table", Sink::Name, text("the table; the whole database where absent"))
            .optional("analyze", Sink::Json, boolean("also refresh statistics"))
            .output("vacuumed", boolean("whether it ended well"))
            .mutates(true)
            .access("ownership of the tables, or membership of pg_maintain")
            .build(),
        of_database(declare("database.failover", "Promote a PostgreSQL replica"))
            .required("replicaHost", Sink::Host, text("the replica that becomes the primary"))
            .output("promoted", boolean("whether the replica left recovery"))
            .output("replayLagBytes", integer(0, "what the replica had not replayed right before"))
            .mutates(false)
            .target("replicaHost")
            .fact("replicaInRecovery")
            .access("execute pg_promote")
            .build(),
    ]
}

fn of_cache(declaration: Declaration) -> Declaration {
    declaration
        .optional("host", Sink::Host, text("the server; the context's `redis` where absent"))
        .optional("port", Sink::Json, integer(1, "the port, 6379 where absent"))
        .optional("database", Sink::Json, integer(0, "the number of the database"))
        .optional("password", Sink::Json, json!({ "description": "a secret by name: {\"$secret\": NAME}" }))
        .target("host")
        .fact("cacheReachable")
}

fn caches() -> Vec<ActionSpec> {
    vec![
        of_cache(declare("cache.get_stats", "Read a Redis server's hit rate and memory"))
            .output("hitRate", number("hits in parts of all look-ups, from 0 to 1"))
            .publishes("cacheHitRate", number("the same under the name that scripts use"))
            .output("hits", integer(0, "look-ups that found something"))
            .output("misses", integer(0, "look-ups that found nothing"))
            .output("keys", integer(0, "keys that exist"))
            .output("usedMemoryBytes", integer(0, "memory in use"))
            .access("the command INFO")
            .build(),
        of_cache(declare("cache.flush", "Delete the keys of a Redis server that match a pattern"))
            .optional("pattern", Sink::Text, text("a glob such as session:*; every key where absent"))
            .output("flushed", boolean("whether every matching key is gone"))
            .output("deleted", integer(0, "keys that were deleted"))
            .destroys(true)
            .kind(PolicyKind::DataDeletion)
            .access("the commands SCAN, UNLINK and FLUSHDB")
            .build(),
    ]
}

fn telemetry() -> Vec<ActionSpec> {
    vec![
        declare("logs.query", "Query logs with LogQL")
            .required("query", Sink::Query, text("a LogQL query; a trailing range is the time range"))
            .optional("limit", Sink::Json, integer(1, "the largest number of lines"))
            .optional("since", Sink::Text, text("how far back, such as 5m"))
            .publishes("logs", list(&object("a line with its fields"), "the lines, newest first"))
            .output("count", integer(0, "how many there are"))
            .access("read access to the logs")
            .build(),
        declare("metrics.check", "Compare a metric with a threshold")
            .optional("metric", Sink::Name, text("a metric's name"))
            .optional("query", Sink::Query, text("a PromQL query, in place of `metric`"))
            .optional("threshold", Sink::Json, number("the threshold"))
            .output("value", number("the newest value"))
            .output("result", word(&["below_threshold", "above_threshold", "no_data"], "how it compares"))
            .output("healthy", boolean("whether it is below the threshold; false without data"))
            .output("at", text("the instant of the value, RFC 3339"))
            .fact("healthy")
            .access("read access to the metrics")
            .build(),
        declare("certificate.check", "Read the certificate that a server presents")
            .required("domain", Sink::Host, text("the server's name"))
            .optional("port", Sink::Json, integer(1, "the port, 443 where absent"))
            .optional("minimumDays", Sink::Json, integer(0, "days that it has to stay valid"))
            .output("valid", boolean("whether it is trusted, matches the name and stays valid long enough"))
            .output("result", word(&["valid", "expiring", "invalid"], "the same as a word"))
            .output("expires", text("when it ends, RFC 3339"))
            .output("daysLeft", integer(0, "whole days until then"))
            .output("issuer", text("who issued it"))
            .target("domain")
            .fact("valid")
            .access("a connection to the server")
            .build(),
    ]
}
