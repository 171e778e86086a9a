//! The action registry: the only way to touch the world.

pub mod action;
pub mod command;
pub mod crash;
pub mod declaration;
pub mod declared;
mod encodings;
pub mod host_functions;
pub mod process;
pub mod redact;
pub mod registry;
pub mod script;
