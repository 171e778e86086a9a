//! Who this device is.

use belay_cockpit::{Identity, IdentityState};

use super::status::moment;
use crate::style::Style;
use crate::text;

/// The key, the database's device, and who this device was before.
pub fn identity(identity: &Identity, style: Style) -> String {
    let none = || "none".to_owned();
    let mut out = String::new();
    let mut row = |name: &str, value: &str| put!(out, "{} {}\n", style.dim(&format!("{name:<11}")), text::line(value));
    row("device", &identity.device.clone().unwrap_or_else(none));
    row("public key", &identity.public_key.clone().unwrap_or_else(none));
    row("key file", &identity.key_file);
    row("responder", &identity.responder);
    row("database", &identity.database_device.clone().unwrap_or_else(|| "belongs to nobody yet".to_owned()));
    let (mark, said) = match identity.state {
        IdentityState::None => (style.dim("-"), "no key yet; the first command that writes makes one"),
        IdentityState::Ready => (style.good("✓"), "the key is that of the device that writes to the database"),
        IdentityState::Lost => (
            style.bad("✗"),
            "the key that wrote to the database is gone: put it back from a backup, or run `belay identity init` to go \
             on with a new one; what was recorded can be read, verified and exported without it",
        ),
        IdentityState::Other => (
            style.bad("✗"),
            "the database was written with another key than the one here: put that back from a backup, or run `belay \
             identity init` to go on with this one",
        ),
    };
    out.push_str(&text::hang(&format!("{mark} "), "  ", said, style.columns));
    for one in &identity.before {
        let at = one.at.map(moment).unwrap_or_default();
        let how = if one.linked { "its key signed the change" } else { "its key was lost and signed nothing" };
        let said = format!("before {at}: device {}; {how}", text::line(&one.device));
        out.push_str(&text::hang("  ", "    ", &said, style.columns));
    }
    out
}
