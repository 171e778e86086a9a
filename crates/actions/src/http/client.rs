//! The HTTP client of the actions: guarded against metadata addresses, bound to the host it was asked for.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, Url};

use super::address::{self, Refused};

/// Redirects on the same host that are followed.
const REDIRECTS: usize = 5;

/// Why no request could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The URL is none, or of another scheme.
    #[error("it is no http or https URL")]
    NoUrl,
    /// The target is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

/// Reads a URL and refuses what is known to be refused without resolving anything.
pub(crate) fn url(text: &str) -> Result<Url, RequestError> {
    let url = Url::parse(text).map_err(|_| RequestError::NoUrl)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(RequestError::NoUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(RequestError::NoUrl);
    }
    address::check_host(host)?;
    Ok(url)
}

/// The client for a URL: through the proxies of the environment, except to this machine.
pub(crate) fn client(url: &Url) -> Result<Client, RequestError> {
    static PROXIED: OnceLock<Result<Client, String>> = OnceLock::new();
    static DIRECT: OnceLock<Result<Client, String>> = OnceLock::new();
    let made = if url.host_str().is_some_and(address::is_loopback) {
        DIRECT.get_or_init(|| build(Client::builder().no_proxy()))
    } else {
        PROXIED.get_or_init(|| build(Client::builder()))
    };
    made.clone().map_err(RequestError::Client)
}

/// Sets the process's TLS provider, unless there is one.
pub(crate) fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        tracing::debug!("another thread has set the TLS provider at the same time");
    }
}

fn build(builder: ClientBuilder) -> Result<Client, String> {
    install_tls_provider();
    builder
        .dns_resolver(Guarded)
        .redirect(Policy::custom(redirect))
        .user_agent(concat!("belay/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        // A check has to see whether a new connection works, not whether an old one still does.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| error.to_string())
}

/// Follows redirects that stay on the host; any other answer is given back as it is.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let stays = attempt.previous().first().is_some_and(|first| {
        first.host_str() == attempt.url().host_str()
            && (first.scheme() == attempt.url().scheme() || first.scheme() == "http")
    });
    if stays && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// Resolves names and refuses those that lead to a forbidden address, so that no name can be pointed there later.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for found in &addresses {
                address::check(found.ip())?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether a request failed because its target is refused.
pub(crate) fn refused(error: &reqwest::Error) -> Option<Refused> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused.clone());
        }
        source = error.source();
    }
    None
}

/// What went wrong, from the outermost to the innermost reason, without the URL, which may hold credentials.
pub(crate) fn problem(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    if timed_out {
        return "no answer in time".to_owned();
    }
    let mut texts = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts.dedup();
    texts.join(": ")
}
