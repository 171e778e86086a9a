//! The execution state machine: a log of events, its fold, and the one function that decides what happens next.
//!
//! Pure: no clock, no IO, no randomness. Time is an argument, ids come from the log, effects are data that somebody
//! else performs. [`Execution`] is the fold of a log; [`Driver::handle`] turns inputs into transitions and effects;
//! [`Execution::apply`](fold) is the only place where state changes, for live runs and for replay alike.

pub mod check;
pub mod digest;
pub mod driver;
pub mod event;
pub mod execution;
pub mod fold;
pub mod ids;
pub mod scope;
pub mod status;

pub use driver::{Driver, Effect, Input};
pub use execution::Execution;
