//! Desktop notifications: somebody is waited for and looks elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_cockpit::api::{Api, Event, Told};
use belay_cockpit::wire::ExecutionSummary;
use notify_rust::{Notification, NotificationResponse};
use tauri::AppHandle;

use crate::{links, platform, window};

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
                    show(&app, view.summary.execution.clone(), view.summary.runbook.title.clone(), text);
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

/// Shows a notification, and the execution it is about to whoever clicks it. A thread of its own waits for the click: the
/// system's notifications are asked with calls that block.
fn show(app: &AppHandle, execution: String, title: String, text: String) {
    let app = app.clone();
    let waits = move || {
        let mut notification = Notification::new();
        notification.appname("Belay").icon("belay-desktop").summary(&title);
        notification.body(&platform::as_notification_body(text)).action("default", "Open");
        let answered = notification.show().and_then(|shown| {
            shown.wait_for_response(|response: &NotificationResponse| {
                if matches!(response, NotificationResponse::Default | NotificationResponse::Action(_)) {
                    links::open_all(&app, std::iter::once(links::of_execution(&execution)));
                    window::show(&app);
                }
            })
        });
        // Where nobody shows notifications the window itself still does.
        if let Err(error) = answered {
            tracing::debug!(%error, "a notification was not shown");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("notification".to_owned()).spawn(waits) {
        tracing::debug!(%error, "a notification was not shown");
    }
}
