//! Test support: the demo shop, a world of objects, and a Kubernetes cluster. Development only; nothing that ships depends on it.

pub mod cluster;
pub mod shop;
pub mod world;
