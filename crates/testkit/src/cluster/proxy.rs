//! The subresources `pods/proxy` and `services/proxy`: requests to what really listens for a pod.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Uri, header};
use axum::response::Response;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::json;
use super::kinds::Kind;
use super::read;
use super::selector::Labels;
use super::server::Shared;
use super::state::State;
use super::status::Refusal;
use super::target::Target;

/// Passes a request on and its answer back.
pub async fn answer(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    target: &Target,
    mut request: Request<Body>,
) -> Result<Response, Refusal> {
    let address = shared.with(|state| address(state, kind, target))?;
    let path = if target.rest.is_empty() { "/" } else { &target.rest };
    let uri = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    *request.uri_mut() = uri.parse::<Uri>().map_err(|error| Refusal::bad_request(error.to_string()))?;
    // The login is for this server and for nobody behind it.
    request.headers_mut().remove(header::AUTHORIZATION);
    if let Ok(host) = HeaderValue::from_str(&address.to_string()) {
        request.headers_mut().insert(header::HOST, host);
    }
    let stream = TcpStream::connect(address).await.map_err(|error| unreachable_service(&error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable_service(&error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| unreachable_service(&error.to_string()))?;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(Body::new(body), usize::MAX)
            .await
            .map_err(|error| unreachable_service(&error.to_string()))?;
        Ok((parts, bytes))
    };
    let driven = async {
        // Its end shows in the exchange, which ends with it.
        drop(connection.await);
        std::future::pending::<()>().await;
    };
    let (mut parts, bytes) = tokio::select! {
        exchanged = exchange => exchanged?,
        () = driven => return Err(unreachable_service("the connection ended")),
    };
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONNECTION);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn unreachable_service(why: &str) -> Refusal {
    Refusal::new(503, "ServiceUnavailable", format!("error trying to reach service: {why}"))
}

/// The parts of `https:name:port`, `name:port` and `name`.
fn parts(name: &str) -> (&str, &str) {
    let name = name.strip_prefix("http:").or_else(|| name.strip_prefix("https:")).unwrap_or(name);
    name.split_once(':').unwrap_or((name, ""))
}

fn address(state: &State, kind: &'static Kind, target: &Target) -> Result<SocketAddr, Refusal> {
    let (name, port) = parts(target.name.as_deref().unwrap_or_default());
    let mut plain = target.clone();
    plain.name = Some(name.to_owned());
    let object = read::get(state, kind, &plain)?;
    if kind.plural == "pods" {
        let port = if port.is_empty() { first_port(&object) } else { port.parse().ok() };
        return listener(state, &object, port.unwrap_or(80));
    }
    let ports = json::list(&object, "/spec/ports");
    let number = |one: &Value| json::number(one, "/port");
    let found = ports
        .iter()
        .find(|one| port.is_empty() || json::text(one, "/name") == port || number(one) == port.parse().ok());
    let nobody = || Refusal::new(503, "ServiceUnavailable", format!("no endpoints available for service \"{name}\""));
    let Some(found) = found else { return Err(nobody()) };
    let selector = Labels::of_map(object.pointer("/spec/selector").unwrap_or(&Value::Null));
    let ready: Vec<Arc<Value>> = state
        .list("pods", target.namespace.as_deref())
        .into_iter()
        .filter(|pod| !selector.is_empty() && selector.matches(pod))
        .filter(|pod| json::condition(pod, "Ready") == "True" && !json::is_going(pod))
        .collect();
    let inner = |pod: &Value| target_port(pod, found);
    let served = ready.iter().find(|pod| listener(state, pod, inner(pod)).is_ok());
    let pod = served.or_else(|| ready.first()).ok_or_else(nobody)?;
    listener(state, pod, inner(pod))
}

/// The port of the pod that a port of a service leads to.
fn target_port(pod: &Value, port: &Value) -> u16 {
    let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let wanted = port.get("targetPort").cloned().unwrap_or_default();
    let named = || {
        let containers = json::list(pod, "/spec/containers").iter();
        let found = containers.flat_map(|one| json::list(one, "/ports")).find(|one| one.get("name") == Some(&wanted));
        found.and_then(|port| port.get("containerPort")).and_then(number)
    };
    number(&wanted).or_else(named).or_else(|| port.get("port").and_then(number)).unwrap_or(80)
}

fn first_port(pod: &Value) -> Option<u16> {
    let port = json::list(pod, "/spec/containers").iter().find_map(|one| json::number(one, "/ports/0/containerPort"));
    port.and_then(|port| u16::try_from(port).ok())
}

/// What really listens for a port of a pod.
pub fn listener(state: &State, pod: &Value, port: u16) -> Result<SocketAddr, Refusal> {
    let key = (json::namespace(pod).to_owned(), json::name(pod).to_owned(), port);
    let app = (key.0.clone(), json::text(pod, "/metadata/labels/app").to_owned(), port);
    let served = state.served.get(&key).or_else(|| state.served_apps.get(&app));
    served.copied().ok_or_else(|| {
        let ip = json::text(pod, "/status/podIP");
        unreachable_service(&format!("dial tcp {ip}:{port}: connect: connection refused"))
    })
}
