//! What the actions on databases, caches, settings, telemetry and security declare.

use belay_runbook::action::{ActionSpec, PolicyKind, Sink};
use serde_json::json;

use crate::declaration::{Declaration, boolean, integer, list, object, text, word};

/// Every declaration but those of `kubernetes.*`.
pub(super) fn specs() -> Vec<ActionSpec> {
    let mut specs = databases();
    specs.extend(settings());
    specs.extend(telemetry());
    specs.extend(security());
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

fn of_service(declaration: Declaration) -> Declaration {
    declaration.required("service", Sink::Name, text("the service")).target("service").fact("serviceExists")
}

fn settings() -> Vec<ActionSpec> {
    vec![
        of_service(declare("config.update", "Change settings of a service"))
            .required("config", Sink::Json, object("settings, merged into those in force"))
            .output("updated", boolean("whether anything changed"))
            .output("previous", object("the settings before, as far as they changed"))
            .mutates(true)
            .captures_undo()
            .access("write access to the service's settings")
            .build(),
        of_service(declare("service.restart", "Restart a service"))
            .output("restarted", boolean("whether it runs again"))
            .mutates(false)
            .access("the right to restart the service")
            .build(),
        of_service(declare("monitoring.enable_detailed", "Collect more about a service for a time"))
            .optional("level", Sink::Name, text("how much is collected"))
            .optional("duration", Sink::Json, integer(1, "for how many seconds"))
            .output("enabled", boolean("whether it is in force"))
            .output("until", text("when it ends, RFC 3339"))
            .mutates(true)
            .captures_undo()
            .access("write access to the monitoring settings")
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

fn of_address(declaration: Declaration) -> Declaration {
    declaration
        .required("ip", Sink::Host, text("an address or a network in CIDR notation"))
        .target("ip")
        .kind(PolicyKind::SecurityIsolation)
        .mutates(true)
        .captures_undo()
        .access("write access to the firewall's rules")
}

fn security() -> Vec<ActionSpec> {
    let resource = json!({
        "type": "object",
        "properties": { "type": { "type": "string" }, "name": { "type": "string" }, "namespace": { "type": "string" } },
        "required": ["type", "name"],
        "additionalProperties": false,
    });
    vec![
        of_address(declare("network.block_ip", "Block an address"))
            .optional("duration", Sink::Json, integer(1, "for how many seconds; until unblocked where absent"))
            .output("blocked", boolean("whether the rule is in force"))
            .output("until", text("when it ends, RFC 3339"))
            .build(),
        of_address(declare("network.unblock_ip", "Lift the block of an address"))
            .output("unblocked", boolean("whether no rule blocks it"))
            .build(),
        declare("network.isolate_pod", "Cut a pod off from the network")
            .required("podName", Sink::Name, text("the pod"))
            .optional("namespace", Sink::Name, text("the namespace"))
            .output("isolated", boolean("whether the policy is in force"))
            .target("podName")
            .fact("podExists")
            .kind(PolicyKind::SecurityIsolation)
            .mutates(true)
            .captures_undo()
            .access("get pods")
            .access("patch pods")
            .access("create networkpolicies.networking.k8s.io")
            .access("delete networkpolicies.networking.k8s.io")
            .build(),
        declare("forensics.snapshot", "Keep evidence of pods and volumes")
            .required("resources", Sink::Name, list(&resource, "what is kept"))
            .output("snapshots", list(&object("a snapshot"), "what was kept, with hashes"))
            .mutates(false)
            .access("get pods")
            .access("get pods/log")
            .access("create volumesnapshots.snapshot.storage.k8s.io")
            .build(),
        of_service(declare("security.rotate_credentials", "Replace a service's credentials"))
            .optional("scope", Sink::Name, text("which credentials; all where absent"))
            .output("rotated", list(&text("a credential's name"), "what was replaced"))
            .mutates(false)
            .access("the right to issue and revoke the service's credentials")
            .build(),
    ]
}
