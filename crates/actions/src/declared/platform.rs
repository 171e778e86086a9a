//! What the actions on databases, caches and telemetry declare.

use belay_runbook::action::{ActionSpec, Sink};
use serde_json::json;

use crate::declaration::{Declaration, boolean, integer, text, word};

/// The declarations, in no particular order.
pub(super) fn specs() -> Vec<ActionSpec> {
    let mut specs = databases();
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

fn telemetry() -> Vec<ActionSpec> {
    vec![
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
