//! What people say to a running drive, here and from other processes.

use std::sync::Arc;

use belay_engine::driver::{Input, Refusal, Stated};
use belay_engine::event::{Draft, Event};
use jiff::Timestamp;

use super::Loop;
use crate::error::CockpitError;
use crate::journal::{decode, encode, hash_of};
use crate::say::Saying;

/// Why a saying was not taken.
pub(super) enum Said {
    /// The person's: it does not fit here.
    Refused(CockpitError),
    /// Driving cannot go on.
    Broken(CockpitError),
}

impl Loop {
    /// A person at this front end says something.
    pub(super) async fn say(&mut self, saying: Saying) -> Result<(), Said> {
        self.refuse_unknown_secrets(&saying).await.map_err(Said::Refused)?;
        let statement = saying.statement(self.driver.execution()).map_err(Said::Refused)?;
        let accepted = self.driver.execution().accepts(&statement, Timestamp::now());
        accepted.map_err(|refusal| Said::Refused(refusal.into()))?;
        let by = self.cockpit.author().map_err(Said::Broken)?;
        let draft =
            Draft { event: Event::Statement { by: by.clone(), statement: statement.clone() }, cites: Vec::new() };
        let encoded = encode(&draft, Timestamp::now()).map_err(Said::Broken)?;
        let store = self.cockpit.store().map_err(Said::Broken)?;
        let appended = store
            .append_here(Some(self.id), vec![encoded], |_| None)
            .await
            .map_err(|error| Said::Broken(error.into()))?;
        let Some(said) = appended.first() else {
            return Err(Said::Broken(CockpitError::bug("an append answered with nothing")));
        };
        self.seen.insert(said.hash());
        let hash = hash_of(said);
        self.hear(Stated { hash, by, statement }).await.map_err(Said::Broken)
    }

    /// Refuses values that stand for secrets and name none. A keyring may take seconds to answer.
    async fn refuse_unknown_secrets(&self, saying: &Saying) -> Result<(), CockpitError> {
        let given = saying.given();
        if given.is_empty() {
            return Ok(());
        }
        let secrets = Arc::clone(self.cockpit.secrets());
        let runbook = Arc::clone(&self.driver.execution().runbook);
        tokio::task::spawn_blocking(move || secrets.refuse_unknown(&runbook, &given))
            .await
            .map_err(|error| CockpitError::bug(format!("the secrets cannot be looked for: {error}")))?
    }

    /// Gives a durable statement to the engine; one that no longer fits stays in the log without effect.
    pub(super) async fn hear(&mut self, stated: Stated) -> Result<(), CockpitError> {
        let hash = stated.hash.clone();
        match self.decide(Input::Statement(stated)) {
            Ok(effects) => self.perform(effects).await,
            Err(Refusal::Illegal(illegal)) => Err(Refusal::Illegal(illegal).into()),
            Err(refusal) => {
                tracing::debug!(%refusal, "a statement came too late");
                let effects = self.driver.dismiss(Timestamp::now(), hash, &refusal)?;
                self.perform(effects).await
            }
        }
    }

    /// Takes in what others on this store have said; its own events are passed over unread.
    pub(super) async fn look_around(&mut self) -> Result<(), CockpitError> {
        let arrivals = self.cockpit.store()?.arrivals(Some(self.id), self.last_row, usize::MAX)?;
        let known = std::mem::take(&mut self.seen);
        for arrival in arrivals {
            self.last_row = arrival.row;
            if known.contains(&arrival.hash) || self.seen.contains(&arrival.hash) {
                continue;
            }
            if let Some(event) = self.cockpit.store()?.event(arrival.row)?
                && let Event::Statement { by, statement } = decode(&event)?
            {
                self.hear(Stated { hash: hash_of(&event), by, statement }).await?;
            }
        }
        Ok(())
    }
}
