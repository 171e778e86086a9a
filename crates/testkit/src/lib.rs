//! Test support: the demo shop. Development only; nothing that ships depends on it.

pub mod shop;
