//! What every test needs: a desk with a home and a world, a person who answers truthfully, and the invariants.

pub mod desk;
pub mod journal;
pub mod journey;
pub mod mounted;
pub mod person;
pub mod runbooks;
pub mod server;
pub mod shop;
