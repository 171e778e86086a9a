//! The durable log, as a store keeps it: one JSON text per event, with its hash and what it cites.

use std::sync::Arc;

use belay_engine::Execution;
use belay_engine::event::{Event, Genesis, Transition};
use belay_engine::fold::Illegal;
use belay_engine::ids::EventHash;
use belay_runbook::model::Runbook;

/// One durable event.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    pub hash: EventHash,
    pub event: Event,
    pub cites: Vec<EventHash>,
}

/// The durable log of one execution.
#[derive(Debug, Clone)]
pub struct Journal {
    pub genesis: Arc<Genesis>,
    pub runbook: Arc<Runbook>,
    pub events: Vec<Logged>,
}

impl Journal {
    pub fn begin(&self) -> Execution {
        Execution::begin(EventHash("genesis".to_owned()), Arc::clone(&self.genesis), Arc::clone(&self.runbook))
    }

    /// Makes an event durable: what is read back later is what was written.
    pub fn append(&mut self, event: &Event, cites: &[EventHash]) -> EventHash {
        let text = serde_json::to_string(event).expect("an event serialises");
        let read: Event = serde_json::from_str(&text).expect("an event reads back");
        assert_eq!(&read, event, "an event is the same after it was written and read");
        let hash = EventHash(format!("{:04}", self.events.len() + 1));
        self.events.push(Logged { hash: hash.clone(), event: read, cites: cites.to_vec() });
        hash
    }

    pub fn fold(&self) -> Result<Execution, Illegal> {
        self.fold_of(&self.events)
    }

    pub fn fold_of(&self, events: &[Logged]) -> Result<Execution, Illegal> {
        let mut execution = self.begin();
        for logged in events {
            execution.absorb(&logged.event, &logged.cites)?;
        }
        Ok(execution)
    }

    pub fn transitions(&self) -> impl Iterator<Item = &Transition> {
        self.events.iter().filter_map(|logged| match &logged.event {
            Event::Transition { transition, .. } => Some(transition),
            Event::Statement { .. } | Event::Genesis(_) => None,
        })
    }

    /// Kinds of all events, for messages.
    pub fn kinds(&self) -> Vec<String> {
        self.events.iter().map(|logged| logged.event.kind().to_owned()).collect()
    }
}
