//! A device's secret key.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey};

use crate::ids::{DeviceId, PublicKey};

/// A device's Ed25519 secret key. It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct DeviceKey {
    signing: SigningKey,
}

impl DeviceKey {
    /// Builds the key from 32 secret random bytes (the seed of RFC 8032), which the caller drew and wipes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self { signing: SigningKey::from_bytes(secret) }
    }

    /// Returns the public part.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.signing.verifying_key().to_bytes())
    }

    /// Returns the id of this device.
    pub fn device(&self) -> DeviceId {
        self.public().device()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceKey").field("device", &self.device()).field("secret", &"[redacted]").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_names_the_device_and_hides_the_secret() {
        let shown = format!("{:?}", DeviceKey::from_bytes(&[0x5a; 32]));
        assert!(shown.contains("[redacted]"));
        assert!(!shown.contains("5a5a5a5a") && !shown.contains("90, 90"), "{shown}");
    }
}
