//! Whole processes: `--version`, and a run of twenty steps beside Chaos Toolkit doing the same.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Figure, belay, median};

/// How often a whole process is measured.
const RUNS: usize = 15;

/// CPU time and peak memory of `belay --version`.
pub(crate) fn version() -> Vec<Figure> {
    let probe = Command::new(std::env::current_exe().unwrap()).args(["--probe=version"]).output().unwrap();
    let text = String::from_utf8_lossy(&probe.stdout).into_owned();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
    let (cpu, peak) = (numbers.next().unwrap(), numbers.next().unwrap());
    vec![
        Figure {
            name: "belay --version, CPU time, median of 20",
            value: cpu,
            unit: "ms",
            limit: Some(5.0),
            detail: String::new(),
        },
        Figure {
            name: "belay --version, peak memory",
            value: peak,
            unit: "MB",
            limit: Some(15.0),
            detail: String::new(),
        },
    ]
}

/// Twenty `/bin/true` steps, from the start of the process to its end, in a new home each time.
pub(crate) fn twenty_steps() -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let runbook = folder.path().join("twenty.yaml");
    std::fs::write(&runbook, twenty()).unwrap();
    let chaos = chaos_toolkit(folder.path());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let home = folder.path().join(format!("home-{run}"));
        let mut command = Command::new(belay());
        command.args(["run", "--no-input", "--home"]).arg(&home).arg(&runbook);
        ours.push(time(&mut command));
        if let Some((program, experiment)) = &chaos {
            let mut command = Command::new(program);
            command.args(["--no-version-check", "run", "--no-verify-tls"]).arg(experiment).current_dir(folder.path());
            theirs.push(time(&mut command));
        }
    }
    let detail = if theirs.is_empty() {
        "Chaos Toolkit is not installed beside it; `make bench` tries to".to_owned()
    } else {
        format!("Chaos Toolkit, interleaved, same machine: median {:.3} s", median(&mut theirs))
    };
    vec![Figure {
        name: "twenty steps as a whole process, median of 15",
        value: median(&mut ours),
        unit: "s",
        limit: Some(0.34),
        detail,
    }]
}

fn time(command: &mut Command) -> f64 {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let elapsed = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "it ends well: {}", String::from_utf8_lossy(&output.stderr));
    elapsed
}

fn twenty() -> String {
    let mut text = "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {name: twenty}\nspec:\n  name: Twenty steps\n  steps:\n".to_owned();
    for step in 1..=20 {
        writeln!(text, "  - {{name: step-{step}, commands: [[/bin/true]]}}").unwrap();
    }
    text
}

/// An experiment with twenty process actions, where Chaos Toolkit is there (`BELAY_CHAOS` names it).
fn chaos_toolkit(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let program = PathBuf::from(std::env::var_os("BELAY_CHAOS")?);
    let action = |number: usize| {
        serde_json::json!({
            "type": "action", "name": format!("action-{number}"),
            "provider": {"type": "process", "path": "/bin/true"}
        })
    };
    let experiment = serde_json::json!({
        "version": "1.0.0", "title": "twenty", "description": "twenty process actions",
        "method": (1..=20).map(action).collect::<Vec<_>>(),
    });
    let path = folder.join("experiment.json");
    std::fs::write(&path, experiment.to_string()).unwrap();
    Some((program, path))
}
