//! What a plan, a policy and a notification promise holds in a run.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::bench::Bench;

const CONTEXTS: &str = "current: shop-prod
contexts:
  shop-prod: { environment: production, config: {} }
";

fn configure(bench: &Bench, contexts: &str) {
    std::fs::create_dir_all(bench.path().join("home")).unwrap();
    std::fs::write(bench.path().join("home/contexts.yaml"), contexts).unwrap();
}

/// Answers each request with a status; gives the address, and what each request said.
fn server(status: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            loop {
                let read = connection.read(&mut buffer).unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.to_lowercase().lines().find_map(|line| {
                        line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
                    });
                    body.len() >= length.unwrap_or(0)
                });
                if whole || read == 0 {
                    break;
                }
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).unwrap();
            if said.send(text).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/"), heard)
}

#[test]
fn a_program_in_another_place_is_not_the_one_that_only_reads() {
    let bench = Bench::new();
    configure(&bench, CONTEXTS);
    let own = bench.path().join("cat");
    std::fs::write(&own, "#!/bin/sh\ntouch \"$1\"\n").unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
    let touched = bench.path().join("touched");
    let (own, touched_text) = (own.display(), touched.display());
    for (name, command) in [
        ("elsewhere", format!("['{own}', '{touched_text}']")),
        ("preloaded", format!("'LD_PRELOAD={own} cat {touched_text}'")),
    ] {
        let steps = format!(
            "  steps:\n    - name: look\n      commands:\n        - {command}\n      rollback: {{ irreversible: none }}\n"
        );
        bench.runbook(name, &steps);
        let file = format!("./{name}.yaml");
        let plan = bench.json(&["plan", &file], 0);
        assert_eq!(plan["steps"][0]["effect"], "mutate", "{name}: {plan:#}");
        bench.expect(&["run", &file, "--no-input"], 3);
        assert!(!touched.exists(), "{name}: it waits for an approval");
    }
    for word in [
        "openssl x509 -engine /tmp/x.so -in a",
        "systemctl status -H root@far x",
        "kubectl get pods --server=http://far",
    ] {
        let steps = format!(
            "  steps:\n    - name: look\n      commands: ['{word}']\n      rollback: {{ irreversible: none }}\n"
        );
        bench.runbook("word", &steps);
        assert_eq!(bench.json(&["plan", "./word.yaml"], 0)["steps"][0]["effect"], "mutate", "{word}");
    }
}

#[test]
fn a_plan_names_the_target_and_the_impact_that_the_approval_names() {
    let bench = Bench::new();
    configure(&bench, CONTEXTS);
    bench.runbook(
        "wipe",
        "  steps:\n    - name: wipe\n      commands: ['rm -f gone']\n      rollback: { irreversible: none }\n",
    );
    let plan = bench.json(&["plan", "./wipe.yaml"], 0);
    bench.expect(&["run", "./wipe.yaml", "--no-input"], 3);
    let status = bench.json(&["status", "@last"], 0);
    let (planned, asked) = (&plan["steps"][0], &status["steps"][0]);
    assert_eq!(planned["acts"][0]["target"], "shop-prod", "{planned:#}");
    assert_eq!(planned["acts"][0]["target"], asked["acts"][0]["target"], "{asked:#}");
    assert_eq!((&planned["impact"], &asked["impact"]), (&"HIGH".into(), &"HIGH".into()), "{asked:#}");
}

#[test]
fn a_webhook_of_the_context_is_called() {
    let bench = Bench::new();
    let (url, heard) = server("200 OK");
    configure(
        &bench,
        &format!(
            "current: dev\ncontexts:\n  dev: {{ environment: dev, config: {{ webhooks: {{ ops: '{url}' }} }} }}\n"
        ),
    );
    bench.runbook(
        "tell",
        "  steps:\n    - name: tell\n      type: notification\n      action: notification.send\n      \
         parameters: { message: It is mended, webhook: ops }\n",
    );
    bench.expect(&["run", "./tell.yaml", "--no-input"], 0);
    let said = heard.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    assert!(said.starts_with("POST / ") && said.contains("It is mended"), "{said}");
}

#[test]
fn an_endpoint_that_is_not_healthy_verifies_nothing() {
    let bench = Bench::new();
    let (url, _heard) = server("503 Service Unavailable");
    let steps = format!(
        "  steps:\n    - name: healthy\n      type: verification\n      action: http.healthcheck\n      timeout: 2s\n      \
         parameters: {{ url: '{url}' }}\n"
    );
    bench.runbook("healthy", &steps);
    bench.expect(&["run", "./healthy.yaml", "--no-input"], 1);
    let status = bench.json(&["status", "@last"], 0);
    assert!(status["steps"][0]["error"].as_str().unwrap().contains("healthy"), "{status:#}");
}

#[test]
fn ten_megabytes_of_short_lines_are_taken_as_they_come() {
    let bench = Bench::new();
    bench.runbook(
        "flood",
        "  steps:\n    - name: flood\n      commands:\n        - [sh, -c, 'yes | head -c 10000000']\n      \
         rollback: { irreversible: none }\n",
    );
    let out = bench.expect(&["run", "./flood.yaml", "--no-input"], 0);
    assert!(out.contains("more lines"), "{out}");
    bench.expect(&["run", "./flood.yaml", "--no-input", "--json"], 0);
}
