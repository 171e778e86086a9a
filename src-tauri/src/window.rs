//! The one window: what it shows, and where it may go.

use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{AppHandle, Manager as _, Url, WebviewUrl, WebviewWindowBuilder};
use tauri_plugin_opener::OpenerExt as _;

use crate::host::Host;

const LABEL: &str = "main";

/// Opens the window.
///
/// # Errors
/// When the web view cannot be made.
pub fn open(app: &AppHandle) -> tauri::Result<()> {
    let (stays, opens) = (app.clone(), app.clone());
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Belay")
        .inner_size(1280.0, 860.0)
        .min_inner_size(380.0, 480.0)
        .on_navigation(move |url| is_ours(url) || lead_out(&stays, url))
        .on_new_window(move |url, _| {
            lead_out(&opens, &url);
            NewWindowResponse::Deny
        })
        .on_page_load(|window, load| {
            // A page that is loaded anew begins a stream of its own.
            if load.event() == PageLoadEvent::Started {
                window.state::<Host>().unlisten_all();
            }
        })
        .build()?;
    Ok(())
}

/// Brings the window to the front.
pub fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else { return };
    for done in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = done {
            tracing::debug!(%error, "the window stays where it is");
        }
    }
}

/// Whether the person looks at the window.
pub fn is_watched(app: &AppHandle) -> bool {
    app.get_webview_window(LABEL).is_some_and(|window| window.is_focused().unwrap_or(false))
}

/// Whether an address is the user interface's own.
fn is_ours(url: &Url) -> bool {
    let built_in = url.scheme() == "tauri" && url.host_str() == Some("localhost");
    let on_windows = matches!(url.scheme(), "http" | "https") && url.host_str() == Some("tauri.localhost");
    let development = cfg!(not(feature = "custom-protocol"))
        && url.scheme() == "http"
        && url.host_str() == Some("127.0.0.1")
        && url.port() == Some(5173);
    built_in || on_windows || development
}

/// Opens a link of a runbook in the person's browser; the window itself goes nowhere.
fn lead_out(app: &AppHandle, url: &Url) -> bool {
    if matches!(url.scheme(), "http" | "https" | "mailto")
        && let Err(error) = app.opener().open_url(url.as_str(), None::<&str>)
    {
        tracing::warn!(%error, "a link cannot be opened");
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use super::*;

    #[test]
    fn the_window_stays_at_home() {
        assert!(is_ours(&"tauri://localhost/index.html#/history".parse().unwrap()));
        for url in [
            "https://example.com/",
            "tauri://evil/",
            "file:///etc/passwd",
            "data:text/html,x",
            "http://127.0.0.1:8080/",
            "https://tauri.localhost.evil.example/",
            "javascript:alert(1)",
        ] {
            assert!(!is_ours(&url.parse().unwrap()), "{url}");
        }
    }
}
