//! `database.check_connections` and `database.vacuum` on PostgreSQL.
//!
//! Source: PostgreSQL, "The Cumulative Statistics System" (`pg_stat_activity`) and VACUUM.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, Ending, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Kind, Named, Server};
use crate::action::{Action, ActionError, Surroundings};
use crate::declaration::{Declaration, boolean, integer, number, object, text};
use crate::http::client;
use crate::kubernetes::Clusters;
use crate::kubernetes::inside::Forwarded;
use crate::observation::{Observation, parameters};

const POSTGRESQL: Kind = Kind { key: "database", name: "PostgreSQL", port: 5432 };

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn of_database(name: &str, description: &str) -> Declaration {
    Declaration::new(name, description)
        .optional("host", Sink::Host, text("the server; the context's `database` where absent"))
        .optional("port", Sink::Json, integer(1, "the port, 5432 where absent"))
        .optional("database", Sink::Name, text("the database"))
        .optional("user", Sink::Name, text("the role"))
        .optional("password", Sink::Json, json!({ "description": "a secret by name: {\"$secret\": NAME}" }))
        .target("host")
        .fact("databaseReachable")
}

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    database: Option<String>,
    /// What `database.vacuum` works on.
    table: Option<String>,
    analyze: Option<bool>,
}

impl Parameters {
    async fn connect(&self, clusters: &Clusters, surroundings: &Surroundings) -> Result<(Client, Server), ActionError> {
        let server = self.named.server(&POSTGRESQL, clusters, surroundings).await?;
        let place = server.shown();
        let said = |name: &str| server.entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut config = Config::new();
        config.host(&server.way.host).port(server.way.port).connect_timeout(PATIENCE).application_name("belay");
        config.user(server.user.as_deref().unwrap_or("postgres"));
        config.dbname(self.database.clone().or_else(|| said("name")).as_deref().unwrap_or("postgres"));
        config.ssl_mode(match said("sslmode").as_deref() {
            None | Some("prefer") => SslMode::Prefer,
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-full") => SslMode::Require,
            Some(other) => {
                let problem = format!("`sslmode: {other}` is none of disable, prefer and require");
                return Err(ActionError::unreachable(&place, problem));
            }
        });
        if let Some(password) = &server.password {
            config.password(password.expose_secret());
        }
        if let Some(spot) = &server.way.inside {
            let client = connect_inside(spot.connect().await?, &config, &server.way.host).await;
            return Ok((client.map_err(|problem| ActionError::unreachable(&place, problem))?, server));
        }
        let late = |_| ActionError::unreachable(&place, late());
        let (client, connection) = tokio::time::timeout(PATIENCE, config.connect(encryption()))
            .await
            .map_err(late)?
            .map_err(|error| ActionError::unreachable(&place, told(&error)))?;
        tokio::spawn(drive(connection));
        Ok((client, server))
    }

    /// The statement that vacuums.
    fn vacuum(&self) -> Result<String, ActionError> {
        let analyze = if self.analyze.unwrap_or(true) { "VACUUM (ANALYZE)" } else { "VACUUM" };
        let Some(table) = &self.table else { return Ok(analyze.to_owned()) };
        let parts: Vec<&str> = table.split('.').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty() || part.contains('\0')) {
            let problem = format!("`{}` is no table, written as TABLE or SCHEMA.TABLE", table.escape_debug());
            return Err(ActionError::parameter("table", problem));
        }
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
        Ok(format!("{analyze} {}", quoted.join(".")))
    }
}

/// Sends and receives until the connection ends.
async fn drive<S, T>(connection: Connection<S, T>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}

/// A connection through a forwarded port of a cluster.
async fn connect_inside(inside: Forwarded, config: &Config, host: &str) -> Result<Client, String> {
    let Forwarded { stream, explanation } = inside;
    let encryption = MakeTlsConnect::<DuplexStream>::make_tls_connect(&mut encryption(), host);
    let encryption = encryption.map_err(|error| error.to_string())?;
    match tokio::time::timeout(PATIENCE, config.connect_raw(stream, encryption)).await {
        Ok(Ok((client, connection))) => {
            tokio::spawn(drive(connection));
            Ok(client)
        }
        Ok(Err(error)) => Err(explanation.of(told(&error)).await),
        Err(_) => Err(explanation.of(late()).await),
    }
}

/// Asks the very server to stop what a client is doing there.
async fn stop(token: CancelToken, server: &Server) -> Result<(), String> {
    let Some(spot) = &server.way.inside else {
        return token.cancel_query(encryption()).await.map_err(|error| told(&error));
    };
    let encryption = MakeTlsConnect::<DuplexStream>::make_tls_connect(&mut encryption(), &server.way.host);
    let encryption = encryption.map_err(|error| error.to_string())?;
    let forwarded = spot.connect().await.map_err(|trouble| trouble.to_string())?;
    token.cancel_query_raw(forwarded.stream, encryption).await.map_err(|error| told(&error))
}

fn late() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// Certificates are checked against those that the system trusts.
fn encryption() -> MakeRustlsConnect {
    client::install_tls_provider();
    match MakeRustlsConnect::with_native_certs() {
        Ok((encryption, _)) => encryption,
        // A machine that trusts nobody can still talk to a server without encryption.
        Err(_) => MakeRustlsConnect::new(
            ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        ),
    }
}

/// What PostgreSQL said, with what to do about it where that is known.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        let hint = match refusal.code().code() {
            "28P01" | "28000" => "; give the context `config: { database: { user: …, password: { $secret: NAME } } }`",
            "53300" => "; every connection is taken",
            _ => "",
        };
        return format!("{}{hint}", refusal.message());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Counts connections.
pub(super) struct Connections(pub(super) Arc<Clusters>);

