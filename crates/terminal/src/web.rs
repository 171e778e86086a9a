//! The cockpit in a browser, for one responder: the same user interface and the same API over HTTP and WebSocket.
//!
//! Whoever has the link gets in once: its token becomes a cookie that scripts cannot read and other sites cannot send. A
//! request has to name a host that this server is known by, so that a name that was made to point here (DNS rebinding)
//! reaches nothing, and a call or a stream has to come from a page that was served here. Absent: users, passwords and TLS;
//! it listens on the loopback interface unless somebody says otherwise.

mod access;
mod files;
mod server;

pub use access::Access;
pub use files::Files;
pub use server::{Server, serve};
