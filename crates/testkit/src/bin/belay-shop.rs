//! The demo shop as a process, and an operator's command for it.

#![allow(clippy::print_stdout, reason = "a command answers on standard output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use belay_testkit::shop::{Shop, ctl, serve};
use clap::{Parser, Subcommand};

/// A small shop on loopback, to try Belay on.
#[derive(Parser)]
#[command(name = "belay-shop")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the shop until it is told to stop; writes its URL to DIR/url
    Serve {
        /// The port on 127.0.0.1; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// The folder for its settings and the world's log
        #[arg(long)]
        dir: PathBuf,
    },
    /// Asks or changes a running shop
    Ctl {
        /// Where it runs: scheme, host and port
        #[arg(long, env = "BELAY_SHOP_URL")]
        url: String,
        /// Names the call in the world's log
        #[arg(long)]
        request_id: Option<String>,
        #[command(subcommand)]
        call: Call,
    },
}

#[derive(Subcommand)]
enum Call {
    /// The figures
    Stats,
    /// Whether it is healthy; fails where it is not
    Health,
    /// One checkout
    Checkout {
        /// The product
        product: u32,
    },
    /// Empties the cache
    Flush,
    /// Fills the cache
    Warm,
    /// Delays every checkout
    Latency {
        /// By how many milliseconds
        ms: u64,
    },
    /// Starts or stops the memory leak
    Leak {
        /// Which of the two
        #[arg(value_parser = ["start", "stop"])]
        what: String,
    },
    /// Restarts it: memory is given back, the cache is cold
    Restart,
    /// Brings a release out
    Version {
        /// Which one
        version: String,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { port, dir } => match run(port, &dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(error.as_ref()),
        },
        Command::Ctl { url, request_id, call } => {
            let (method, path) = route(&call);
            match ctl::call(&url, method, &path, request_id.as_deref()) {
                Ok(answer) => {
                    println!("{}", answer.body);
                    if answer.ok() { ExitCode::SUCCESS } else { ExitCode::from(1) }
                }
                Err(error) => failed(&error),
            }
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    eprintln!("error: {text}");
    ExitCode::from(5)
}

fn route(call: &Call) -> (&'static str, String) {
    match call {
        Call::Stats => ("GET", "/stats".to_owned()),
        Call::Health => ("GET", "/healthz".to_owned()),
        Call::Checkout { product } => ("GET", format!("/checkout?product={product}")),
        Call::Flush => ("POST", "/admin/cache/flush".to_owned()),
        Call::Warm => ("POST", "/admin/cache/warm".to_owned()),
        Call::Latency { ms } => ("POST", format!("/admin/latency?ms={ms}")),
        Call::Leak { what } => ("POST", format!("/admin/leak/{what}")),
        Call::Restart => ("POST", "/admin/restart".to_owned()),
        Call::Version { version } => ("POST", format!("/admin/version?v={}", ctl::encoded(version))),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(port: u16, dir: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let shop = Arc::new(Shop::open(dir)?);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    // Renamed into place, so that whoever waits for the file never reads half of it.
    std::fs::write(dir.join("url.new"), &url)?;
    std::fs::rename(dir.join("url.new"), dir.join("url"))?;
    println!("{url}");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve(listener, shop, shutdown).await?;
    Ok(())
}
