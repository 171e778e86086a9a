//! Real servers on loopback, which end with the test: Redis, PostgreSQL and Prometheus from the system's packages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "without its server a test cannot go on")]

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server's process and its files. It ends when it is dropped.
#[derive(Debug)]
pub struct Machine {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A second one gets a chance to say good-bye to its own children.
        let asked = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        if !asked.is_ok_and(|asked| asked.success()) {
            self.process.kill().ok();
        }
        self.process.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn installed(program: &str) -> String {
    format!("{program} is installed (`scripts/setup.sh test` does it)")
}

/// Waits until a server answers.
async fn until<T>(mut machine: Machine, mut answers: impl AsyncFnMut(u16) -> Option<T>) -> Machine {
    let begun = Instant::now();
    while answers(machine.port).await.is_none() {
        if let Some(ended) = machine.process.try_wait().unwrap() {
            let log = std::fs::read_to_string(machine.folder.path().join("log")).unwrap_or_default();
            panic!("the server ended with {ended}: {log}");
        }
        assert!(begun.elapsed() < PATIENCE, "the server does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    machine
}

fn log(folder: &Path) -> Stdio {
    std::fs::File::create(folder.join("log")).unwrap().into()
}

/// A Redis server with a password.
///
/// # Panics
///
/// Where it is not installed or does not start.
pub async fn redis(password: &str) -> Machine {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let process = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", password])
        .args(["--maxmemory", "64mb"])
        .current_dir(folder.path())
        .stdout(log(folder.path()))
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", installed("redis-server")));
    let answers = async |port| tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok();
    until(Machine { port, process, folder }, answers).await
}

/// A PostgreSQL server whose role `postgres` has this password.
///
/// # Panics
///
/// Where it is not installed or does not start.
pub async fn postgres(password: &str) -> Machine {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let programs = programs_of_postgres();
    std::fs::write(folder.path().join("password"), password).unwrap();
    // It refuses to run as root; Debian's package brings a user for it.
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        let given = Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder.path()).status().unwrap();
        assert!(given.success(), "{}", installed("postgresql"));
    }
    let command = |program: &str| {
        let program = programs.join(program);
        let mut command = Command::new(if root { "setpriv".into() } else { program.clone() });
        if root {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        }
        command.current_dir(folder.path()).stdin(Stdio::null());
        command
    };
    let data = folder.path().join("data");
    let made = command("initdb")
        .args(["--no-sync", "--username=postgres", "--auth=scram-sha-256", "--pwfile=password", "--encoding=UTF8"])
        .arg("--pgdata")
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let process = command("postgres")
        .args(["-F", "-h", "127.0.0.1", "-k", "", "-p", &port.to_string(), "-c", "max_connections=20", "-D"])
        .arg(&data)
        .stderr(log(folder.path()))
        .spawn()
        .unwrap();
    let login = format!("host=127.0.0.1 port={port} user=postgres password={password}");
    let answers = async |_| tokio_postgres::connect(&login, tokio_postgres::NoTls).await.ok();
    until(Machine { port, process, folder }, answers).await
}

/// Debian keeps the programs of each version apart.
fn programs_of_postgres() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap_or_else(|_| panic!("{}", installed("postgresql")));
    versions.flatten().map(|version| version.path().join("bin")).max().expect("a version of PostgreSQL is there")
}

/// A Prometheus that scrapes itself.
///
/// # Panics
///
/// Where it is not installed or does not start.
pub async fn prometheus() -> Machine {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let address = format!("127.0.0.1:{port}");
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: itself\n    static_configs: [{{ targets: ['{address}'] }}]\n"
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let process = Command::new("prometheus")
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder.path())
        .stderr(log(folder.path()))
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", installed("prometheus")));
    // Another test may have set it; whichever it is serves.
    rustls::crypto::ring::default_provider().install_default().ok();
    let answers = async |port| {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/api/v1/query?query=up")).await.ok()?;
        answer.text().await.ok().filter(|text| text.contains("\"1\""))
    };
    until(Machine { port, process, folder }, answers).await
}
