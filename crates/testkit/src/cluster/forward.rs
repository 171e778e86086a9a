//! The subresource `pods/portforward`, over a WebSocket with two channels for each port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket};
use axum::http::Request;
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::kinds::Kind;
use super::server::Shared;
use super::status::Refusal;
use super::stream::upgrade;
use super::target::Target;
use super::{proxy, read};

/// The protocol, with the data of port `n` on channel `2n` and its errors on `2n + 1`.
const PROTOCOL: &str = "v4.channel.k8s.io";

/// How many messages wait for a slow reader.
const WAITING: usize = 64;

/// Answers a request to forward ports.
pub async fn answer(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let pod = shared.with(|state| read::get(state, kind, target))?;
    let ports: Vec<u16> = target
        .parameters("ports")
        .iter()
        .flat_map(|list| list.split(','))
        .map(|port| {
            port.trim().parse().map_err(|_| Refusal::bad_request(format!("unable to parse \"{port}\" as a port")))
        })
        .collect::<Result<_, _>>()?;
    if ports.is_empty() {
        return Err(Refusal::bad_request("query parameter \"port\" is required"));
    }
    let targets: Vec<(u16, Result<SocketAddr, Refusal>)> =
        shared.with(|state| ports.iter().map(|port| (*port, proxy::listener(state, &pod, *port))).collect());
    let (mut head, _) = request.into_parts();
    let upgrade = upgrade(&mut head, &[PROTOCOL]).await?;
    Ok(upgrade.on_upgrade(move |socket| forward(socket, targets)))
}

fn on_channel(channel: usize, bytes: &[u8]) -> Message {
    let mut message = vec![u8::try_from(channel).unwrap_or(u8::MAX)];
    message.extend_from_slice(bytes);
    Message::Binary(Bytes::from(message))
}

async fn forward(socket: WebSocket, targets: Vec<(u16, Result<SocketAddr, Refusal>)>) {
    let (mut outgoing, mut incoming) = socket.split();
    let (sender, mut messages) = mpsc::channel::<Message>(WAITING);
    let mut reading = JoinSet::new();
    let mut writers: Vec<Option<OwnedWriteHalf>> = Vec::new();
    for (at, (port, target)) in targets.into_iter().enumerate() {
        // Every channel begins with its port.
        for channel in [2 * at, 2 * at + 1] {
            if outgoing.send(on_channel(channel, &port.to_le_bytes())).await.is_err() {
                return;
            }
        }
        let connected = match target {
            Ok(address) => TcpStream::connect(address).await.map_err(|error| error.to_string()),
            Err(refusal) => Err(refusal.message),
        };
        match connected {
            Ok(stream) => {
                let (mut reader, writer) = stream.into_split();
                writers.push(Some(writer));
                let sender = sender.clone();
                reading.spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    while let Ok(read) = reader.read(&mut buffer).await {
                        let bytes = buffer.get(..read).unwrap_or_default();
                        if read == 0 || sender.send(on_channel(2 * at, bytes)).await.is_err() {
                            return;
                        }
                    }
                });
            }
            Err(why) => {
                writers.push(None);
                let why = format!("an error occurred forwarding {port}: {why}");
                if outgoing.send(on_channel(2 * at + 1, why.as_bytes())).await.is_err() {
                    return;
                }
            }
        }
    }
    drop(sender);
    loop {
        tokio::select! {
            message = messages.recv() => {
                // All ports have said everything: the last one to leave closes.
                let message = message.unwrap_or(Message::Close(None));
                let closes = matches!(message, Message::Close(_));
                if outgoing.send(message).await.is_err() || closes {
                    return;
                }
            }
            message = incoming.next() => {
                let Some(Ok(message)) = message else { return };
                let Message::Binary(bytes) = message else { continue };
                let Some((channel, bytes)) = bytes.split_first() else { continue };
                let writer = writers.get_mut(usize::from(*channel) / 2).and_then(Option::as_mut);
                if let Some(writer) = writer.filter(|_| channel % 2 == 0)
                    && writer.write_all(bytes).await.is_err()
                {
                    return;
                }
            }
        }
    }
}
