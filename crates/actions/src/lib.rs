//! The action registry: the only way to touch the world.

pub mod action;
