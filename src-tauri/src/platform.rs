//! What differs between systems, in one place.

#[cfg(target_os = "linux")]
mod system {
    use std::path::Path;

    use gtk::prelude::GtkSettingsExt as _;

    fn is_set(name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    }

    /// Whether there is somewhere to show a window: a display is named, and can be opened. To be asked by the main thread.
    pub fn has_display() -> bool {
        (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")) && gtk::init().is_ok()
    }

    /// Whether a session bus can be asked; second starts find the first one there.
    pub fn has_session_bus() -> bool {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("bus"));
        is_set("DBUS_SESSION_BUS_ADDRESS") || runtime.is_some_and(|bus| bus.exists())
    }

    /// Keeps the caret from blinking: the web view draws the whole window anew for every blink, which keeps a machine
    /// without a graphics card busy all the time.
    pub fn steady_caret() {
        if let Some(settings) = gtk::Settings::default() {
            settings.set_gtk_cursor_blink(false);
        } else {
            tracing::debug!("the caret blinks: there are no settings of the toolkit");
        }
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

    /// A caret costs nothing there.
    pub fn steady_caret() {}
}

pub use system::{has_display, has_session_bus, steady_caret};
