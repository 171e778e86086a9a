//! Where runbooks come from beside the bundled ones: directories, git work trees among them, read again when they change.

pub(crate) mod index;
pub(crate) mod scan;
mod watch;

pub use watch::{CatalogChange, CatalogWatch};
