//! How well the judged queries are answered: the mean reciprocal rank of the first relevant runbook among the first ten,
//! and how often it is the first of all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use belay_cockpit::wire::SearchHit;
use belay_cockpit::{BUNDLED_SOURCE, SearchQuery};

use crate::corpus::{self, Corpus};

const KINDS: [&str; 13] = [
    "alert", "fragment", "typo", "two-word", "symptom", "sentence", "output", "chat", "question", "task", "metric",
    "impact", "log",
];
const FILES: [&str; 3] = ["judged.tsv", "judged-blind.tsv", "judged-night.tsv"];

struct Judged {
    kind: String,
    query: String,
    relevant: Vec<String>,
}

/// Reads the files of judged queries; the second is written by somebody who does not know the ranking, and the third before
/// its results were seen.
fn judged() -> Vec<(&'static str, Vec<Judged>)> {
    FILES
        .into_iter()
        .filter_map(|file| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("search").join(file);
            let Ok(text) = std::fs::read_to_string(&path) else {
                eprintln!("skipped: {} is not there", path.display());
                return None;
            };
            let lines = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#') && *line != "kind\tquery\trelevant");
            let queries = lines.map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                let [kind, query, relevant] = fields[..] else { panic!("{file}: `{line}` has not three fields") };
                assert!(KINDS.contains(&kind), "{file}: `{line}` is of no known kind");
                Judged {
                    kind: kind.to_owned(),
                    query: query.to_owned(),
                    relevant: relevant.split(',').map(|name| name.trim().to_owned()).collect(),
                }
            });
            Some((file, queries.collect()))
        })
        .collect()
}

/// Sums over queries.
#[derive(Default)]
struct Sums {
    queries: f64,
    reciprocal: f64,
    first: f64,
}

impl Sums {
    fn add(&mut self, rank: Option<usize>) {
        self.queries += 1.0;
        if let Some(rank) = rank {
            self.reciprocal += 1.0 / f64::from(u32::try_from(rank + 1).unwrap());
            self.first += f64::from(u8::from(rank == 0));
        }
    }

    fn mrr(&self) -> f64 {
        self.reciprocal / self.queries.max(1.0)
    }

    fn hit(&self) -> f64 {
        self.first / self.queries.max(1.0)
    }
}

/// The rank of the first relevant runbook among the first ten.
fn rank(corpus: &Corpus, judged: &Judged) -> (Option<usize>, Vec<String>) {
    let query = SearchQuery { text: judged.query.clone(), limit: 10, ..SearchQuery::default() };
    let hits = corpus.cockpit.search(&query).unwrap();
    let names: Vec<String> = hits.into_iter().map(|hit| known(&hit)).collect();
    (names.iter().position(|name| judged.relevant.contains(name)), names)
}

/// What the judgements call a runbook: a bundled one by its name, one that was imported by the name of its file.
fn known(hit: &SearchHit) -> String {
    if hit.source == BUNDLED_SOURCE {
        return hit.name.clone();
    }
    Path::new(&hit.source).file_stem().unwrap().to_string_lossy().into_owned()
}

/// Answers every query that has an answer in the corpus, prints the figures, and returns them over all queries by file.
fn report(corpus: &Corpus, title: &str) -> BTreeMap<&'static str, (f64, f64)> {
    let bundled = bundled_names();
    let known: BTreeSet<&str> = corpus.names.iter().chain(&bundled).map(String::as_str).collect();
    let mut figures = BTreeMap::new();
    for (file, queries) in judged() {
        let mut by_kind: BTreeMap<&str, Sums> = BTreeMap::new();
        for judged in &queries {
            if !judged.relevant.iter().any(|name| known.contains(name.as_str())) {
                continue;
            }
            let (rank, names) = rank(corpus, judged);
            by_kind.entry(&judged.kind).or_default().add(rank);
            by_kind.entry("all").or_default().add(rank);
            if rank != Some(0) {
                let got = names.get(..3.min(names.len())).unwrap_or_default().join(", ");
                let rank = rank.map_or_else(|| "none".to_owned(), |rank| (rank + 1).to_string());
                eprintln!("  rank {rank:>4}  {:<8} {}  got {got}", judged.kind, judged.query);
            }
        }
        eprintln!("{file}, {title}");
        for (kind, sums) in &by_kind {
            eprintln!("  {kind:<8} {:>4} queries   MRR@10 {:.3}   hit@1 {:.3}", sums.queries, sums.mrr(), sums.hit());
        }
        let all = by_kind.get("all").map(|sums| (sums.mrr(), sums.hit())).unwrap_or_default();
        figures.insert(file, all);
    }
    figures
}

fn bundled_names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".yaml").filter(|name| !name.contains('.')).map(ToOwned::to_owned))
        .collect()
}

fn hold(figures: &BTreeMap<&str, (f64, f64)>, floors: &[(&str, f64, f64)]) {
    for (file, mrr, hit) in floors {
        if let Some((found_mrr, found_hit)) = figures.get(file) {
            assert!(found_mrr >= mrr, "{file}: MRR@10 is {found_mrr:.3}, below {mrr}");
            assert!(found_hit >= hit, "{file}: hit@1 is {found_hit:.3}, below {hit}");
        }
    }
}

#[test]
fn the_right_runbook_is_found_among_the_operators_and_the_bundled_ones() {
    let Some(folder) = corpus::operator_runbooks() else { return };
    let corpus = corpus::with_markdown(&folder);
    assert_eq!(corpus.names.len(), 108);
    let figures = report(&corpus, "bundled and the operator's runbooks");
    hold(&figures, &[("judged.tsv", 0.95, 0.92), ("judged-blind.tsv", 0.90, 0.86), ("judged-night.tsv", 0.88, 0.80)]);
}

#[test]
fn the_right_runbook_is_found_among_the_samples_and_the_bundled_ones() {
    let corpus = corpus::with_markdown(&corpus::samples());
    let figures = report(&corpus, "bundled and our own samples");
    hold(&figures, &[("judged.tsv", 0.95, 0.92), ("judged-blind.tsv", 0.90, 0.86), ("judged-night.tsv", 0.88, 0.80)]);
}

#[test]
fn every_judged_query_names_a_runbook_that_exists() {
    let Some(folder) = corpus::operator_runbooks() else { return };
    let corpus = corpus::with_markdown(&folder);
    let bundled = bundled_names();
    for (file, queries) in judged() {
        assert!(queries.len() >= 60, "{file} has {} queries", queries.len());
        for judged in queries {
            for name in &judged.relevant {
                assert!(
                    bundled.contains(name) || corpus.names.contains(name),
                    "{file}: `{}` names `{name}`, which does not exist",
                    judged.query
                );
            }
        }
    }
}
