//! What the search costs over generated catalogs, in process and as a whole process, beside ripgrep over the same files.
//!
//! Each line says what was measured, the figure, its limit and whether it holds; the exit status is 1 when one does not.
//! `BELAY_BIN` names the release binary; without it the whole process is left out, and said so. `BELAY_SEARCH_LARGE=0`
//! leaves the hundred thousand out. Nothing leaves the machine.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and ends where it cannot measure")]
#![allow(clippy::cast_precision_loss, reason = "figures are far below what a float holds exactly")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "drawn numbers and places in a list are small and positive"
)]

mod corpus;
mod files;
mod process;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use belay_store::{Query, SearchFilter, Store};
use belay_trust::{DeviceKey, SessionId};
use corpus::Corpus;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

const SMALL: usize = 10_000;
const LARGE: usize = 100_000;
/// How many queries of each kind are measured.
const QUERIES: usize = 1_000;
/// How often each query is measured.
const ROUNDS: usize = 3;
/// How many documents are given to the store at once, as a directory of them would be.
const BATCH: usize = 10_000;

/// One figure with its limit.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
    /// Whether the limit is the least instead of the most.
    at_least: bool,
    detail: String,
}

impl Figure {
    fn most(name: impl Into<String>, value: f64, unit: &'static str, limit: f64) -> Self {
        Self { name: name.into(), value, unit, limit: Some(limit), at_least: false, detail: String::new() }
    }

    fn least(name: impl Into<String>, value: f64, unit: &'static str, limit: f64) -> Self {
        Self { at_least: true, ..Self::most(name, value, unit, limit) }
    }

    fn detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }

    fn print(&self) -> bool {
        let holds =
            self.limit.is_none_or(|limit| if self.at_least { self.value >= limit } else { self.value <= limit });
        let word = if self.at_least { "at least" } else { "limit" };
        let limit = self.limit.map_or_else(String::new, |limit| format!(" ({word} {limit} {})", self.unit));
        let mark = if holds { "ok  " } else { "OVER" };
        println!("{mark} {:<52} {:>10.3} {}{limit}", self.name, self.value, self.unit);
        if !self.detail.is_empty() {
            println!("       {}", self.detail);
        }
        holds
    }
}

fn main() -> ExitCode {
    let mut holds = true;
    let mut print = |figures: Vec<Figure>| {
        for figure in figures {
            holds &= figure.print();
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let small = Corpus::new(7);
    let store = open(&folder.path().join("small.db"));
    print(vec![index(&store, &small, SMALL)]);
    let all_words = small.all_words(SMALL, QUERIES);
    let expanded = small.expanded(SMALL, QUERIES);
    let times = measure(&store, &all_words);
    print(vec![quantile(&times, "10 000 runbooks, all words", 5.0)]);
    print(vec![quantile(&measure(&store, &expanded), "10 000 runbooks, synonyms and typing errors", 15.0)]);
    print(process::beside_ripgrep(folder.path(), &small, SMALL, &all_words, &times));
    print(process::bundled(folder.path()));
    drop(store);
    print(files::directory(folder.path(), &small, SMALL));
    if std::env::var("BELAY_SEARCH_LARGE").as_deref() != Ok("0") {
        let path = folder.path().join("large.db");
        let store = open(&path);
        print(vec![index(&store, &small, LARGE)]);
        let queries = small.all_words(LARGE, QUERIES);
        print(vec![quantile(&measure(&store, &queries), "100 000 runbooks, all words", 20.0)]);
        let expanded = small.expanded(LARGE, QUERIES);
        let mut figure = quantile(&measure(&store, &expanded), "100 000 runbooks, synonyms and typing errors", 0.0);
        figure.limit = None;
        print(vec![figure]);
        drop(store);
        let started = Instant::now();
        let store = open(&path);
        find(&store, &queries[0]);
        let warm = started.elapsed();
        print(vec![Figure::most("100 000 runbooks, open and answer the first query", milliseconds(warm), "ms", 300.0)]);
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn open(path: &Path) -> Store {
    Store::open(path, DeviceKey::from_bytes(&[1; 32]), SessionId([1; 16])).unwrap()
}

fn find(store: &Store, query: &str) -> usize {
    let filter = SearchFilter { limit: Some(10), ..SearchFilter::default() };
    store.search(&Query::from(query), &filter).unwrap().len()
}

/// How many documents are indexed in a second of processor time, that of SQLite's thread included.
fn index(store: &Store, corpus: &Corpus, count: usize) -> Figure {
    let mut spent = 0.0;
    let mut bytes = Vec::with_capacity(count);
    for first in (0..count).step_by(BATCH) {
        let documents: Vec<_> = (first..first + BATCH).map(|number| corpus.document(number)).collect();
        bytes.extend(documents.iter().map(|document| document.description.len() + document.body.len()));
        let before = processor_time();
        store.put_documents(documents).unwrap();
        spent += processor_time() - before;
    }
    bytes.sort_unstable();
    let rate = count as f64 / spent;
    let name = format!("{count} runbooks, indexed in a second of processor time");
    Figure::least(name, rate, "", if count == SMALL { 4_000.0 } else { 0.0 })
        .detail(format!("median {} bytes, {spent:.2} s in all", bytes[count / 2]))
}

fn processor_time() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// The processor time of each query, the best of some rounds: what others do on the machine is not what is measured.
fn measure(store: &Store, queries: &[String]) -> Vec<Duration> {
    let found: usize = queries.iter().map(|query| find(store, query)).sum();
    assert!(found >= queries.len(), "nearly every query finds something");
    let mut best = vec![Duration::MAX; queries.len()];
    for _ in 0..ROUNDS {
        for (query, best) in queries.iter().zip(&mut best) {
            let started = own_time();
            find(store, query);
            *best = own_time().saturating_sub(started).min(*best);
        }
    }
    best
}

/// The processor time of this thread, which reads the store by itself.
fn own_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn quantile(times: &[Duration], name: &str, limit: f64) -> Figure {
    let mut sorted: Vec<f64> = times.iter().map(|time| milliseconds(*time)).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    Figure::most(format!("{name}, p99"), at(0.99), "ms", limit).detail(format!(
        "{} queries, p50 {:.3} ms, p90 {:.3} ms, most {:.3} ms",
        sorted.len(),
        at(0.5),
        at(0.9),
        at(1.0)
    ))
}
