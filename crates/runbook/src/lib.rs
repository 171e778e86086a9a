//! Text to [`model::Runbook`] and findings with positions; templates and their sinks; policy; JSON Schema.
//!
//! Pure: no clock, no randomness, no file, no network. Whoever calls passes the bytes and today's date.

pub mod act;
pub mod action;
pub mod alert_rules;
pub mod automation;
pub mod commands;
pub mod finding;
pub mod format;
pub mod import;
pub mod lint;
pub mod model;
pub mod policy;
pub mod report;
pub mod revision;
mod sink;
pub mod template;
