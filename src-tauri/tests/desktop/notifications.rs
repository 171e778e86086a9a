//! A session bus, and what shows notifications on it.
#![expect(
    clippy::unused_self,
    clippy::used_underscore_binding,
    clippy::too_many_arguments,
    reason = "so the interface is"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::object_server::SignalEmitter;

use crate::Ended;

/// Where the specification puts it.
const PATH: &str = "/org/freedesktop/Notifications";
/// The number of every notification.
const ID: u32 = 7;

/// A session bus of its own; gives its address.
pub fn bus() -> (Ended, String) {
    let mut bus = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--print-address"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dbus-daemon is installed (`scripts/setup.sh test` does it)");
    let mut address = String::new();
    BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (Ended(bus), address.trim().to_owned())
}

/// What shows notifications, as the bus sees it: it reads markup, and passes on what it is asked to show.
struct Server(UnboundedSender<(String, String)>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup"].map(String::from).into()
    }

    fn notify(
        &self,
        _app: String,
        _replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, zbus::OwnedVariant>,
        _expires: i32,
    ) -> u32 {
        self.0.send((summary, body)).unwrap();
        ID
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str) -> zbus::Result<()>;
}

/// The notifications of a session.
pub struct Notifications {
    server: zbus::Connection,
    shown: UnboundedReceiver<(String, String)>,
}

impl Notifications {
    pub async fn serve(bus: &str) -> Self {
        let (sender, shown) = unbounded_channel();
        let server = zbus::connection::Builder::address(bus)
            .name("org.freedesktop.Notifications")
            .serve_at(PATH, Server(sender))
            .build()
            .await
            .unwrap();
        Self { server, shown }
    }

    /// Title and body of the next one.
    pub async fn next(&mut self) -> (String, String) {
        self.shown.recv().await.unwrap()
    }

    /// The person clicks it.
    pub async fn click(&self) {
        let shown = self.server.object_server().interface::<_, Server>(PATH).await.unwrap();
        Server::action_invoked(shown.signal_emitter(), ID, "default").await.unwrap();
    }
}
