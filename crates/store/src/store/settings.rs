//! The store's settings.

use super::Store;
use crate::error::StoreError;
use crate::settings;

impl Store {
    /// Returns the value of a setting.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| settings::get(connection, key))
    }

    /// Returns every setting, by key.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn settings(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(settings::all)
    }

    /// Sets a value; `None` removes the key.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn set_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.map(ToOwned::to_owned));
        self.durable(move |connection| settings::set(connection, &key, value.as_deref()))
    }
}
