//! `kubernetes.get_events`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::declaration::{Declaration, integer, list, object, text, word};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{ClusterAct, Site};

/// Events that are kept, the newest.
const MOST: usize = 100;

/// Reads the events about an object or of a namespace.
pub(super) struct GetEvents;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    namespace: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    type_: Option<String>,
}

#[async_trait]
impl ClusterAct for GetEvents {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        Declaration::new("kubernetes.get_events", "Read the events about an object or a namespace")
            .optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
            .optional("kind", Sink::Name, text("the object's kind, such as Pod"))
            .optional("name", Sink::Name, text("the object's name"))
            .optional("type", Sink::Json, word(&["Normal", "Warning"], "the type of event"))
            .publishes("events", list(&object("an event"), "the events, newest first"))
            .output("count", integer(0, "how many there are"))
            .access("list events")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        match (&parameters.kind, &parameters.name) {
            (Some(kind), Some(name)) => format!("read the events about {} {name}", kind.to_lowercase()),
            (None, Some(name)) => format!("read the events about {name}"),
            (Some(kind), None) => format!("read the events about every {}", kind.to_lowercase()),
            (None, None) => "read the events".to_owned(),
        }
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let namespace = site.namespace(parameters.namespace.as_deref());
        Ok(site.preparation(format!("events/{namespace}"), &Self::declaration()))
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        let namespace = site.namespace(parameters.namespace.as_deref());
        let fields = [
            ("involvedObject.kind", &parameters.kind),
            ("involvedObject.name", &parameters.name),
            ("type", &parameters.type_),
        ];
        let fields: Vec<String> =
            fields.iter().filter_map(|(field, value)| value.as_ref().map(|value| format!("{field}={value}"))).collect();
        let mut wanted = ListParams::default();
        if !fields.is_empty() {
            wanted = wanted.fields(&fields.join(","));
        }
        let api: Api<Event> = site.api(namespace);
        let asked = Asked { verb: "list", resource: "events", name: "", namespace };
        let mut events = match site.cluster.ask(&asked, || api.list(&wanted)).await {
            Ok(list) => list.items,
            Err(trouble) => return trouble.outcome_midway(),
        };
        events.sort_by_key(|event| std::cmp::Reverse(at(event)));
        let count = events.len();
        let events: Vec<Value> = events.iter().take(MOST).map(brief).collect();
        for event in events.iter().rev() {
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            site.say(&format!("{} {} {}: {}\n", text("at"), text("object"), text("reason"), text("message")));
        }
        let mut outcome = Outcome::succeeded(json!({ "events": events, "count": count }));
        outcome.published.insert("events".to_owned(), Value::Array(events));
        outcome
    }
}

/// When an event was last seen.
fn at(event: &Event) -> Option<jiff::Timestamp> {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    last.or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

fn brief(event: &Event) -> Value {
    let object = &event.involved_object;
    let (kind, name) = (object.kind.as_deref().unwrap_or("?"), object.name.as_deref().unwrap_or("?"));
    json!({
        "at": at(event).map(|time| time.to_string()),
        "type": event.type_,
        "reason": event.reason,
        "message": event.message,
        "object": format!("{}/{name}", kind.to_lowercase()),
        "count": event.count.unwrap_or(1),
    })
}
