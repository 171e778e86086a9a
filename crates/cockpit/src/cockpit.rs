//! The cockpit itself: what it holds, and where and by what rules it acts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

use belay_actions::automation::Automations;
use belay_actions::kubernetes::EvidenceRoom;
use belay_actions::process::Helpers;
use belay_actions::registry::Registry;
use belay_actions::script::ScriptExecute;
use belay_engine::event::Author;
use belay_script::Worker;
use belay_store::{CrashPoints, Store};
use belay_trust::DeviceKey;

use crate::context::{ContextView, Contexts};
use crate::drive::watch::Watch;
use crate::error::{CockpitError, chain};
use crate::home::{self, Home};
use crate::journal::Shared;
use crate::policy::ReadPolicy;
use crate::secrets::{KeyringChoice, Secrets};

/// A program of ours that is started as a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What a cockpit needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct Options {
    /// The home folder.
    pub home: PathBuf,
    /// The helper that children run under.
    pub helper: Program,
    /// The worker that runs scripts.
    pub worker: Program,
    /// The context to act in, where it is not the current one.
    pub context: Option<String>,
    /// Where secrets are kept.
    pub keyring: KeyringChoice,
}

/// The application. Cheap to make: what it holds is opened when something needs it.
pub struct Cockpit {
    pub(crate) options: Options,
    pub(crate) home: Home,
    pub(crate) shared: Shared,
    registry: OnceLock<Arc<Registry>>,
    helpers: OnceLock<Arc<Helpers>>,
    /// Opened once; the lock keeps two threads from opening it twice.
    store: OnceLock<Store>,
    opening: Mutex<()>,
    /// The same file for reading alone, where nothing had to be written yet.
    reading: OnceLock<Store>,
    /// A catalog in memory, where its index cannot be used.
    memory: OnceLock<Store>,
    key: OnceLock<DeviceKey>,
    notices: Mutex<Vec<String>>,
    secrets: Arc<Secrets>,
    pub(crate) watch: Arc<Watch>,
    /// The policy's file as it was read last, with what it says.
    pub(crate) policy_read: Mutex<Option<Arc<ReadPolicy>>>,
    /// Whether what helpers left behind was looked after.
    pub(crate) swept: Once,
    /// How many hold a watch of the catalog.
    pub(crate) watched: AtomicUsize,
}

impl Cockpit {
    /// A cockpit; nothing is read or written yet.
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            home: Home::new(options.home.clone()),
            secrets: Arc::new(Secrets::new(options.keyring)),
            options,
            shared: Shared::default(),
            registry: OnceLock::new(),
            helpers: OnceLock::new(),
            store: OnceLock::new(),
            opening: Mutex::new(()),
            reading: OnceLock::new(),
            memory: OnceLock::new(),
            notices: Mutex::new(Vec::new()),
            key: OnceLock::new(),
            watch: Arc::default(),
            policy_read: Mutex::new(None),
            swept: Once::new(),
            watched: AtomicUsize::new(0),
        })
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The secrets of this user.
    pub fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// The actions.
    pub fn registry(&self) -> &Arc<Registry> {
        self.registry.get_or_init(|| {
            let mut registry = Registry::standard(self.helpers());
            let home = self.home.clone();
            registry
                .clusters()
                .keep_evidence_in(EvidenceRoom { folder: home.evidence(), by: Arc::new(move || home.whose()) });
            let worker = &self.options.worker;
            registry.register(Arc::new(ScriptExecute::new(Worker {
                program: worker.program.clone(),
                arguments: worker.args.clone(),
            })));
            Arc::new(registry)
        })
    }

    pub(crate) fn helpers(&self) -> &Arc<Helpers> {
        self.helpers.get_or_init(|| {
            let helper = &self.options.helper;
            let helpers = Helpers::new(helper.program.clone(), helper.args.clone());
            Arc::new(helpers.with_home(self.home.dir().to_owned()))
        })
    }

    /// This device's key. One is made where nothing was ever written; a lost one is never replaced without being asked.
    pub(crate) fn key(&self) -> Result<&DeviceKey, CockpitError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = self.find_key()?;
        Ok(self.key.get_or_init(|| key))
    }

    /// The person at this device.
    pub(crate) fn author(&self) -> Result<Author, CockpitError> {
        Ok(home::author(self.key()?))
    }

    /// The store, for writing.
    pub(crate) fn store(&self) -> Result<&Store, CockpitError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let key = self.key()?.clone();
        let store = Store::open_with(self.home.database(), key, home::session()?, self.store_options())?;
        Ok(self.store.get_or_init(|| store))
    }

    /// The store for writing, if it is open.
    pub(crate) fn opened(&self) -> Option<&Store> {
        self.store.get()
    }

    /// How the store of this home is opened.
    pub(crate) fn store_options(&self) -> belay_store::Options {
        belay_store::Options {
            crash_points: CrashPoints::new(belay_actions::crash::point),
            second_head: Some(self.home.second_head()),
            ..belay_store::Options::default()
        }
    }

    /// The store for what only reads: it needs no key and no disk that can be written, and a damaged log is no more than a
    /// notice to it. What acts opens [`Self::store`], which refuses.
    pub(crate) fn reading(&self) -> Result<&Store, CockpitError> {
        if let Some(store) = self.store.get().or_else(|| self.reading.get()) {
            return Ok(store);
        }
        let store = Store::open_to_read(self.home.database(), self.store_options())?;
        if let Some(doubt) = store.doubt() {
            let hint = doubt.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            self.notice(format!("what is shown may not be all: {}{hint}", chain(doubt)));
        }
        Ok(self.reading.get_or_init(|| store))
    }

    /// A store in memory with what searching needs.
    pub(crate) fn memory(&self) -> Result<&Store, CockpitError> {
        if let Some(store) = self.memory.get() {
            return Ok(store);
        }
        let store = Store::in_memory()?;
        Ok(self.memory.get_or_init(|| store))
    }

    /// Something that a person should know although what they asked for was done.
    pub(crate) fn notice(&self, notice: String) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// What a person should know since this was asked last.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn contexts_file(&self) -> Result<Contexts, CockpitError> {
        Contexts::read(&self.home)
    }

    /// The contexts.
    pub fn contexts(&self) -> Result<Vec<ContextView>, CockpitError> {
        self.contexts_file()?.views()
    }

    /// Makes a context the one that is used where nobody says otherwise.
    pub fn use_context(&self, name: &str) -> Result<(), CockpitError> {
        self.contexts_file()?.set_current(&self.home, name)
    }

    /// The automations: bundled ones, and the user's own.
    pub fn automations(&self) -> Automations {
        let mut automations = Automations::bundled();
        for finding in automations.load_directory(&self.home.automations()) {
            tracing::warn!(%finding, "an automation cannot be used as it is");
        }
        automations
    }
}
