//! Test support: the demo shop, a world of objects, a Kubernetes cluster, and real servers. Development only; nothing that ships depends on it.

pub mod cluster;
pub mod machines;
pub mod shop;
pub mod world;
