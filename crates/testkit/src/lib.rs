//! Test support: the demo shop and a world of objects. Development only; nothing that ships depends on it.

pub mod shop;
pub mod world;
