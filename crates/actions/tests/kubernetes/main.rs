//! The actions on clusters, through the registry, against an API server that answers over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod candidates;
mod configmaps;
mod credentials;
mod deployments;
mod drain;
mod every_action;
mod exec;
mod forensics;
mod health;
mod monitoring;
mod network;
mod nodes;
mod pods;
mod services;
mod stage;
mod trouble;
