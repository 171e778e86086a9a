//! The SQLite store: journal, projections, output, catalog index and settings, in one file.
//!
//! The rows of the journal *are* the signed envelopes; everything else that can be rebuilt from them or from the catalog
//! is a projection. Appends of the whole process go through one writer, which commits several at once and answers each
//! only after the commit is on disk. Readers have connections of their own and never wait for the writer.
//!
//! Every row that is relied on carries a hash, because a flipped bit in a page is rarely noticed by SQLite itself.

mod catalog;
mod chains;
mod check;
mod connect;
mod crash;
mod device;
mod error;
mod executions;
mod head;
mod health;
mod image;
mod journal;
mod mend;
mod migrations;
mod opening;
mod output;
mod renewal;
mod retention;
mod row_hash;
mod search;
mod settings;
mod sources;
mod statistics;
mod store;
mod wal;
mod writer;

pub use catalog::{CatalogFile, Document, SourceChange};
pub use crash::{COMMIT_AFTER, COMMIT_BEFORE, CrashPoints};
pub use error::{Damage, StoreError};
pub use executions::{ExecutionFilter, ExecutionRow};
pub use health::Health;
pub use journal::{Arrival, Draft};
pub use mend::Mended;
pub use output::{Kept, Output, OutputChunk, Stream};
pub use search::{Field, Hit, Query, Reason, SearchFilter};
pub use sources::CatalogSource;
pub use statistics::RunbookStatistics;
pub use store::{Appending, Options, Store};
pub use wal::LogState;
