//! `cache.get_stats` and `cache.flush` on Redis.
//!
//! Source: Redis commands INFO, DBSIZE, SCAN, UNLINK and FLUSHDB.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, Ending, Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::{ActionSpec, Impact, PolicyKind, Sink};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Kind, Named, Server};
use crate::action::{Action, ActionError, OutputChunk, Stream, Surroundings};
use crate::declaration::{Declaration, boolean, integer, number, text};
use crate::kubernetes::Clusters;
use crate::kubernetes::inside::Forwarded;
use crate::observation::{Observation, parameters};

const REDIS: Kind = Kind { key: "redis", name: "Redis", port: 6379 };

/// How long a connection, and the answer to one command, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a flush may take where the step sets no time.
const LONGEST: Duration = Duration::from_mins(10);

/// Keys that one step of a scan looks at.
const AT_ONCE: usize = 1000;

/// Keys that a preparation looks at to count those that match; beyond it the number is a lower bound.
const COUNTED: usize = 100_000;

fn of_cache(name: &str, description: &str) -> Declaration {
    Declaration::new(name, description)
        .optional("host", Sink::Host, text("the server; the context's `redis` where absent"))
        .optional("port", Sink::Json, integer(1, "the port, 6379 where absent"))
        .optional("database", Sink::Json, integer(0, "the number of the database"))
        .optional("user", Sink::Text, text("the user of its access list"))
        .optional("password", Sink::Json, json!({ "description": "a secret by name: {\"$secret\": NAME}" }))
        .target("host")
        .fact("cacheReachable")
}

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    database: Option<u32>,
    /// Keys that `cache.flush` deletes.
    pattern: Option<String>,
}

