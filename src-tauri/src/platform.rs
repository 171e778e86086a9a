//! What differs between systems, in one place.

#[cfg(target_os = "linux")]
mod system {
    use std::path::Path;

    fn is_set(name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    }

    /// Whether there is somewhere to show a window.
    pub fn has_display() -> bool {
        is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
    }

    /// Whether a session bus can be asked; second starts find the first one there.
    pub fn has_session_bus() -> bool {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("bus"));
        is_set("DBUS_SESSION_BUS_ADDRESS") || runtime.is_some_and(|bus| bus.exists())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    /// Desktop systems other than Linux always have one.
    pub fn has_display() -> bool {
        true
    }

    /// Second starts find the first one by other means.
    pub fn has_session_bus() -> bool {
        true
    }
}

pub use system::{has_display, has_session_bus};
