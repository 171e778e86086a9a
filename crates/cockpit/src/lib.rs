//! The application behind every front end: it wires catalog, engine, store and actions, and performs effects.
//!
//! [`Cockpit`] is the one API that front ends use; [`wire`] holds what they see. It opens the store only when something
//! needs it, so that reading a runbook works without a database, a keyring or a network.

pub mod alert;
pub mod api;
mod audit;
mod author;
mod catalog;
mod cockpit;
mod context;
mod doctor;
mod drive;
mod error;
mod executions;
mod export;
mod files;
mod follow;
mod health;
mod home;
mod identity;
mod import;
mod inputs;
mod journal;
mod leftovers;
mod library;
mod plan;
mod policy;
mod postmortem;
mod projections;
mod reference;
mod role;
mod rot;
mod say;
mod secrets;
mod sources;
mod start;
mod triage;
mod view;
pub mod wire;

pub use alert::Alert;
pub use audit::{ExecutionVerdict, VerifyReport};
pub use author::{Edit, Kept, Revision};
pub use belay_engine::event::{Confirmation, UndoChoice};
pub use belay_runbook::revision::Bump;
pub use catalog::{BUNDLED_SOURCE, Broken, Found};
pub use cockpit::{Cockpit, Options, Program};
pub use context::{Context, ContextView, LOCAL};
pub use doctor::{DoctorCheck, DoctorReport, MendReport};
pub use drive::{Drive, Voice};
pub use error::{CockpitError, ErrorClass};
pub use executions::{ExecutionFilter, PurgeReport, StepOutput};
pub use export::{ExportEnd, verify_file};
pub use follow::Follow;
pub use home::{Home, token};
pub use identity::{Identity, IdentityState, Predecessor};
pub use import::{ImportOptions, ImportOutcome, ImportedFile, StepCount, import_markdown, read_markdown};
pub use inputs::judge_input;
pub use library::{CatalogReport, CatalogSource, SearchQuery};
pub use policy::PolicyText;
pub use role::{child, roles};
pub use rot::{RotQuery, RotReport, RunbookHealth};
pub use say::Saying;
pub use secrets::{KeyringChoice, LONGEST_SECRET, SecretKept, SecretList, SecretName, SecretView, Secrets};
pub use sources::{CatalogChange, CatalogWatch};
pub use start::StartRequest;
pub use triage::{AlertReport, Triaged};
