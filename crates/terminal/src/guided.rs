//! The guided run: plain scrolling text that says what happens, and asks one thing at a time.

pub mod guide;
pub mod narrator;
pub mod output;
pub mod prompts;
pub mod question;
mod reason;
pub mod session;
pub mod values;

#[cfg(test)]
mod tests;
