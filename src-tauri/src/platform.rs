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
    ///
    /// The toolkit's own switch is not used: with a caret that may not blink, the web view looks in every frame whether it may
    /// again (`SimpleCaretAnimator` restarts its timer at once), which costs 60 wakes a second in two processes. A blink
    /// that is due in weeks costs none.
    pub fn steady_caret() {
        if let Some(settings) = gtk::Settings::default() {
            settings.set_gtk_cursor_blink(true);
            settings.set_gtk_cursor_blink_time(i32::MAX);
        } else {
            tracing::debug!("the caret blinks: there are no settings of the toolkit");
        }
    }

    /// A text as the body of a notification shows it. Most notification servers read a body as markup, and say so; what a
    /// runbook or an alert says stays text there.
    ///
    /// Source: Desktop Notifications Specification 1.3, "Markup".
    pub fn as_notification_body(text: String) -> String {
        let reads_markup = notify_rust::get_capabilities()
            .is_ok_and(|capabilities| capabilities.iter().any(|capability| capability == "body-markup"));
        if reads_markup { text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") } else { text }
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

    /// A notification's body is text there.
    pub fn as_notification_body(text: String) -> String {
        text
    }
}

pub use system::{as_notification_body, has_display, has_session_bus, steady_caret};
