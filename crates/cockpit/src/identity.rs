//! Who this device is: its key, what to do when it is lost, and how a new one takes its place.
//!
//! A key is made without being asked only where nothing was ever written. Afterwards the database names the device that
//! writes to it, and a key that is missing or another one is an error that nothing is overwritten for.

use std::fs::File;

use belay_engine::event::{Draft, Event, Statement};
use belay_store::{ExecutionFilter, Store};
use belay_trust::{DeviceId, DeviceKey, ExecutionId, Succession};
use jiff::Timestamp;
use serde::Serialize;

use crate::Cockpit;
use crate::error::{CockpitError, ErrorClass};
use crate::home;
use crate::journal::{encode, ends_before};

/// The settings that hold the statements by which a key comes after another one.
const SUCCESSION: &str = "identity/";

/// How the key and the database fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityState {
    /// There is no key, and nothing was written that one would be missed for.
    None,
    /// The key is that of the device that writes to the database.
    Ready,
    /// The key that wrote to the database is gone.
    Lost,
    /// There is a key, and another one wrote to the database.
    Other,
}

/// Who this device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// How the key and the database fit together.
    pub state: IdentityState,
    /// The device that the key at hand names.
    pub device: Option<String>,
    /// The public part of the key at hand.
    pub public_key: Option<String>,
    /// The file with the key.
    pub key_file: String,
    /// The device that writes to the database.
    pub database_device: Option<String>,
    /// The person.
    pub responder: String,
    /// Who this device was before, the newest first.
    pub before: Vec<Predecessor>,
}

/// A device that this one was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Predecessor {
    /// The device.
    pub device: String,
    /// The one that came after it.
    pub followed_by: String,
    /// When.
    pub at: Option<Timestamp>,
    /// Whether its key signed the change; otherwise only the new key says that it is the same device.
    pub linked: bool,
}

impl Cockpit {
    /// Says who this device is; nothing is made.
    pub fn identity(&self) -> Result<Identity, CockpitError> {
        let owner = self.reading()?.owner()?;
        let key = self.home.read_key()?;
        let device = key.as_ref().map(DeviceKey::device);
        let state = match (device, owner) {
            (None, None) => IdentityState::None,
            (None, Some(_)) => IdentityState::Lost,
            (Some(device), Some(owner)) if device != owner => IdentityState::Other,
            (Some(_), _) => IdentityState::Ready,
        };
        let predecessor = |one: &Succession| Predecessor {
            device: one.before().to_string(),
            followed_by: one.key().device().to_string(),
            at: i64::try_from(one.at_ms()).ok().and_then(|at| Timestamp::from_millisecond(at).ok()),
            linked: one.is_linked(),
        };
        Ok(Identity {
            state,
            device: device.map(|device| device.to_string()),
            public_key: key.map(|key| key.public().to_string()),
            key_file: self.home.key_file().display().to_string(),
            database_device: owner.map(|owner| owner.to_string()),
            responder: home::responder(),
            before: self.successions()?.iter().rev().map(predecessor).collect(),
        })
    }

    /// Makes this device's key, or says with a new one, or with the one at hand, that the key of the database is lost.
    pub fn identity_init(&self) -> Result<Identity, CockpitError> {
        self.take_up_next_key()?;
        let identity = self.identity()?;
        let owner = self.reading()?.owner()?;
        match (identity.state, owner) {
            (IdentityState::Ready, _) => {
                let device = identity.device.unwrap_or_default();
                return Err(CockpitError::user(format!("this device has an identity already: `{device}`"))
                    .hint("`belay identity rekey` gives it a new key"));
            }
            (IdentityState::None, _) | (_, None) => {
                self.store()?;
            }
            (IdentityState::Lost | IdentityState::Other, Some(before)) => {
                let unfinished = self.unfinished()?;
                let (key, fresh) = match self.home.read_key()? {
                    Some(key) => (key, false),
                    None => (self.home.make_next_key()?, true),
                };
                let text = format!(
                    "the key of device {} was lost; what follows on this device is signed by device {}, and nothing but \
                     that key says that it is the same device",
                    short(before),
                    short(key.device())
                );
                let succession = Succession::after_loss(before, &key, now_ms());
                self.go_on_as(&key, &succession, &unfinished, &text)?;
                if fresh {
                    self.home.put_next_key()?;
                }
            }
        }
        self.identity()
    }

