//! A small Kubernetes cluster with a shop in it, to try Belay on.

#![allow(clippy::print_stdout, reason = "a command answers on standard output")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use belay_testkit::cluster::{Cluster, ClusterOptions};
use clap::Parser;
use serde_json::{Value, json};

/// A small Kubernetes cluster on loopback with a shop in it.
///
/// Prints one line of JSON with its `url` and `kubeconfig` when it can be used, and serves until it is told to stop.
#[derive(Parser)]
#[command(name = "belay-cluster")]
struct Arguments {
    /// Where the kubeconfig is written
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many milliseconds a pod takes until it is ready
    #[arg(long, default_value_t = 0)]
    pod_start_ms: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("error: {text}");
            ExitCode::from(5)
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let cluster = ClusterOptions::new().port(arguments.port).volume_snapshots().anonymous().start().await?;
    furnish(&cluster)?;
    cluster.set_pod_start(std::time::Duration::from_millis(arguments.pod_start_ms));
    cluster.write_kubeconfig_to(&arguments.kubeconfig)?;
    println!("{}", ready(&cluster, &arguments.kubeconfig));
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

fn ready(cluster: &Cluster, kubeconfig: &Path) -> Value {
    json!({ "url": cluster.url(), "kubeconfig": kubeconfig.display().to_string() })
}

/// Puts the shop into the cluster.
fn furnish(cluster: &Cluster) -> Result<(), belay_testkit::cluster::ClusterError> {
    cluster.add_deployment("shop", "checkout", 4);
    cluster.change("deployments", "shop", "checkout", |checkout| {
        let image = checkout.pointer_mut("/spec/template/spec/containers/0/image");
        *image.expect("the deployment has one container") = json!("registry.example/checkout:v2");
    })?;
    cluster.add_deployment("shop", "payments", 2);
    cluster.add_daemonset("shop", "log-agent");
    cluster.add_budget("shop", "checkout", "checkout", 3);
    cluster.create(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "checkout", "namespace": "shop" },
        "data": { "CACHE_TTL_SECONDS": "300", "PAYMENT_PROVIDER": "primary" },
    }))?;
    cluster.create(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "checkout", "namespace": "shop" },
        "spec": { "selector": { "app": "checkout" }, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] },
    }))?;
    for pod in cluster.objects("pods", "shop") {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        cluster.log("shop", name, "app", &["listening on :8080", "ready"]);
    }
    Ok(())
}
