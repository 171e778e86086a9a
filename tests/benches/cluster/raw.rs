//! Requests as plain as they can be: one connection, and the bytes of the answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// A connection to an API server that takes requests without a token.
pub(crate) struct Raw {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Raw {
    /// Connects to `http://HOST:PORT`.
    pub(crate) fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), host }
    }

    /// The body of the answer to a GET.
    pub(crate) fn get(&mut self, path: &str) -> Vec<u8> {
        self.ask("GET", path, "")
    }

    /// Evicts a pod that no budget holds.
    pub(crate) fn evict(&mut self, namespace: &str, pod: &str) {
        let body = format!(r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{pod}"}}}}"#);
        self.ask("POST", &format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction"), &body);
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            assert!(!lower.starts_with("http/1.1") || lower.contains(" 20"), "`{path}` is answered with {line}");
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        body
    }
}
