//! Who gets in: the one-time link, the cookie, and the hosts and origins that count.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use belay_cockpit::{CockpitError, token};

/// What a link's token was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It is good, and no more from now on.
    Granted,
    /// It was used before.
    Used,
    /// It is no token of this server.
    Unknown,
}

/// The secrets and names of one server.
pub struct Access {
    /// The token of the link, until it is used.
    links: Mutex<Links>,
    cookie_name: String,
    cookie: String,
    hosts: BTreeSet<String>,
}

#[derive(Default)]
struct Links {
    open: Option<String>,
    used: BTreeSet<String>,
}

impl Access {
    /// Access to a server that listens at `address` and is known by `names` besides.
    pub fn new(address: SocketAddr, names: &[String]) -> Result<Self, CockpitError> {
        let port = address.port();
        let mut hosts: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        hosts.insert(address.to_string());
        if address.ip().is_loopback() {
            hosts.insert(format!("localhost:{port}"));
        }
        Ok(Self {
            links: Mutex::default(),
            // Cookies do not tell ports apart, and two servers may run.
            cookie_name: format!("belay-{port}"),
            cookie: token()?,
            hosts,
        })
    }

    /// A new token for a link; one that was handed out before and not used is good no more.
    pub fn link_token(&self) -> Result<String, CockpitError> {
        let fresh = token()?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = links.open.replace(fresh.clone()) {
            links.used.insert(old);
        }
        Ok(fresh)
    }

    /// Takes the token of a link.
    pub fn enter(&self, given: &str) -> Entry {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.open.as_deref().is_some_and(|open| same(open, given)) {
            links.open = None;
            links.used.insert(given.to_owned());
            return Entry::Granted;
        }
        if links.used.contains(given) { Entry::Used } else { Entry::Unknown }
    }

    /// The cookie of whoever got in. It ends with the browser's session; scripts cannot read it, and no other site's page
    /// can make a browser send it.
    pub fn set_cookie(&self) -> String {
        format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie_name, self.cookie)
    }

    /// Whether a request carries the cookie.
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(name, value)| name == self.cookie_name && same(value, &self.cookie))
    }

    /// Whether a request names a host that this server is known by.
    pub fn is_host(&self, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        host.to_str().is_ok_and(|host| self.hosts.contains(&host.to_ascii_lowercase()))
    }

    /// Whether a request comes from a page that was served here: browsers name the origin of every call and stream.
    pub fn is_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else { return false };
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| self.hosts.contains(&host.to_ascii_lowercase()))
    }
}

/// Compares secrets in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn access() -> Access {
        Access::new("127.0.0.1:8080".parse().unwrap(), &["Jump.example:8080".to_owned()]).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_link_lets_in_once() {
        let access = access();
        let token = access.link_token().unwrap();
        assert_eq!(access.enter("other"), Entry::Unknown);
        assert_eq!(access.enter(&token), Entry::Granted);
        assert_eq!(access.enter(&token), Entry::Used);
        let next = access.link_token().unwrap();
        let later = access.link_token().unwrap();
        assert_eq!(access.enter(&next), Entry::Used, "a newer link replaces an older one");
        assert_eq!(access.enter(&later), Entry::Granted);
    }

    #[test]
    fn only_the_whole_cookie_counts() {
        let access = access();
        let cookie = access.set_cookie().split(';').next().unwrap().to_owned();
        assert!(access.is_known(&headers(&[("cookie", &format!("a=b; {cookie}"))])));
        assert!(!access.is_known(&headers(&[("cookie", &cookie[..cookie.len() - 1])])));
        assert!(!access.is_known(&headers(&[("cookie", "belay-8080=")])));
        assert!(!access.is_known(&HeaderMap::new()));
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_no_host() {
        let access = access();
        for host in ["127.0.0.1:8080", "localhost:8080", "jump.example:8080", "JUMP.example:8080"] {
            assert!(access.is_host(&headers(&[("host", host)])), "{host}");
            assert!(access.is_origin(&headers(&[("origin", &format!("http://{host}"))])), "{host}");
        }
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:81", "localhost", "127.0.0.1:8080.evil.example", ""] {
            assert!(!access.is_host(&headers(&[("host", host)])), "{host}");
            assert!(!access.is_origin(&headers(&[("origin", &format!("http://{host}"))])), "{host}");
        }
        assert!(!access.is_origin(&HeaderMap::new()) && !access.is_host(&HeaderMap::new()), "both have to be named");
        assert!(!access.is_origin(&headers(&[("origin", "null")])));
    }
}
