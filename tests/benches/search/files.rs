//! Runbooks as files of a directory: how fast they are read and indexed, and how soon a change is seen.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use belay_cockpit::{Cockpit, KeyringChoice, Options, Program, SearchQuery};
use belay_store::Document;

use crate::corpus::Corpus;
use crate::{Figure, milliseconds, processor_time};

/// How often a file is changed.
const CHANGES: usize = 10;
/// When a change that is not seen is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A runbook file with the words of a generated document.
fn yaml(document: &Document) -> String {
    let list = |texts: &[String]| texts.join(", ");
    format!(
        "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata:
  name: generated-{number}
spec:
  id: {id}
  name: {title}
  description: |
    {description}
  domain: infrastructure
  category: incident_response
  severity: {severity}
  services: [{services}]
  tags: [{tags}]
  trigger:
    alert: [{alerts}]
    manual: true
  documentation:
    symptoms: [{symptoms}]
  steps:
    - name: look
      title: Look at it
      type: manual
      description: |
        {body}
    - name: restart
      title: Restart it
      type: manual
      description: Restart what is stuck
      commands:
        - kubectl get pods --all-namespaces
",
        number = document.content_hash,
        id = document.id,
        title = document.title,
        description = document.description,
        severity = document.severity,
        services = list(&document.services),
        tags = list(&document.tags),
        alerts = list(&document.triggers),
        symptoms = list(&document.symptoms),
        body = document.body,
    )
}

/// Reads and indexes a directory of files, then changes some of them while it is watched.
pub(crate) fn directory(folder: &Path, corpus: &Corpus, documents: usize) -> Vec<Figure> {
    let dir = folder.join("runbooks");
    std::fs::create_dir(&dir).unwrap();
    let mut sizes = Vec::with_capacity(documents);
    for number in 0..documents {
        let text = yaml(&corpus.document(number));
        sizes.push(text.len());
        std::fs::write(dir.join(format!("{number}.yaml")), text).unwrap();
    }
    sizes.sort_unstable();
    let program = || Program { program: "/bin/false".into(), args: Vec::new() };
    let (helper, worker, keyring) = (program(), program(), KeyringChoice::Off);
    let options = Options { home: folder.join("directory"), helper, worker, context: None, keyring };
    let cockpit = Cockpit::new(options);
    let before = processor_time();
    let report = cockpit.catalog_add(&dir).unwrap();
    let spent = processor_time() - before;
    assert_eq!((report.runbooks, report.findings.len()), (documents, 0), "every file is a runbook");
    let rate = documents as f64 / spent;
    let name = format!("{documents} runbook files, read and indexed in a second of processor time");
    let indexed = Figure::least(name, rate, "", 0.0)
        .detail(format!("median {} bytes of YAML, {spent:.2} s in all", sizes[documents / 2]));
    let before = processor_time();
    find(&cockpit, "restart");
    let again = (processor_time() - before) * 1e3;
    let name = format!("{documents} runbook files, looked over again for one search, processor time");
    let unchanged = Figure { limit: None, ..Figure::most(name, again, "ms", 0.0) };
    vec![Figure { limit: None, ..indexed }, unchanged, changed(&cockpit, &dir, corpus)]
}

fn find(cockpit: &Cockpit, text: &str) -> bool {
    let query = SearchQuery { text: text.to_owned(), limit: 1, ..SearchQuery::default() };
    cockpit.search(&query).unwrap().first().is_some_and(|hit| hit.matched.iter().any(|why| why.contains(text)))
}

/// How long after its writing a changed file is found; the slowest of some.
fn changed(cockpit: &Arc<Cockpit>, dir: &Path, corpus: &Corpus) -> Figure {
    let watch = cockpit.watch_catalog().unwrap();
    let mut slowest = Duration::ZERO;
    for number in 0..CHANGES {
        let word = format!("changed{}", "x".repeat(number + 1));
        let document = corpus.document(number);
        let text = yaml(&Document { title: format!("{} {word}", document.title), ..document });
        std::fs::write(dir.join(format!("{number}.yaml")), text).unwrap();
        let written = Instant::now();
        while !find(cockpit, &word) {
            assert!(written.elapsed() < PATIENCE, "a change is seen");
            std::thread::sleep(Duration::from_millis(2));
        }
        slowest = slowest.max(written.elapsed());
    }
    drop(watch);
    Figure::most("10 000 runbook files, a changed one is found after", milliseconds(slowest), "ms", 300.0)
        .detail(format!("the slowest of {CHANGES}"))
}
