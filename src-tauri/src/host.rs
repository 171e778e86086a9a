//! The process around the window: the application, its streams, and a quiet end.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use belay_cockpit::api::{Api, Place, Told};
use belay_cockpit::{Cockpit, CockpitError, Home, KeyringChoice, Options};
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager as _, RunEvent};
use tokio_util::sync::CancellationToken;

use crate::{commands, links, notify, platform, window};

/// Why the desktop cockpit could not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The application's.
    #[error(transparent)]
    Cockpit(#[from] CockpitError),
    /// There is no display, or the web view cannot be made.
    #[error("the window cannot be opened")]
    Window(#[from] tauri::Error),
    /// There is nowhere to show a window.
    #[error("there is no display to open a window on")]
    NoDisplay,
}

/// What the window's commands work with.
pub struct Host {
    api: Arc<Api>,
    streams: Mutex<BTreeMap<u32, CancellationToken>>,
    next_stream: AtomicU32,
}

impl Host {
    fn new(api: Arc<Api>) -> Self {
        Self { api, streams: Mutex::default(), next_stream: AtomicU32::new(1) }
    }

    /// The application.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Sends events into a channel until it is ended or the page behind it is gone.
    pub fn listen(&self, after: Option<&Place>, channel: Channel<Told>) -> u32 {
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let stop = CancellationToken::new();
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).insert(id, stop.clone());
        let mut listener = self.api.listen(after);
        tauri::async_runtime::spawn(async move {
            loop {
                let told = tokio::select! {
                    told = listener.next() => told,
                    () = stop.cancelled() => None,
                };
                let Some(told) = told else { return };
                if let Err(error) = channel.send(told) {
                    tracing::debug!(%error, "the page that listened is gone");
                    return;
                }
            }
        });
        id
    }

    /// Ends a stream.
    pub fn unlisten(&self, id: u32) {
        if let Some(stop) = self.streams.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            stop.cancel();
        }
    }

    /// Ends every stream: a page that is loaded anew begins its own.
    pub fn unlisten_all(&self) {
        let streams = std::mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        for stop in streams.into_values() {
            stop.cancel();
        }
    }
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// When there is no display, or the home folder cannot be found.
pub fn run() -> Result<ExitCode, HostError> {
    watch();
    if !platform::has_display() {
        return Err(HostError::NoDisplay);
    }
    let (helper, worker) = belay_cockpit::roles()?;
    let home = Home::standard()?.dir().to_owned();
    let keyring = KeyringChoice::from_environment()?;
    let api = Api::new(Cockpit::new(Options { home, helper, worker, context: None, keyring }));
    let host = Host::new(Arc::clone(&api));
    let mut builder = tauri::Builder::default();
    if platform::has_session_bus() {
        // First of all plugins: a second start hands its link over and ends.
        builder = builder.plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            links::open_all(app, arguments.into_iter());
            window::show(app);
        }));
    }
    let app = builder
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(tauri_plugin_window_state::Builder::default().build())
        .manage(host)
        .invoke_handler(tauri::generate_handler![commands::call, commands::listen, commands::unlisten])
        .setup(move |app| {
            platform::steady_caret();
            window::open(app.handle())?;
            links::listen(app.handle());
            links::open_all(app.handle(), std::env::args().skip(1));
            notify::follow(app.handle(), Arc::clone(&api));
            tauri::async_runtime::spawn(follow(Arc::clone(&api)));
            Ok(())
        })
        .build(tauri::generate_context!())?;
    let mut closing = false;
    app.run(move |app, event| {
        if let RunEvent::ExitRequested { api, .. } = event
            && !closing
        {
            closing = true;
            api.prevent_exit();
            tauri::async_runtime::spawn(close(app.clone()));
        }
    });
    Ok(ExitCode::SUCCESS)
}

async fn follow(api: Arc<Api>) {
    if let Err(error) = api.follow().await {
        tracing::warn!(%error, "what others change is not noticed");
    }
}

/// Leaves what is driven, so that whatever runs is in a known state, then ends.
async fn close(app: AppHandle) {
    app.state::<Host>().api().close().await;
    app.exit(0);
}

/// Says why it did not start, with what to do about it.
#[expect(clippy::print_stderr, reason = "there is no window to say it in")]
pub fn fail(error: &HostError) -> ExitCode {
    let (message, hint, code) = match error {
        HostError::Cockpit(error) => (error.message.clone(), error.hint.clone(), 5),
        HostError::NoDisplay => (error.to_string(), Some("use `belay` in a terminal, or `belay web`".to_owned()), 5),
        HostError::Window(cause) => {
            let hint = "use `belay` in a terminal, or `belay web`; `belay doctor` says what is missing";
            (format!("{error}: {cause}"), Some(hint.to_owned()), 5)
        }
    };
    eprintln!("error: {message}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}

/// Diagnostics for people who look for a fault: `BELAY_LOG=debug`.
fn watch() {
    let Ok(wanted) = std::env::var("BELAY_LOG") else { return };
    let filter = tracing_subscriber::EnvFilter::new(wanted);
    if tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init().is_err() {
        tracing::debug!("diagnostics are shown already");
    }
}
