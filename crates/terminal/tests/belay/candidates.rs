//! What missing values could be, on a real terminal and with a cluster behind it.

use belay_testkit::cluster::{Cluster, ClusterOptions};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::bench::Bench;

const STEPS: &str = "  inputs:
    pod: { type: string, description: The pod that is read, required: true }
    container: { type: string, description: Its container, required: true }
  steps:
    - name: look
      action: kubernetes.get_logs
      parameters: { podName: '{{ .Vars.pod }}', container: '{{ .Vars.container }}' }
    - name: status
      action: kubernetes.rollout_status
      parameters: { deployment: '{{ .Alert.Labels.deployment }}' }
";

/// A bench whose context leads to a cluster.
fn shop() -> (Bench, Cluster, Runtime) {
    let runtime = Runtime::new().unwrap();
    let options = ClusterOptions::new().nodes(&["node-1"]).namespaces(&["shop"]);
    let cluster = runtime.block_on(options.start()).unwrap();
    let bench = Bench::new();
    let home = bench.path().join("home");
    std::fs::create_dir(&home).unwrap();
    cluster.write_kubeconfig(&home).unwrap();
    let contexts = "current: shop\ncontexts:\n  shop:\n    environment: staging\n    kubernetes: { kubeconfig: kubeconfig, \
                    context: shop, namespace: shop }\n";
    std::fs::write(home.join("contexts.yaml"), contexts).unwrap();
    cluster.add_pod("shop", "7", "node-1");
    cluster.add_deployment("shop", "checkout", 1);
    bench.runbook("shop", STEPS);
    (bench, cluster, runtime)
}

#[test]
fn a_pod_a_container_and_a_deployment_are_picked_by_their_numbers() {
    let (bench, cluster, _runtime) = shop();
    let pods = cluster.objects("pods", "shop");
    let pod = pods.iter().find_map(|pod| pod["metadata"]["name"].as_str().filter(|name| *name != "7")).unwrap();
    cluster.crash("shop", pod, "app", 137).unwrap();
    let mut terminal = bench.terminal(&["run", "./shop.yaml"]);
    terminal.wait_for("The pod that is read");
    terminal.wait_for(&format!("1   {pod}"));
    terminal.wait_for("2   7");
    terminal.wait_for("pod =");
    terminal.type_line("3");
    terminal.wait_for("the list has 1 to 2; `=3` takes 3 as the value");
    terminal.wait_for("pod =");
    terminal.type_line("1");
    terminal.wait_for("1   app");
    terminal.wait_for("container =");
    terminal.type_line("1");
    // No alert says which deployment: the step asks for it.
    terminal.wait_for("1   checkout  owner of pod");
    terminal.wait_for(".Alert.Labels.deployment =");
    terminal.type_line("1");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["inputs"], json!({ "pod": pod, "container": "app", ".Alert.Labels.deployment": "checkout" }));
}

#[test]
fn without_the_right_to_list_the_values_are_typed() {
    let (bench, cluster, _runtime) = shop();
    cluster.forbid("list", "*");
    let mut terminal = bench.terminal(&["run", "./shop.yaml"]);
    terminal.wait_for("what it could be cannot be listed");
    terminal.wait_for("pod =");
    terminal.type_line("7");
    terminal.wait_for("container =");
    terminal.type_line("app");
    terminal.wait_for("cannot be listed");
    terminal.wait_for(".Alert.Labels.deployment =");
    terminal.type_line("checkout");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}
