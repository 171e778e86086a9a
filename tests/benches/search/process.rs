//! Whole processes: `belay search` over the bundled catalog, and ripgrep over the generated files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::corpus::Corpus;
use crate::{Figure, milliseconds};

const RUNS: usize = 20;

fn children_time() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e3
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The processor time of `belay search` over the bundled catalog, with and without a typing error.
pub(crate) fn bundled(folder: &Path) -> Vec<Figure> {
    let Some(belay) = std::env::var_os("BELAY_BIN").map(PathBuf::from) else {
        println!("     belay search as a process: left out, BELAY_BIN names no binary");
        return Vec::new();
    };
    let home = folder.join("home");
    ["checkout slow", "evction of pods"]
        .into_iter()
        .map(|query| {
            let mut times = Vec::new();
            for run in 0..=RUNS {
                let before = children_time();
                let status = Command::new(&belay)
                    .args(["search", query, "--json", "--home"])
                    .arg(&home)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .status()
                    .unwrap();
                assert!(status.success(), "a search ends well");
                // The first run makes the index.
                if run > 0 {
                    times.push(children_time() - before);
                }
            }
            Figure::most(format!("belay search '{query}', processor time, median"), median(&mut times), "ms", 30.0)
        })
        .collect()
}

/// How long ripgrep takes to list the files with the rarest word of each query, as a share of a search.
pub(crate) fn beside_ripgrep(
    folder: &Path,
    corpus: &Corpus,
    documents: usize,
    queries: &[String],
    times: &[Duration],
) -> Vec<Figure> {
    if Command::new("rg").arg("--version").output().is_err() {
        println!("     ripgrep: left out, it is not installed");
        return Vec::new();
    }
    let files = folder.join("files");
    std::fs::create_dir(&files).unwrap();
    for number in 0..documents {
        let document = corpus.document(number);
        let text = format!(
            "{}\n{}\n{}\n{}\n{}\n",
            document.title,
            document.triggers.join("\n"),
            document.symptoms.join("\n"),
            document.description,
            document.body
        );
        std::fs::write(files.join(format!("{number}.md")), text).unwrap();
    }
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for (query, time) in queries.iter().zip(times).take(RUNS) {
        let word = query.split(' ').max_by_key(|word| word.len()).unwrap_or_default();
        let started = Instant::now();
        Command::new("rg")
            .args(["--files-with-matches", "--ignore-case", "--fixed-strings", word])
            .arg(&files)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        theirs.push(milliseconds(started.elapsed()));
        ours.push(milliseconds(*time));
    }
    let (theirs, ours) = (median(&mut theirs), median(&mut ours));
    let name = "a ranked search as a share of ripgrep listing files";
    vec![
        Figure::most(name, ours / theirs, "", 1.0)
            .detail(format!("ripgrep {theirs:.2} ms, search {ours:.2} ms, medians")),
    ]
}
