//! The action registry: the only way to touch the world.

pub mod action;
pub mod automation;
pub mod candidate;
pub mod command;
pub mod crash;
pub mod declaration;
pub mod declared;
mod encodings;
pub mod host_functions;
pub mod http;
pub mod kubernetes;
pub mod notification;
mod observation;
mod preparation;
pub mod process;
pub mod redact;
pub mod registry;
pub mod script;
mod servers;
mod telemetry;
