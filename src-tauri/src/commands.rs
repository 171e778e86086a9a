//! What the window may ask: a call, and the stream of events.

#![allow(clippy::let_underscore_must_use, reason = "the macro of commands makes such lets")]

use belay_cockpit::api::{Call, CallError, Place, Told};
use serde_json::Value;
use tauri::State;
use tauri::ipc::Channel;

use crate::host::Host;

/// Asks the application something.
#[tauri::command]
pub async fn call(host: State<'_, Host>, call: Call) -> Result<Value, CallError> {
    host.api().call(call).await
}

/// Sends events after a place into a channel, until `unlisten` is called with the number that this answers.
#[tauri::command]
pub async fn listen(host: State<'_, Host>, after: Option<Place>, channel: Channel<Told>) -> Result<u32, CallError> {
    Ok(host.listen(after.as_ref(), channel))
}

/// Ends a stream.
#[tauri::command]
pub async fn unlisten(host: State<'_, Host>, id: u32) -> Result<(), CallError> {
    host.unlisten(id);
    Ok(())
}
