//! What a request asks for: verb, resource and object, from its method, path and query.

use axum::extract::Query;
use axum::http::{Method, Uri};

use super::kinds::Kind;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A resource of the API.
    Resource(&'static Kind),
    /// `/api`, `/version` and the like: everything that is not a resource.
    Other,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The verb of access control: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// What the path leads to.
    pub place: Place,
    /// The path, percent-decoded.
    pub path: String,
    /// The namespace; `None` across all of them and for what lies in none.
    pub namespace: Option<String>,
    /// The object; `None` for a collection.
    pub name: Option<String>,
    /// The subresource; empty where there is none.
    pub subresource: String,
    /// What follows the subresource, percent-encoded as it came, with its first slash (`proxy` passes it on).
    pub rest: String,
    query: Vec<(String, String)>,
}

impl Target {
    /// Reads method and address of a request.
    pub fn parse(method: &Method, uri: &Uri) -> Self {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(query)| query).unwrap_or_default();
        let mut target = Self {
            verb: match method.as_str() {
                "POST" => "create",
                "PUT" => "update",
                "PATCH" => "patch",
                "DELETE" => "delete",
                _ => "get",
            },
            place: Place::Other,
            path: decoded(uri.path()),
            namespace: None,
            name: None,
            subresource: String::new(),
            rest: String::new(),
            query,
        };
        target.resolve(uri.path());
        target
    }

    fn resolve(&mut self, path: &str) -> Option<()> {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, mut parts) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let mut skipped = if group.is_empty() { 2 } else { 3 };
        if let ["namespaces", namespace, plural, rest @ ..] = parts
            && !(rest.is_empty() && matches!(*plural, "status" | "finalize"))
        {
            self.namespace = Some((*namespace).to_owned());
            parts = &parts[2..];
            skipped += 2;
        }
        let (plural, rest) = parts.split_first()?;
        let kind = Kind::of_path(group, version, plural)?;
        self.place = Place::Resource(kind);
        self.name = rest.first().map(|name| (*name).to_owned());
        self.subresource = rest.get(1).map(|name| (*name).to_owned()).unwrap_or_default();
        if rest.len() > 2 || (self.subresource == "proxy" && path.ends_with('/')) {
            let encoded: Vec<&str> = path.trim_start_matches('/').split('/').skip(skipped + 3).collect();
            self.rest = format!("/{}", encoded.join("/"));
        }
        if self.name.is_none() {
            match self.verb {
                "get" if self.flag("watch") => self.verb = "watch",
                "get" => self.verb = "list",
                "delete" => self.verb = "deletecollection",
                _ => {}
            }
        }
        Some(())
    }

    /// The first value of a query parameter.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Every value of a query parameter, in order.
    pub fn parameters(&self, key: &str) -> Vec<String> {
        self.query.iter().filter(|(name, _)| name == key).map(|(_, value)| value.clone()).collect()
    }

    /// Whether a query parameter is set to true.
    pub fn flag(&self, key: &str) -> bool {
        self.parameter(key).is_some_and(|value| matches!(value, "true" | "1" | "True" | ""))
    }

    /// A query parameter that is a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.parameter(key)?.parse().ok()
    }

    /// Whether nothing may be kept.
    pub fn is_dry_run(&self) -> bool {
        self.parameter("dryRun").is_some_and(|value| value == "All")
    }

    /// The resource, with the subresource: `deployments/scale`; empty outside of the resources.
    pub fn resource(&self) -> String {
        match self.place {
            Place::Resource(kind) if self.subresource.is_empty() => kind.plural.to_owned(),
            Place::Resource(kind) => format!("{}/{}", kind.plural, self.subresource),
            Place::Other => String::new(),
        }
    }
}

/// A text without its percent-encoding; what is none stays as it is.
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(code) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            plain.push(code);
            at += 3;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
