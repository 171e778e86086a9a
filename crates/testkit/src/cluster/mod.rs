//! A Kubernetes API server over real HTTP, with the controllers, the scheduler and the kubelets behind it.
//!
//! It keeps JSON objects in memory and behaves towards a client as a server of version 1.36 does: the same answers,
//! the same errors in the same words, the same versions, watches and subresources. Its controllers run in-process after
//! every change until nothing changes any more, so that what they do is there as soon as the change is answered, unless
//! a setting ([`Cluster::set_pod_start`] and the like) makes something take its time.
//!
//! What a real cluster takes from chance, time or accident, a test asks for here: forbidden verbs, expired logins,
//! overload, lost answers, refused connections, nodes that no longer report.

mod access;
mod controllers;
mod defaults;
mod delete;
mod discovery;
mod dispatch;
mod eviction;
mod exec;
mod fault;
mod forward;
mod handle;
mod hooks;
mod json;
mod kinds;
mod logs;
mod options;
mod patch;
mod proxy;
mod read;
mod render;
mod scale;
mod selector;
mod server;
mod state;
mod status;
mod store;
mod stream;
mod target;
mod validate;
mod watch;
mod write;

pub use exec::{Exec, ExecFault, Executed};
pub use fault::{Call, Fault, Matching};
pub use handle::{Cluster, ClusterError};
pub use options::ClusterOptions;