impl Parameters {
    async fn connect(
        &self,
        clusters: &Clusters,
        surroundings: &Surroundings,
    ) -> Result<(MultiplexedConnection, Server), ActionError> {
        let server = self.named.server(&REDIS, clusters, surroundings).await?;
        let place = server.shown();
        let mut login = RedisConnectionInfo::default();
        let database = self.database.map(i64::from).or_else(|| server.entry.get("database")?.as_i64());
        login = login.set_db(database.unwrap_or(0));
        if let Some(user) = &server.user {
            login = login.set_username(user);
        }
        if let Some(password) = &server.password {
            login = login.set_password(password.expose_secret());
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let encrypted = server.entry.get("tls").and_then(Value::as_bool).unwrap_or(false);
        if let Some(spot) = &server.way.inside {
            if encrypted {
                let problem = "a port of a cluster is forwarded without `tls: true` only; forward it beside Belay, and \
                               name 127.0.0.1 as `host`";
                return Err(ActionError::unreachable(&place, problem.to_owned()));
            }
            let connection = connect_inside(spot.connect().await?, &login, config).await;
            return Ok((connection.map_err(|problem| ActionError::unreachable(&place, problem))?, server));
        }
        let address = if encrypted {
            ConnectionAddr::TcpTls {
                host: server.way.host.clone(),
                port: server.way.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(server.way.host.clone(), server.way.port)
        };
        let info = address.into_connection_info().map_err(|error| ActionError::unreachable(&place, said(&error)))?;
        let client = Client::open(info.set_redis_settings(login))
            .map_err(|error| ActionError::unreachable(&place, said(&error)))?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        Ok((connection.map_err(|error| ActionError::unreachable(&place, said(&error)))?, server))
    }
}

/// A connection through a forwarded port of a cluster.
async fn connect_inside(
    inside: Forwarded,
    login: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, String> {
    let Forwarded { stream, explanation } = inside;
    let logged_in = MultiplexedConnection::new_with_config(login, stream, config);
    match tokio::time::timeout(PATIENCE, logged_in).await {
        Ok(Ok((connection, driver))) => {
            tokio::spawn(driver);
            Ok(connection)
        }
        Ok(Err(error)) => Err(explanation.of(said(&error)).await),
        Err(_) => Err(explanation.of(format!("no answer within {} s", PATIENCE.as_secs())).await),
    }
}

/// What Redis said, with what to do about it where that is known.
fn said(error: &redis::RedisError) -> String {
    let refused = error.kind() == redis::ErrorKind::AuthenticationFailed;
    let hint = match error.code() {
        _ if refused => "; is the password of `config: { redis: { password: { $secret: NAME } } }` the right one?",
        Some("NOAUTH") => "; give the context `config: { redis: { password: { $secret: NAME } } }`",
        Some("NOPERM") => "; the user's access list has to allow the command",
        _ => "",
    };
    format!("{error}{hint}")
}

/// Reads hit rate and memory.
pub(super) struct Stats(pub(super) Arc<Clusters>);

#[async_trait]
impl Observation for Stats {
    type Parameters = Parameters;

    const FACT: Option<&'static str> = Some("cacheReachable");

    fn declaration() -> ActionSpec {
        let rate = |what: &str| json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1, "description": what });
        of_cache("cache.get_stats", "Read a Redis server's hit rate and memory")
            .output("hitRate", rate("hits in parts of all look-ups, from 0 to 1; null before the first one"))
            .publishes("cacheHitRate", rate("the same under the name that scripts use"))
            .output("hits", integer(0, "look-ups that found something"))
            .output("misses", integer(0, "look-ups that found nothing"))
            .output("keys", integer(0, "keys that exist in the database"))
            .output("usedMemoryBytes", integer(0, "memory in use"))
            .output("usedMemoryPercent", number("of `maxmemory`; absent where it is not limited"))
            .access("the commands INFO and DBSIZE")
            .build()
    }

    fn describe(_parameters: &Parameters) -> String {
        "read the cache's hit rate".to_owned()
    }

    fn target(parameters: &Parameters, context: &Value) -> String {
        parameters.named.shown(&REDIS, context)
    }

    async fn observe(&self, parameters: &Parameters, surroundings: &Surroundings) -> Result<Value, ActionError> {
        let (mut connection, server) = parameters.connect(&self.0, surroundings).await?;
        let place = server.shown();
        let info: String = redis::cmd("INFO")
            .query_async(&mut connection)
            .await
            .map_err(|error| ActionError::unreachable(&place, said(&error)))?;
        let keys: u64 = redis::cmd("DBSIZE")
            .query_async(&mut connection)
            .await
            .map_err(|error| ActionError::unreachable(&place, said(&error)))?;
        let figure = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|figure| figure.trim().parse::<u64>().ok())
        };
        let missing =
            |name: &str| ActionError::unreachable(&place, format!("INFO has no `{name}`: is it a Redis server?"));
        let hits = figure("keyspace_hits").ok_or_else(|| missing("keyspace_hits"))?;
        let misses = figure("keyspace_misses").ok_or_else(|| missing("keyspace_misses"))?;
        let used = figure("used_memory").ok_or_else(|| missing("used_memory"))?;
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits of two counters")]
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let rate = share(hits, hits + misses);
        let mut output = json!({
            "hitRate": rate, "cacheHitRate": rate, "hits": hits, "misses": misses, "keys": keys, "usedMemoryBytes": used,
        });
        if let Some(percent) = figure("maxmemory").and_then(|limit| share(used, limit)) {
            output["usedMemoryPercent"] = json!(percent * 100.0);
        }
        Ok(output)
    }
}

/// Deletes keys.
#[derive(Debug)]
pub(super) struct Flush {
    spec: ActionSpec,
    clusters: Arc<Clusters>,
}

impl Flush {
    pub(super) fn new(clusters: &Arc<Clusters>) -> Self {
        let spec = of_cache("cache.flush", "Delete the keys of a Redis server that match a pattern")
            .optional("pattern", Sink::Text, text("a glob such as session:*; every key of the database where absent"))
            .output("flushed", boolean("whether every matching key is gone"))
            .output("deleted", integer(0, "keys that were deleted"))
            .destroys(true)
            .kind(PolicyKind::DataDeletion)
            .access("the commands DBSIZE, SCAN, UNLINK and FLUSHDB")
            .build();
        Self { spec, clusters: Arc::clone(clusters) }
    }
}

/// One step of a scan: where the next one begins, and the keys that match.
async fn scan(
    connection: &mut MultiplexedConnection,
    cursor: u64,
    pattern: &str,
) -> redis::RedisResult<(u64, Vec<Vec<u8>>)> {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(AT_ONCE);
    command.query_async(connection).await
}

/// How many keys match, and whether all keys were looked at.
async fn count(connection: &mut MultiplexedConnection, pattern: &str) -> redis::RedisResult<(usize, bool)> {
    let (mut cursor, mut found, mut looked) = (0, 0, 0);
    loop {
        let (next, keys) = scan(connection, cursor, pattern).await?;
        found += keys.len();
        looked += AT_ONCE;
        if next == 0 || looked >= COUNTED {
            return Ok((found, next == 0));
        }
        cursor = next;
    }
}

