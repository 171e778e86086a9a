//! What the `kubernetes.*` actions declare.

use belay_runbook::action::{ActionSpec, PolicyKind, Sink};

use crate::declaration::{Declaration, boolean, integer, list, object, text, word};

/// Every `kubernetes.*` declaration.
pub(super) fn specs() -> Vec<ActionSpec> {
    let mut specs = pods();
    specs.extend(deployments());
    specs.extend(nodes());
    specs.extend(reading());
    specs
}

fn declare(name: &str, description: &str) -> Declaration {
    Declaration::new(&format!("kubernetes.{name}"), description).unavailable()
}

fn namespaced(declaration: Declaration) -> Declaration {
    declaration.optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
}

fn of_pod(declaration: Declaration) -> Declaration {
    namespaced(declaration.required("podName", Sink::Name, text("the pod"))).target("podName").fact("podExists")
}

fn of_deployment(declaration: Declaration) -> Declaration {
    namespaced(declaration.required("deployment", Sink::Name, text("the deployment")))
        .target("deployment")
        .fact("deploymentExists")
}

fn of_node(declaration: Declaration) -> Declaration {
    declaration.required("nodeName", Sink::Name, text("the node")).target("nodeName").fact("nodeExists")
}

fn pods() -> Vec<ActionSpec> {
    vec![
        of_pod(declare("get_pod", "Read a pod, its owner and its memory limit"))
            .optional(
                "container",
                Sink::Name,
                text("the container whose memory is published; the alert's, else the first"),
            )
            .publishes("pod", object("the pod object"))
            .publishes("deployment", text("the deployment that owns the pod, where one does"))
            .publishes("CurrentMemory", text("the container's memory limit as a quantity, such as 512Mi"))
            .publishes("restartCount", integer(0, "restarts of the container"))
            .output("phase", text("the pod's phase"))
            .output("ready", boolean("whether the pod is ready"))
            .fact("podReady")
            .access("get pods")
            .access("get replicasets.apps")
            .build(),
        namespaced(declare("list_pods", "List pods by label or field"))
            .optional("labelSelector", Sink::Text, text("a label selector"))
            .optional("fieldSelector", Sink::Text, text("a field selector, such as spec.nodeName=node-1"))
            .optional("limit", Sink::Json, integer(1, "the largest number of pods"))
            .publishes("pods", list(&object("a pod"), "the pods"))
            .output("count", integer(0, "how many there are"))
            .access("list pods")
            .build(),
        of_pod(declare("restart_pod", "Delete a pod that a controller owns and wait for its replacement"))
            .optional("gracePeriod", Sink::Json, integer(0, "seconds that the pod has for ending"))
            .optional("force", Sink::Json, boolean("also delete a pod that nothing would replace"))
            .output("restarted", boolean("whether the pod was replaced"))
            .output("replacement", text("the name of the pod that took its place"))
            .mutates(false)
            .access("get pods")
            .access("list pods")
            .access("delete pods")
            .build(),
    ]
}

