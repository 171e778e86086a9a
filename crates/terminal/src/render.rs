//! Wire values as text for people. Pure: a value and a style in, a text out.

pub mod act;
pub mod findings;
pub mod identity;
pub mod imports;
pub mod lists;
pub mod log;
pub mod plan;
pub mod rot;
pub mod status;
pub mod table;

#[cfg(test)]
pub mod tests;
