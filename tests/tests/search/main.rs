//! The search, judged by what people type: `tests/search/judged*.tsv` over the bundled catalog and Markdown runbooks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod corpus;
mod hostile;
mod judged;