fn deployments() -> Vec<ActionSpec> {
    vec![
        of_deployment(declare("scale_deployment", "Set a deployment's number of replicas"))
            .required("replicas", Sink::Json, integer(0, "replicas asked for"))
            .output("scaled", boolean("whether the number changed"))
            .publishes("currentReplicas", integer(0, "replicas asked for after the act"))
            .output("previousReplicas", integer(0, "replicas asked for before the act"))
            .mutates(true)
            .captures_undo()
            .kind(PolicyKind::Scaling)
            .access("get deployments.apps")
            .access("get deployments/scale.apps")
            .access("patch deployments/scale.apps")
            .build(),
        of_deployment(declare("restart_deployment", "Replace every pod of a deployment, a few at a time"))
            .output("restarted", boolean("whether the rollout was started"))
            .output("restartedAt", text("the instant written into the pod template"))
            .mutates(false)
            .access("get deployments.apps")
            .access("patch deployments.apps")
            .build(),
        of_deployment(declare("patch_deployment", "Change a deployment by a strategic merge patch"))
            .required("patch", Sink::Json, object("the patch; lists of containers are merged by name"))
            .output("patched", boolean("whether the object changed"))
            .output("generation", integer(0, "the object's generation after the act"))
            .mutates(true)
            .captures_undo()
            .access("get deployments.apps")
            .access("patch deployments.apps")
            .build(),
        of_deployment(declare("rollback_deployment", "Return a deployment to an earlier revision"))
            .optional("revision", Sink::Json, integer(0, "the revision; the one before where absent"))
            .output("rolledBack", boolean("whether the template changed"))
            .output("revision", integer(0, "the revision that was restored"))
            .mutates(false)
            .captures_undo()
            .access("get deployments.apps")
            .access("list replicasets.apps")
            .access("patch deployments.apps")
            .build(),
        of_deployment(declare("rollout_status", "Read how far a deployment's rollout has come"))
            .output("complete", boolean("whether every replica is updated and available"))
            .publishes("currentReplicas", integer(0, "replicas that exist"))
            .output("updatedReplicas", integer(0, "replicas of the newest template"))
            .output("availableReplicas", integer(0, "replicas that are available"))
            .output("message", text("why it is not complete"))
            .fact("rolloutComplete")
            .access("get deployments.apps")
            .build(),
        namespaced(declare("update_configmap", "Set keys of a config map"))
            .required("name", Sink::Name, text("the config map"))
            .required("data", Sink::Json, object("keys and their new values; null removes a key"))
            .output("updated", boolean("whether anything changed"))
            .output("changedKeys", list(&text("a key"), "the keys that changed"))
            .target("name")
            .fact("configMapExists")
            .mutates(true)
            .captures_undo()
            .access("get configmaps")
            .access("patch configmaps")
            .build(),
    ]
}

fn nodes() -> Vec<ActionSpec> {
    vec![
        of_node(declare("get_node", "Read a node and its conditions"))
            .publishes("nodeObject", object("the node object"))
            .output("ready", boolean("whether the node is ready"))
            .output("unschedulable", boolean("whether the node is cordoned"))
            .output("conditions", object("the conditions by type"))
            .fact("nodeReady")
            .access("get nodes")
            .build(),
        of_node(declare("cordon_node", "Keep new pods off a node"))
            .output("cordoned", boolean("whether the node is cordoned"))
            .mutates(true)
            .captures_undo()
            .kind(PolicyKind::NodeOperation)
            .access("get nodes")
            .access("patch nodes")
            .build(),
        of_node(declare("uncordon_node", "Let pods onto a node again"))
            .output("uncordoned", boolean("whether the node takes pods"))
            .mutates(true)
            .captures_undo()
            .kind(PolicyKind::NodeOperation)
            .access("get nodes")
            .access("patch nodes")
            .build(),
        of_node(declare("drain_node", "Cordon a node and evict its pods within their disruption budgets"))
            .optional("gracePeriod", Sink::Json, integer(0, "seconds that each pod has for ending"))
            .optional("ignoreDaemonsets", Sink::Json, boolean("leave pods of daemon sets where they are"))
            .optional("deleteLocalData", Sink::Json, boolean("also evict pods whose local data would be lost"))
            .output("drained", boolean("whether nothing is left to evict"))
            .output("podsEvicted", integer(0, "pods that were evicted"))
            .output("remaining", integer(0, "pods that are still there"))
            .mutates(false)
            .captures_undo()
            .kind(PolicyKind::NodeOperation)
            .access("get nodes")
            .access("patch nodes")
            .access("list pods")
            .access("create pods/eviction")
            .access("get poddisruptionbudgets.policy")
            .build(),
    ]
}

fn reading() -> Vec<ActionSpec> {
    vec![
        of_pod(declare("get_logs", "Read the last lines of a pod's log"))
            .optional("container", Sink::Name, text("the container"))
            .optional("previous", Sink::Json, boolean("the log of the container that ended before"))
            .optional("tailLines", Sink::Json, integer(1, "how many lines"))
            .optional("sinceSeconds", Sink::Json, integer(1, "how far back"))
            .publishes("logs", list(&text("a line"), "the lines, oldest first"))
            .output("truncated", boolean("whether lines were left out"))
            .access("get pods")
            .access("get pods/log")
            .build(),
        namespaced(declare("get_events", "Read the events about an object or a namespace"))
            .optional("kind", Sink::Name, text("the object's kind"))
            .optional("name", Sink::Name, text("the object's name"))
            .optional("type", Sink::Json, word(&["Normal", "Warning"], "the type of event"))
            .publishes("events", list(&object("an event"), "the events, newest first"))
            .output("count", integer(0, "how many there are"))
            .access("list events")
            .build(),
    ]
}
