//! The cockpit without a terminal: messages in, commands and screens out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod behaviour;
mod candidates;
mod cast;
mod screens;
