//! `belay web`.

use std::net::SocketAddr;
use std::sync::Arc;

use belay_cockpit::api::Api;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Desk, wait};
use crate::arguments::Web;
use crate::failure::{Exit, Failure};
use crate::guided::session::Signals;
use crate::page;
use crate::web::{Access, Files, Server, serve};

pub fn web(desk: &Desk, arguments: Web) -> Result<Exit, Failure> {
    let files = arguments.ui.map_or(Files::Built, Files::Directory);
    if !files.are_there() {
        return Err(Failure::usage(
            "this build has no user interface",
            "build it with `make ui`, then build belay again",
        ));
    }
    if arguments.listen.ip().is_unspecified() && arguments.host.is_empty() {
        return Err(Failure::usage(
            format!("`{}` listens on every address, and browsers have to be told one", arguments.listen),
            "say which with `--host HOST:PORT`, or listen on one address",
        ));
    }
    wait(run(desk, arguments.listen, &arguments.host, files))
}

async fn run(desk: &Desk, listen: SocketAddr, hosts: &[String], files: Files) -> Result<Exit, Failure> {
    let mut signals = Signals::catch()?;
    let listener = TcpListener::bind(listen).await.map_err(|source| {
        Failure::usage(format!("belay cannot listen on `{listen}`: {source}"), "take another one with `--listen ADDR`")
    })?;
    let address =
        listener.local_addr().map_err(|source| Failure::Setup { what: "the listener has no address", source })?;
    let api = Api::new(Arc::clone(&desk.cockpit));
    if let Err(error) = api.follow().await {
        page::warn(&page::described(&error.into(), desk.settings.errors));
    }
    let access = Access::new(address, hosts)?;
    let shown = hosts.first().cloned().unwrap_or_else(|| address.to_string());
    let stop = CancellationToken::new();
    let server = Arc::new(Server { api: Arc::clone(&api), access, files, stop: stop.clone() });
    tell(desk, &server, &shown, address)?;
    let mut serving = tokio::spawn(serve(Arc::clone(&server), listener));
    let mut lines = desk.settings.input.then(|| BufReader::new(tokio::io::stdin()).lines());
    let end = loop {
        tokio::select! {
            end = &mut serving => break end,
            _ = signals.next() => {
                stop.cancel();
                // What runs is brought to a known state before the process ends.
                api.close().await;
                break serving.await;
            }
            line = next_line(lines.as_mut()) => match line {
                Some(_) => link(desk, &server, &shown)?,
                None => lines = None,
            },
        }
    };
    match end {
        Ok(Ok(())) => Ok(Exit::Done),
        Ok(Err(source)) => Err(Failure::Setup { what: "the server ended", source }),
        Err(error) => Err(belay_cockpit::CockpitError::bug(format!("the server ended by itself: {error}")).into()),
    }
}

async fn next_line(lines: Option<&mut Lines<BufReader<Stdin>>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

fn tell(desk: &Desk, server: &Server, shown: &str, address: SocketAddr) -> Result<(), Failure> {
    if !address.ip().is_loopback() {
        page::warn(
            "warning: this is no loopback address, and what goes over the network is not encrypted\n  hint: listen on \
             127.0.0.1 and reach it through `ssh -L`\n",
        );
    }
    if desk.settings.json {
        let url = url(server, shown)?;
        return page::json_line(&json!({ "url": url, "listen": address.to_string() }));
    }
    link(desk, server, shown)?;
    if desk.settings.input {
        page::print(&desk.settings.style.dim("  Enter makes a new link, Ctrl-C ends; what runs is left safely\n"))?;
    }
    Ok(())
}

fn link(desk: &Desk, server: &Server, shown: &str) -> Result<(), Failure> {
    let url = url(server, shown)?;
    page::print(&format!("Open once, in one browser:  {}\n", desk.settings.style.code(&url)))
}

fn url(server: &Server, shown: &str) -> Result<String, Failure> {
    Ok(format!("http://{shown}/?token={}", server.access.link_token()?))
}
