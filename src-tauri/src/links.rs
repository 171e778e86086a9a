//! Links into the cockpit, as an alert's annotation carries them: `belay://runbook/NAME`, `belay://execution/ID`,
//! `belay://alert?payload=…`.

use belay_cockpit::api::Event;
use tauri::{AppHandle, Manager as _};
use tauri_plugin_deep_link::DeepLinkExt as _;

use crate::host::Host;
use crate::window;

/// The scheme, as the package's desktop entry and the system know it.
const SCHEME: &str = "belay://";
/// The longest link that is passed on, in bytes; systems cut longer ones off anyway.
const LONGEST: usize = 64 << 10;

/// The link to an execution.
pub fn of_execution(execution: &str) -> String {
    format!("{SCHEME}execution/{execution}")
}

/// Opens what the system hands over while the window is there.
pub fn listen(app: &AppHandle) {
    let handle = app.clone();
    app.deep_link().on_open_url(move |event| {
        open_all(&handle, event.urls().into_iter().map(String::from));
        window::show(&handle);
    });
}

/// Opens the links among some arguments.
pub fn open_all(app: &AppHandle, arguments: impl Iterator<Item = String>) {
    for url in arguments.filter(|argument| argument.starts_with(SCHEME) && argument.len() <= LONGEST) {
        // The user interface reads it as text and goes to a place of its own; nothing is started by a link.
        app.state::<Host>().api().tell(Event::Opened { url });
    }
}
