//! A small honest shop on loopback: the world that the demo and the end-to-end tests act on.
//!
//! Nothing in it is played. Its cache gets warm because requests fill it, its latency is slept, its memory is really
//! held, and its health follows from what its own customers experienced. Every admin call is appended to the world's
//! log before it takes effect, so that a test can compare what Belay says happened with what did.

mod cache;
pub mod ctl;
mod customers;
mod http;
mod log;
mod state;
mod window;

pub use http::serve;
pub use log::{LogEntry, WorldLog};
pub use state::{Shop, ShopError, Stats};
