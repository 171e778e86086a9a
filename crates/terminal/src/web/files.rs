//! The files of the user interface: built into the program, or read from a directory while somebody works on them.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../ui/dist"]
#[allow_missing = true]
struct Built;

/// The page that everything begins with.
const FRONT: &str = "index.html";

/// Where the files come from.
pub enum Files {
    /// The program itself.
    Built,
    /// A directory.
    Directory(PathBuf),
}

/// A file to serve.
pub struct File {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub media_type: &'static str,
    /// Whether its name changes with its content, so that it can be kept for ever.
    pub is_hashed: bool,
}

impl Files {
    /// Whether there is a user interface at all.
    pub fn are_there(&self) -> bool {
        self.get(FRONT).is_some()
    }

    /// The page that everything begins with.
    pub fn front(&self) -> Option<File> {
        self.get(FRONT)
    }

    /// A file by its path below the root.
    pub fn get(&self, path: &str) -> Option<File> {
        let bytes = match self {
            Self::Built => Built::get(path)?.data,
            Self::Directory(directory) => {
                let below = Path::new(path);
                // Nothing but plain names: neither `..` nor an absolute path leaves the directory.
                if !below.components().all(|component| matches!(component, Component::Normal(_))) {
                    return None;
                }
                Cow::Owned(std::fs::read(directory.join(below)).ok()?)
            }
        };
        Some(File { bytes, media_type: media_type(path), is_hashed: path.starts_with("assets/") })
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
