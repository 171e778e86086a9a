//! Desktop notifications: somebody is waited for and looks elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_cockpit::api::{Api, Event, Told};
use belay_cockpit::wire::ExecutionSummary;
use tauri::AppHandle;
use tauri_plugin_notification::NotificationExt as _;

use crate::window;

/// Notifies about executions that begin to wait for a person, or end, while the window is not looked at.
pub fn follow(app: &AppHandle, api: Arc<Api>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut listener = api.listen(None);
        let mut known = BTreeMap::new();
        while let Some(told) = listener.next().await {
            let Told::Events { events } = told else { continue };
            for numbered in events {
                let Event::Execution { view, .. } = numbered.event else { continue };
                let text = worth_telling(&view.summary);
                let before = known.insert(view.summary.execution.clone(), text.clone());
                if let Some(text) = text
                    && before.as_ref() != Some(&Some(text.clone()))
                    && !window::is_watched(&app)
                {
                    show(&app, &view.summary.runbook.title, &text);
                }
            }
        }
    });
}

/// What a person should hear of while looking elsewhere.
fn worth_telling(summary: &ExecutionSummary) -> Option<String> {
    if summary.finished_at.is_some() || summary.status == "stuck" {
        return Some(match &summary.error {
            Some(error) => format!("{}: {error}", summary.status.replace('_', " ")),
            None => summary.status.replace('_', " "),
        });
    }
    summary.waiting_on.first().map(|waiting| match &waiting.step {
        Some(step) => format!("{step}: {}", waiting.detail),
        None => waiting.detail.clone(),
    })
}

fn show(app: &AppHandle, title: &str, text: &str) {
    // Where nobody shows notifications the window itself still does.
    if let Err(error) = app.notification().builder().title(title).body(text).show() {
        tracing::debug!(%error, "a notification was not shown");
    }
}
