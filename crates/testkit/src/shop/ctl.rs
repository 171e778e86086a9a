//! A client of the shop over plain HTTP/1.1, enough for its own pages: what `belay-shop ctl` and tests use.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long the shop may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the shop gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// The URL is not one of a shop.
    #[error("`{0}` is not a URL such as http://127.0.0.1:8080")]
    Url(String),
    /// Nobody answers there.
    #[error("the shop at {address} does not answer")]
    Connection {
        /// Host and port.
        address: String,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// What came back is no HTTP answer.
    #[error("the shop at {0} answered something that is no HTTP")]
    Answer(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Whether the status is 200 to 299.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends one request (`GET` or `POST` without a body) and reads the answer to its end.
pub fn call(base: &str, method: &str, path: &str, request: Option<&str>) -> Result<Answer, CtlError> {
    let address = base
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|rest| rest.contains(':') && !rest.contains(['/', ' ', '\r', '\n']))
        .ok_or_else(|| CtlError::Url(base.to_owned()))?;
    let failed = |source| CtlError::Connection { address: address.to_owned(), source };
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let id = request.map(|request| format!("x-request-id: {}\r\n", line(request))).unwrap_or_default();
    let head = format!(
        "{method} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{id}content-length: 0\r\n\r\n",
        line(path)
    );
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| CtlError::Answer(address.to_owned()))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| CtlError::Answer(address.to_owned()))?;
    Ok(Answer { status, body: body.to_owned() })
}

/// Percent-encodes one part of a URL: everything but letters, digits and `-._~`.
pub fn encoded(part: &str) -> String {
    use std::fmt::Write as _;
    part.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
        }
        text
    })
}

/// A text that ends no header line early.
fn line(text: &str) -> String {
    text.chars().filter(|character| !character.is_control() && *character != ' ').collect()
}
