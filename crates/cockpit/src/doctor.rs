//! The doctor: what is missing on this device and how to mend it.

use belay_store::{Damage, Store};
use serde::Serialize;
use ts_rs::TS;

use crate::Cockpit;
use crate::catalog;
use crate::error::{CockpitError, chain};
use crate::projections::ROWS;

/// The check of the keyring. The environment serves where there is none.
const KEYRING: &str = "keyring";

/// The check of the freeze. Nothing is missing where automation is frozen.
const FREEZE: &str = "freeze";

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct DoctorReport {
    /// Whether nothing stands in the way of running.
    pub ok: bool,
    /// Every check.
    pub checks: Vec<DoctorCheck>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct DoctorCheck {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

impl DoctorCheck {
    /// Whether it says that automation is frozen, which a person wanted.
    pub fn is_freeze(&self) -> bool {
        !self.ok && self.name == FREEZE
    }

    fn good(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), ok: true, detail: detail.into(), hint: None }
    }

    fn bad(name: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name: name.to_owned(), ok: false, detail: detail.into(), hint: Some(hint.into()) }
    }
}

/// What mending the database did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MendReport {
    /// The folder with the files as they were; `None` when nothing had to be done.
    pub copy: Option<String>,
    /// How many damaged words were put right.
    pub words: usize,
    /// Whether the database goes on without what was acknowledged behind the damage.
    pub lost: bool,
}

impl Cockpit {
    /// Puts right what is damaged in the database's log, where that can be done exactly, after copying the files.
    ///
    /// With `accept_loss` the database goes on from before what cannot be put right.
    pub fn mend(&self, accept_loss: bool) -> Result<MendReport, CockpitError> {
        let mended = Store::mend(&self.home().database(), &self.store_options(), accept_loss)?;
        Ok(MendReport {
            copy: mended.copy.map(|folder| folder.display().to_string()),
            words: mended.words,
            lost: mended.lost,
        })
    }

    /// Looks at everything that running needs.
    pub fn doctor(&self) -> DoctorReport {
        let mut checks = Vec::new();
        checks.push(self.check_database());
        checks.push(match self.author() {
            Ok(author) => DoctorCheck::good(
                "identity",
                format!(
                    "responder `{}` on device {}; the key is a file that only you can read ({})",
                    author.responder,
                    author.device,
                    self.home.key_file().display()
                ),
            ),
            Err(error) => DoctorCheck::bad("identity", error.message, error.hint.unwrap_or_default()),
        });
        checks.push(match self.policy() {
            Ok(policy) => DoctorCheck::good("policy", format!("{} ({})", policy.source, short(&policy.digest))),
            Err(error) => DoctorCheck::bad("policy", error.message, error.hint.unwrap_or_default()),
        });
        checks.push(match self.contexts() {
            Ok(contexts) => {
                let current = contexts.iter().find(|context| context.current);
                let text = current.map(|context| format!("{} ({})", context.name, context.environment));
                DoctorCheck::good("context", text.unwrap_or_default())
            }
            Err(error) => DoctorCheck::bad("context", error.message, error.hint.unwrap_or_default()),
        });
        checks.push(self.check_freeze());
        checks.push(DoctorCheck::good("catalog", format!("{} bundled runbooks", catalog::bundled().len())));
        checks.push(self.check_helper());
        checks.push(match self.secrets().examine() {
            Ok(detail) => DoctorCheck::good(KEYRING, detail),
            Err(error) => DoctorCheck::bad(KEYRING, error.message, error.hint.unwrap_or_default()),
        });
        for (program, what) in [("sh", "commands with shell syntax"), ("kubectl", "runbooks for Kubernetes")] {
            checks.push(match on_path(program) {
                Some(path) => DoctorCheck::good(program, path),
                None => DoctorCheck::bad(program, "not found on PATH", format!("install it; {what} need it")),
            });
        }
        let ok = checks.iter().all(|check| check.ok || [FREEZE, "kubectl", KEYRING].contains(&check.name.as_str()));
        DoctorReport { ok, checks }
    }

    fn check_freeze(&self) -> DoctorCheck {
        let name = FREEZE;
        match self.frozen() {
            Ok(None) => DoctorCheck::good(name, "automation may act"),
            Ok(Some(freeze)) => DoctorCheck::bad(
                name,
                format!(
                    "{} froze automation at {}, until somebody lifts that: {}",
                    freeze.by,
                    freeze.at.strftime("%Y-%m-%d %H:%M UTC"),
                    freeze.reason
                ),
                "`belay unfreeze` lifts it",
            ),
            Err(error) => DoctorCheck::bad(name, error.message, error.hint.unwrap_or_default()),
        }
    }

    fn check_database(&self) -> DoctorCheck {
        let name = "database";
        let store = match self.store() {
            Ok(store) => store,
            Err(error) => return DoctorCheck::bad(name, error.message, error.hint.unwrap_or_default()),
        };
        let path = store.path().display().to_string();
        let damage = match store.check() {
            Ok(damage) if damage.is_empty() => match store.unlisted_executions() {
                Ok(0) => return DoctorCheck::good(name, path),
                // Rows are derived from the journal.
                Ok(_) => vec![Damage::new(ROWS, "executions of the journal are missing")],
                Err(error) => return DoctorCheck::bad(name, chain(&error), error.hint().unwrap_or_default()),
            },
            Ok(damage) => damage,
            Err(error) => return DoctorCheck::bad(name, chain(&error), error.hint().unwrap_or_default()),
        };
        if self.made_anew(store, &damage) {
            return DoctorCheck::good(name, format!("{path}; what is derived in it was damaged and is made anew"));
        }
        DoctorCheck::bad(
            name,
            damage.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            "keep a copy of the file, then restore it from a backup",
        )
    }

    /// Makes anew what can be derived, where nothing else is damaged: the index of the catalog, and the list of executions.
    fn made_anew(&self, store: &Store, damage: &[Damage]) -> bool {
        // Where nothing but pages is damaged, they may all be of the index.
        let of = |table: &str| damage.iter().any(|damage| damage.table == table);
        let index = of("file");
        let rows = of(ROWS);
        damage.iter().all(|damage| ["file", ROWS].contains(&damage.table))
            && (!rows || self.folded(store).is_ok_and(|rows| store.rebuild_projections(rows).is_ok()))
            && (!index || store.renew_index().is_ok())
            && store.check().is_ok_and(|damage| damage.is_empty())
    }

    fn check_helper(&self) -> DoctorCheck {
        let program = &self.options.helper.program;
        if program.exists() {
            DoctorCheck::good("helper", program.display().to_string())
        } else {
            DoctorCheck::bad(
                "helper",
                format!("`{}` is gone", program.display()),
                "belay was moved or replaced while it ran; start it again",
            )
        }
    }
}

/// Where a program lies on the path.
pub(crate) fn on_path(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| {
            use std::os::unix::fs::PermissionsExt as _;
            candidate.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        })
        .map(|found| found.display().to_string())
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
