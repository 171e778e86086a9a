//! Whether a link still leads somewhere.

use std::time::Duration;

use reqwest::{Method, StatusCode};

use super::client;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks for a page and says what is wrong with it; `None` when it is there.
///
/// A redirect to another host, and a page that wants somebody to log in, are there. The request is guarded as every
/// other one is: no metadata or link-local address, five redirects at most.
pub async fn dead_link(link: &str) -> Option<String> {
    let status = match ask(link, Method::HEAD).await {
        // Many servers know no HEAD.
        Ok(status) if status.is_client_error() || status.is_server_error() => ask(link, Method::GET).await,
        answer => answer,
    };
    match status {
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) => None,
        Ok(status) if status.is_client_error() || status.is_server_error() => Some(format!("the server says {status}")),
        Ok(_) => None,
        Err(problem) => Some(problem),
    }
}

async fn ask(link: &str, method: Method) -> Result<StatusCode, String> {
    let url = client::url(link).map_err(|error| error.to_string())?;
    let client = client::client(&url).map_err(|error| error.to_string())?;
    let answer = client.request(method, url).timeout(PATIENCE).send().await;
    answer.map(|response| response.status()).map_err(client::problem)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::{any, get};

    use super::dead_link;

    #[tokio::test]
    async fn a_link_is_dead_when_no_server_has_it() {
        let app = Router::new()
            .route("/there", get(|| async { "here" }))
            .route("/no-head", get(|| async { "here" }).head(|| async { StatusCode::METHOD_NOT_ALLOWED }))
            .route("/login", any(|| async { StatusCode::UNAUTHORIZED }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        for there in ["there", "no-head", "login"] {
            assert_eq!(dead_link(&format!("{server}/{there}")).await, None, "{there}");
        }
        let gone = dead_link(&format!("{server}/gone")).await;
        assert_eq!(gone.as_deref(), Some("the server says 404 Not Found"));
    }

    #[tokio::test]
    async fn what_may_not_be_asked_is_not_asked() {
        assert!(dead_link("http://169.254.169.254/latest/meta-data/").await.is_some());
        assert!(dead_link("file:///etc/passwd").await.is_some());
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(dead_link(&format!("http://{closed}/")).await.is_some());
    }
}
