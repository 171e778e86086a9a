//! The hash that a row carries.

use sha2::{Digest, Sha256};

/// Hashes the fields of a row: each with a type tag and its length, after the name of the table.
pub(crate) struct RowHash(Sha256);

impl RowHash {
    pub(crate) fn of(table: &str) -> Self {
        Self(Sha256::new()).bytes(b"belay.row.v1").bytes(table.as_bytes())
    }

    fn field(mut self, tag: u8, bytes: &[u8]) -> Self {
        self.0.update([tag]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.field(1, bytes)
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.field(2, text.as_bytes())
    }

    pub(crate) fn integer(self, integer: i64) -> Self {
        self.field(3, &integer.to_be_bytes())
    }

    pub(crate) fn null(self) -> Self {
        self.field(0, &[])
    }

    pub(crate) fn optional_text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    pub(crate) fn optional_integer(self, integer: Option<i64>) -> Self {
        match integer {
            Some(integer) => self.integer(integer),
            None => self.null(),
        }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