#[async_trait]
impl Observation for Connections {
    type Parameters = Parameters;

    const FACT: Option<&'static str> = Some("databaseReachable");

    fn declaration() -> ActionSpec {
        of_database("database.check_connections", "Count a PostgreSQL server's connections")
            .publishes("connectionCount", integer(0, "connections of clients that are open"))
            .publishes("maxConnections", integer(0, "connections that the server allows"))
            .output("usedPercent", number("open connections in percent of those allowed"))
            .output("byState", object("connections by state"))
            .access("membership of pg_monitor, for the states of others")
            .build()
    }

    fn describe(_parameters: &Parameters) -> String {
        "count the database's connections".to_owned()
    }

    fn target(parameters: &Parameters, context: &Value) -> String {
        parameters.named.shown(&POSTGRESQL, context)
    }

    async fn observe(&self, parameters: &Parameters, surroundings: &Surroundings) -> Result<Value, ActionError> {
        let (client, server) = parameters.connect(&self.0, surroundings).await?;
        let place = server.shown();
        let rows = client
            .query(
                "SELECT coalesce(state, 'unknown'), count(*), current_setting('max_connections')::int8 \
                 FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1",
                &[],
            )
            .await
            .map_err(|error| ActionError::unreachable(&place, told(&error)))?;
        let (mut states, mut open, mut allowed) = (Map::new(), 0_i64, 0_i64);
        for row in rows {
            let count: i64 = row.get(1);
            open += count;
            allowed = row.get(2);
            states.insert(row.get(0), json!(count));
        }
        #[expect(clippy::cast_precision_loss, reason = "numbers of connections are small")]
        let percent = if allowed > 0 { 100.0 * open as f64 / allowed as f64 } else { 0.0 };
        Ok(json!({ "connectionCount": open, "maxConnections": allowed, "usedPercent": percent, "byState": states }))
    }
}

/// Vacuums.
#[derive(Debug)]
pub(super) struct Vacuum {
    spec: ActionSpec,
    clusters: Arc<Clusters>,
}

impl Vacuum {
    pub(super) fn new(clusters: &Arc<Clusters>) -> Self {
        let spec = of_database("database.vacuum", "Vacuum and analyze a PostgreSQL database or one table")
            .optional("table", Sink::Text, text("the table, or SCHEMA.TABLE; the whole database where absent"))
            .optional("analyze", Sink::Json, boolean("also refresh statistics, as it does where absent"))
            .output("vacuumed", boolean("whether it ended well"))
            .mutates(true)
            .access("ownership of the tables, or membership of pg_maintain")
            .build();
        Self { spec, clusters: Arc::clone(clusters) }
    }
}

#[async_trait]
impl Action for Vacuum {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        match parameters.get("table").and_then(Value::as_str) {
            Some(table) => format!("vacuum table {table}"),
            None => "vacuum the database".to_owned(),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let parameters: Parameters = parameters(act)?;
        parameters.vacuum()?;
        let (client, server) = parameters.connect(&self.clusters, surroundings).await?;
        server.check(None)?;
        let place = server.shown();
        let size = "SELECT current_database(), pg_size_pretty(pg_database_size(current_database()))";
        let row = tokio::time::timeout(PATIENCE, client.query_one(size, &[]))
            .await
            .map_err(|_| ActionError::unreachable(&place, late()))?
            .map_err(|error| ActionError::unreachable(&place, told(&error)))?;
        let (database, size): (String, String) = (row.get(0), row.get(1));
        Ok(Preparation {
            effect: self.spec.effect,
            facts: [("databaseReachable".to_owned(), Value::Bool(true))].into(),
            ..server.prepared(&format!("{place}/{database}"), vec![format!("the database holds {size}")])
        })
    }

    async fn run(&self, act: &Act, preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let connected = async {
            let parameters: Parameters = parameters(act)?;
            let statement = parameters.vacuum()?;
            let (client, server) = parameters.connect(&self.clusters, surroundings).await?;
            server.check(Some(preparation))?;
            Ok::<_, ActionError>((client, statement, server))
        };
        let connected = tokio::select! {
            connected = connected => connected,
            () = surroundings.cancel.cancelled() => {
                let told = "it was cancelled before it began".to_owned();
                return Outcome { error: Some(told), ..Outcome::bare(Ending::NotStarted) };
            }
        };
        let (client, statement, server) = match connected {
            Ok(connected) => connected,
            Err(error) => return Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        };
        let token = client.cancel_token();
        let limit = surroundings.timeout;
        let over = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let (ending, why) = tokio::select! {
            ended = client.batch_execute(&statement) => return vacuumed(ended),
            () = surroundings.cancel.cancelled() => (Ending::Cancelled, "it was cancelled".to_owned()),
            () = over => {
                (Ending::TimedOut, format!("it did not end within {} s", limit.unwrap_or_default().as_secs()))
            }
        };
        let stopped = stop(token, &server);
        let stopped = tokio::time::timeout(PATIENCE, stopped).await;
        let told = match stopped {
            Ok(Ok(())) => format!("{why}; tables that had been done stay so"),
            Ok(Err(problem)) => format!("{why}, and the server may go on with it: {problem}"),
            Err(_) => format!("{why}, and the server may go on with it: it does not answer"),
        };
        Outcome { error: Some(told), ..Outcome::bare(ending) }
    }
}

fn vacuumed(ended: Result<(), tokio_postgres::Error>) -> Outcome {
    match ended {
        Ok(()) => Outcome::succeeded(json!({ "vacuumed": true })),
        Err(error) if error.as_db_error().is_some() => Outcome::failed(told(&error)),
        Err(error) => Outcome { error: Some(told(&error)), ..Outcome::bare(Ending::Lost) },
    }
}
