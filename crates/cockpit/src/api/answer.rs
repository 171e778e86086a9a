//! What calls take and answer, beside what [`crate::wire`] has already.

mod catalog;
mod execution;
mod launch;
mod settings;

pub use catalog::*;
pub use execution::*;
pub use launch::*;
pub use settings::*;
