//! The full-screen cockpit: the places of the desktop app in a terminal, over the same API.
//!
//! An event (a key, an answer, what the API tells) becomes a [`message::Message`]; [`update::update`] takes it into the
//! state and answers with commands; [`view::view`] draws the state. Both are pure. [`session`] alone performs: it asks the
//! API beside the thread that draws, reads the keyboard, and keeps the terminal in order.

mod actions;
mod choices;
mod deed;
mod dialog;
mod field;
mod message;
mod pages;
mod perform;
mod screen;
mod scroll;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub use session::open;
