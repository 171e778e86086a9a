//! The shop's pages.

use std::future::Future;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::state::{PRODUCTS, Shop, ShopError};
use super::{customers, state};

/// Serves the shop, with its customers, until `shutdown` ends.
pub async fn serve(
    listener: TcpListener,
    shop: Arc<Shop>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let pages = Router::new()
        .route("/healthz", get(healthz))
        .route("/checkout", get(checkout))
        .route("/stats", get(stats))
        .route("/admin/cache/flush", post(flush))
        .route("/admin/cache/warm", post(warm))
        .route("/admin/latency", post(latency))
        .route("/admin/leak/start", post(leak_start))
        .route("/admin/leak/stop", post(leak_stop))
        .route("/admin/restart", post(restart))
        .route("/admin/version", post(version))
        .with_state(Arc::clone(&shop));
    let pages = axum::serve(listener, pages).with_graceful_shutdown(shutdown);
    tokio::select! {
        served = async { pages.await } => served,
        () = customers::come(shop) => Ok(()),
    }
}

/// A page that could not be given because the world's log could not be written.
struct Failed(ShopError);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

impl From<ShopError> for Failed {
    fn from(error: ShopError) -> Self {
        Self(error)
    }
}

type Page = Result<Json<Value>, Failed>;

fn request(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id")?.to_str().ok().map(str::to_owned)
}

async fn healthz(State(shop): State<Arc<Shop>>) -> impl IntoResponse {
    let stats: state::Stats = shop.stats();
    let code = if stats.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "healthy": stats.healthy, "p95Ms": stats.p95_ms, "errorRate": stats.error_rate })))
}

async fn stats(State(shop): State<Arc<Shop>>) -> Json<state::Stats> {
    Json(shop.stats())
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    product: u32,
}

async fn checkout(State(shop): State<Arc<Shop>>, Query(wanted): Query<Wanted>) -> Response {
    let product = wanted.product % PRODUCTS;
    match customers::checkout(&shop, product).await {
        Some(cents) => Json(json!({ "product": product, "cents": cents })).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "out of memory" }))).into_response(),
    }
}

async fn flush(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Page {
    let (request, dropped) = shop.flush(request(&headers))?;
    Ok(Json(json!({ "request": request, "dropped": dropped })))
}

async fn warm(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Page {
    let (request, entries) = shop.warm(request(&headers))?;
    Ok(Json(json!({ "request": request, "cacheEntries": entries })))
}

#[derive(Deserialize)]
struct Latency {
    ms: u64,
}

async fn latency(State(shop): State<Arc<Shop>>, headers: HeaderMap, Query(latency): Query<Latency>) -> Page {
    let (request, before) = shop.set_latency(request(&headers), latency.ms)?;
    Ok(Json(json!({ "request": request, "before": before, "latencyKnobMs": latency.ms })))
}

async fn leak_start(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Page {
    Ok(Json(json!({ "request": shop.set_leak(request(&headers), true)?, "leaking": true })))
}

async fn leak_stop(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Page {
    Ok(Json(json!({ "request": shop.set_leak(request(&headers), false)?, "leaking": false })))
}

async fn restart(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Page {
    Ok(Json(json!({ "request": shop.restart(request(&headers))? })))
}

#[derive(Deserialize)]
struct Version {
    v: String,
}

async fn version(State(shop): State<Arc<Shop>>, headers: HeaderMap, Query(version): Query<Version>) -> Page {
    let (request, before) = shop.set_version(request(&headers), &version.v)?;
    Ok(Json(json!({ "request": request, "before": before, "version": version.v })))
}
