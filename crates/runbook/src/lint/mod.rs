//! What a runbook could do better, and what would keep it from running, beyond its shape.

pub mod rule;
