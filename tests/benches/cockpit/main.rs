//! What the full-screen cockpit costs: the first picture, a key, standing still, and a flood of output.
//!
//! The release binary that `BELAY_BIN` names runs on a pseudo-terminal whose bytes a terminal emulator reads, over a
//! catalog of ten thousand runbooks. Each line says what was measured, the figure, its limit and whether it holds; the
//! exit status is 1 when one does not.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench prints, and ends where it cannot measure"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are far below what a float holds exactly")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in a list are small and positive")]

mod terminal;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use terminal::Terminal;

const RUNBOOKS: usize = 10_000;
/// Keys that are measured.
const KEYS: usize = 60;
/// How long it stands still.
const STILL: Duration = Duration::from_secs(20);
/// Bytes that an act writes, at most so many in a second.
const FLOOD: &str = "yes 'a line of output as programs write them, with a few words' | head -c 10485760 | \
                     (i=0; while [ $i -lt 25 ]; do head -c 419430; sleep 0.1; i=$((i+1)); done; cat; echo the-end)";

fn main() -> ExitCode {
    let Ok(belay) = std::env::var("BELAY_BIN") else {
        println!("BELAY_BIN names no binary; nothing was measured");
        return ExitCode::SUCCESS;
    };
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let catalog = dir.path().join("catalog");
    std::fs::create_dir(&catalog).unwrap();
    (0..RUNBOOKS).for_each(|number| write(&catalog, number));
    flood(&catalog);
    let add = Command::new(&belay)
        .args(["catalog", "add"])
        .arg(&catalog)
        .env("BELAY_HOME", &home)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(add.success(), "the catalog is indexed");

    let mut holds = true;
    let mut figure = |name: &str, value: f64, unit: &str, limit: f64| {
        let held = value <= limit;
        holds &= held;
        println!("{} {name:<52} {value:>10.3} {unit} (limit {limit} {unit})", if held { "ok  " } else { "OVER" });
    };
    let mut terminal = Terminal::open(&belay, &home);
    terminal.shows("what is wrong?");
    figure("first picture, processor time", terminal.cpu().as_secs_f64() * 1e3, "ms", 50.0);
    terminal.shows(" runbooks");
    let mut keys = keys(&mut terminal);
    keys.sort_by(f64::total_cmp);
    let at = |share: f64| keys.get(((keys.len() as f64 * share) as usize).min(keys.len() - 1)).copied().unwrap();
    figure("a key to its hits in 10 000 runbooks, median", at(0.5), "ms", 16.0);
    figure("a key to its hits in 10 000 runbooks, 95 of 100", at(0.95), "ms", 32.0);

    let (began, before) = (Instant::now(), terminal.cpu());
    std::thread::sleep(STILL);
    let used = terminal.cpu().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    figure("standing still, of a core", used * 100.0, "%", 0.5);

    terminal.press("\u{15}flood");
    terminal.shows("▌ The flood");
    terminal.press("\r");
    terminal.shows("1 Overview");
    terminal.press("r");
    terminal.shows("everything it needs is there");
    terminal.press("\r");
    terminal.shows("a line of output");
    let resident = terminal.resident();
    let mut slowest = Duration::ZERO;
    let mut helps = 0;
    while !terminal.has("COMPLETED") {
        let pressed = Instant::now();
        terminal.press("?");
        terminal.shows("╭ Keys");
        slowest = slowest.max(pressed.elapsed());
        terminal.press("x");
        terminal.gone("╭ Keys");
        helps += 1;
    }
    figure("a key while 10 MB stream in, slowest", slowest.as_secs_f64() * 1e3, "ms", 250.0);
    figure("memory that 10 MB of output leave behind", (terminal.resident() - resident).max(0.0), "MiB", 48.0);
    println!("       {helps} keys were pressed meanwhile");
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Milliseconds from a key to the hit that only it can bring.
fn keys(terminal: &mut Terminal) -> Vec<f64> {
    let mut times = Vec::new();
    let mut number = 1_009;
    while times.len() < KEYS {
        number = (number + 7_919) % RUNBOOKS;
        let word = name(number);
        let (begin, last) = word.split_at(word.len() - 1);
        let title = format!("▌ Service {word} ");
        terminal.press("\u{15}");
        terminal.shows(" what is wrong?");
        terminal.press(begin);
        // The hits of the word's beginning are there, and nothing is on its way.
        terminal.quiet(Duration::from_millis(60));
        if terminal.has(&title) {
            continue;
        }
        let pressed = Instant::now();
        terminal.press(last);
        terminal.shows(&title);
        times.push(pressed.elapsed().as_secs_f64() * 1e3);
    }
    times
}

fn name(number: usize) -> String {
    format!("zq{number:05}")
}

/// A runbook of the size that teams write.
fn write(catalog: &Path, number: usize) {
    const WORDS: [&str; 16] = [
        "latency",
        "cache",
        "queue",
        "disk",
        "memory",
        "certificate",
        "replica",
        "node",
        "login",
        "payment",
        "search",
        "checkout",
        "backup",
        "gateway",
        "quota",
        "timeout",
    ];
    let word = |place: usize| WORDS[(number / (place + 1) + place * 5) % WORDS.len()];
    let mut text = format!(
        "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: {0}\nspec:\n  name: Service {0} has a {1} problem\n  \
         description: The {2} of {0} is slow or gone.\n  documentation:\n    symptoms:\n      - The {3} alert fires\n      - \
         Users see {4} errors\n  steps:\n",
        name(number),
        word(0),
        word(1),
        word(2),
        word(3)
    );
    for step in 0..4 {
        write!(text, "    - name: step-{step}\n      title: Look at the {}\n      type: manual\n", word(step + 4))
            .unwrap();
    }
    std::fs::write(catalog.join(format!("{}.yaml", name(number))), text).unwrap();
}

fn flood(catalog: &Path) {
    let text = format!(
        "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: flood\nspec:\n  name: The flood\n  steps:\n    - name: \
         write\n      title: Write much\n      commands:\n        - [sh, -c, {}]\n      rollback: {{ irreversible: it only writes \
         }}\n",
        serde_json::to_string(FLOOD).unwrap()
    );
    std::fs::write(catalog.join("flood.yaml"), text).unwrap();
}