    /// Puts a new key in the place of this device's, and lets the old one sign that.
    pub fn identity_rekey(&self) -> Result<Identity, CockpitError> {
        let old = self.key()?.clone();
        // The old key must be the one that writes here.
        let store = self.store()?;
        let unfinished = self.unfinished()?;
        let new = self.home.make_next_key()?;
        let succession = Succession::link(&old, &new, now_ms());
        record(store, &succession)?;
        let text = format!(
            "this device has a new key: device {} signed that it goes on as device {}",
            short(old.device()),
            short(new.device())
        );
        self.go_on_as(&new, &succession, &unfinished, &text)?;
        self.home.put_next_key()?;
        self.identity()
    }

    /// The executions that have not ended, each with the lock of its driver.
    fn unfinished(&self) -> Result<Vec<(ExecutionId, File)>, CockpitError> {
        let rows = self.reading()?.executions(&ExecutionFilter::default())?;
        let mut unfinished = Vec::new();
        for row in rows.into_iter().filter(|row| row.finished_ms.is_none()) {
            let lock = self.home.driver_lock(&row.id.to_string())?;
            if lock.try_lock().is_err() {
                return Err(CockpitError::refused("another process drives an execution with the key at hand")
                    .hint("end it first; `belay executions` lists them, and `belay resume EXEC` goes on afterwards"));
            }
            unfinished.push((row.id, lock));
        }
        Ok(unfinished)
    }

    /// Lets the database go on under another key, with a plain statement in every log that has not ended.
    fn go_on_as(
        &self,
        key: &DeviceKey,
        succession: &Succession,
        unfinished: &[(ExecutionId, File)],
        text: &str,
    ) -> Result<(), CockpitError> {
        let options = belay_store::Options { adopt_device: true, ..self.store_options() };
        let store = Store::open_with(self.home.database(), key.clone(), home::session()?, options)?;
        record(&store, succession)?;
        let by = home::author(key);
        for (id, _) in unfinished {
            let statement = Statement::Note { text: text.to_owned() };
            let event = Event::Statement { by: by.clone(), statement };
            let cites = ends_before(&store.events(*id)?, key.device());
            store.append(Some(*id), vec![encode(&Draft { event, cites }, Timestamp::now())?])?;
        }
        Ok(())
    }

    /// The statements by which this device's keys come after one another, the oldest first.
    pub(crate) fn successions(&self) -> Result<Vec<Succession>, CockpitError> {
        let settings = self.reading()?.settings()?;
        let mut found = Vec::new();
        for (_, value) in settings.iter().filter(|(key, _)| key.starts_with(SUCCESSION)) {
            let succession: Succession = value.parse().map_err(|error| {
                CockpitError::environment("a statement about an earlier key cannot be used", &error)
            })?;
            found.push(succession);
        }
        found.sort_by_key(Succession::at_ms);
        Ok(found)
    }

    /// The key to write with: the one at hand, or a new one where nothing was ever written.
    pub(crate) fn find_key(&self) -> Result<DeviceKey, CockpitError> {
        self.take_up_next_key()?;
        let found = self.home.read_key()?;
        if let Some(key) = found {
            return Ok(key);
        }
        let store = Store::open_to_read(self.home.database(), self.store_options())?;
        match (store.owner()?, store.doubt()) {
            (None, None) => self.home.make_key(),
            (None, Some(doubt)) => Err(doubt.clone().into()),
            // Another process may have made both since the key was looked for.
            (Some(owner), _) => self.home.read_key()?.ok_or_else(|| self.lost(owner)),
        }
    }

    /// Puts a new key in its place where the program ended after the database went on under it and before that.
    fn take_up_next_key(&self) -> Result<(), CockpitError> {
        let Some(next) = self.home.read_next_key()? else { return Ok(()) };
        let store = Store::open_to_read(self.home.database(), self.store_options())?;
        if store.owner()? == Some(next.device()) { self.home.put_next_key() } else { Ok(()) }
    }

    fn lost(&self, owner: DeviceId) -> CockpitError {
        let message = format!(
            "the key of this device is gone: `{}` is not there, and the database belongs to device `{owner}`",
            self.home.key_file().display()
        );
        let hint = "put the key back from a backup; what was recorded can be read, verified and exported without it; \
                    `belay identity init` makes a new key, and every log that goes on under it says so";
        CockpitError { class: ErrorClass::Environment, message, hint: Some(hint.to_owned()) }
    }
}

fn record(store: &Store, succession: &Succession) -> Result<(), CockpitError> {
    let key = format!("{SUCCESSION}{}", succession.key().device());
    Ok(store.set_setting(&key, Some(&succession.to_string()))?)
}

fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

fn short(device: DeviceId) -> String {
    device.to_string().chars().take(16).collect()
}
