//! The program and the device.

use serde::Serialize;
use ts_rs::TS;

/// The program, the person and the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct About {
    /// Belay's version.
    pub version: String,
    /// The person.
    pub responder: String,
    /// The start of the device's key id.
    pub device: String,
    /// The folder that holds everything.
    pub home: String,
    /// The current context.
    pub context: String,
    /// Its environment.
    pub environment: String,
}