#[async_trait]
impl Action for Flush {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        match parameters.get("pattern").and_then(Value::as_str) {
            Some(pattern) => format!("delete the cache's keys that match {pattern}"),
            None => "delete every key of the cache".to_owned(),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let parameters: Parameters = parameters(act)?;
        let (mut connection, server) = parameters.connect(&self.clusters, surroundings).await?;
        server.check(None)?;
        let place = server.shown();
        let asked = async {
            let all: usize = redis::cmd("DBSIZE").query_async(&mut connection).await?;
            match parameters.pattern.as_deref() {
                Some(pattern) => count(&mut connection, pattern).await.map(|(found, whole)| (found, whole, all)),
                None => Ok((all, true, all)),
            }
        };
        let (found, whole, all) =
            asked.await.map_err(|error: redis::RedisError| ActionError::unreachable(&place, said(&error)))?;
        let at_least = if whole { "" } else { "at least " };
        Ok(Preparation {
            effect: self.spec.effect,
            impact: Impact::High,
            reasons: vec!["what is deleted cannot be brought back".to_owned()],
            facts: [("cacheReachable".to_owned(), Value::Bool(true))].into(),
            ..server.prepared(&place, vec![format!("it deletes {at_least}{found} of {all} keys")])
        })
    }

    async fn run(&self, act: &Act, preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let connected = match parameters::<Parameters>(act) {
            Ok(parameters) => {
                parameters.connect(&self.clusters, surroundings).await.and_then(|(connection, server)| {
                    server.check(Some(preparation))?;
                    Ok((parameters, connection))
                })
            }
            Err(error) => Err(error),
        };
        let (parameters, mut connection) = match connected {
            Ok(connected) => connected,
            Err(error) => return Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        };
        let mut deleted: u64 = 0;
        let flushed = async {
            let Some(pattern) = parameters.pattern.as_deref() else {
                let all: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await?;
                let () = redis::cmd("FLUSHDB").query_async(&mut connection).await?;
                deleted = all;
                return Ok(());
            };
            let mut cursor = 0;
            loop {
                let (next, keys) = scan(&mut connection, cursor, pattern).await?;
                if !keys.is_empty() {
                    let gone: u64 = redis::cmd("UNLINK").arg(&keys).query_async(&mut connection).await?;
                    deleted += gone;
                    let told = format!("{deleted} keys deleted\n").into_bytes();
                    (surroundings.output)(OutputChunk { stream: Stream::Stdout, bytes: told });
                }
                if next == 0 {
                    return Ok(());
                }
                cursor = next;
            }
        };
        let limit = surroundings.timeout.unwrap_or(LONGEST);
        let ended: redis::RedisResult<()> = tokio::select! {
            ended = tokio::time::timeout(limit, flushed) => {
                let Ok(ended) = ended else {
                    let told = format!("it did not end within {} s; {deleted} keys had been deleted", limit.as_secs());
                    return Outcome { error: Some(told), ..Outcome::bare(Ending::TimedOut) };
                };
                ended
            }
            () = surroundings.cancel.cancelled() => {
                let told = format!("it was cancelled after {deleted} keys had been deleted");
                return Outcome { error: Some(told), ..Outcome::bare(Ending::Cancelled) };
            }
        };
        match ended {
            Ok(()) => Outcome::succeeded(json!({ "flushed": true, "deleted": deleted })),
            // A refusal is an answer; without one it may have happened.
            Err(error) => {
                let refused = error.code().is_some();
                let ending = if refused && deleted == 0 { Ending::NotStarted } else { Ending::Lost };
                Outcome {
                    error: Some(format!("{}; {deleted} keys had been deleted", said(&error))),
                    ..Outcome::bare(ending)
                }
            }
        }
    }

    async fn probe(
        &self,
        act: &Act,
        preparation: &Preparation,
        surroundings: &Surroundings,
    ) -> Result<ProbeAnswer, ActionError> {
        let parameters: Parameters = parameters(act)?;
        let (mut connection, server) = parameters.connect(&self.clusters, surroundings).await?;
        server.check(Some(preparation))?;
        let left = count(&mut connection, parameters.pattern.as_deref().unwrap_or("*")).await;
        Ok(match left.map_err(|error| ActionError::unreachable(&server.shown(), said(&error)))? {
            (0, true) => ProbeAnswer::Done(Outcome::succeeded(json!({ "flushed": true }))),
            // Keys that are there now may have been written since.
            _ => ProbeAnswer::Unknown,
        })
    }
}
