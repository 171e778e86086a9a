//! Catalog, search and output.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use belay_store::{
    CatalogSource, Document, Health, Hit, Options, OutputChunk, Query, Reason, SearchFilter, Store, Stream,
};
use belay_trust::ExecutionId;
use common::{begin, open, open_with, row};
use proptest::prelude::*;

fn documents() -> Vec<Document> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    vec![
        Document {
            key: "bundled/pod-restart".to_owned(),
            source: "bundled".to_owned(),
            path: "pod-restart.yaml".to_owned(),
            content_hash: "1".to_owned(),
            id: "RB-001".to_owned(),
            name: "pod-crash-loop".to_owned(),
            title: "Restart a crashing pod".to_owned(),
            description: "Finds out why a pod restarts again and again.".to_owned(),
            symptoms: words(&["pod restarts every minute"]),
            triggers: words(&["KubePodCrashLooping"]),
            services: words(&["checkout"]),
            tags: words(&["kubernetes", "pod"]),
            severity: "high".to_owned(),
            category: "incident_response".to_owned(),
            domain: "infrastructure".to_owned(),
            body: "kubectl rollout restart; Größe prüfen".to_owned(),
            health: Health { review_due: "2026-01-31".to_owned(), errors: 1, warnings: 3 },
        },
        Document {
            key: "bundled/db-failover".to_owned(),
            source: "bundled".to_owned(),
            content_hash: "2".to_owned(),
            name: "database-failover".to_owned(),
            title: "Fail over the database".to_owned(),
            description: "Promotes the replica. Mentions KubePodCrashLooping in passing, and crash, and looping."
                .to_owned(),
            triggers: words(&["PostgresDown"]),
            services: words(&["orders"]),
            tags: words(&["postgres"]),
            severity: "critical".to_owned(),
            ..Document::default()
        },
        Document {
            key: "mine/note".to_owned(),
            source: "/srv/runbooks".to_owned(),
            content_hash: "3".to_owned(),
            title: "Note".to_owned(),
            body: "nothing in particular".to_owned(),
            ..Document::default()
        },
    ]
}

fn filled() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    store.put_documents(documents()).unwrap();
    (folder, store)
}

fn search(store: &Store, query: &str) -> Vec<Hit> {
    store.search(&Query::from(query), &SearchFilter::default()).unwrap()
}

fn keys(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.document.key.as_str()).collect()
}

fn reasons(hit: &Hit) -> Vec<String> {
    hit.matched.iter().map(ToString::to_string).collect()
}

#[test]
fn the_last_word_is_a_prefix_and_accents_do_not_matter() {
    let (_folder, store) = filled();
    assert_eq!(keys(&search(&store, "crashing po"))[0], "bundled/pod-restart");
    assert_eq!(keys(&search(&store, "promot")), ["bundled/db-failover"]);
    assert_eq!(keys(&search(&store, "GROSSE")), ["bundled/pod-restart"]);
    assert_eq!(keys(&search(&store, "grö")), ["bundled/pod-restart"]);
}

#[test]
fn a_hit_says_what_is_wrong_with_the_document_also_in_the_whole_list() {
    let (_folder, store) = filled();
    let wanted = Health { review_due: "2026-01-31".to_owned(), errors: 1, warnings: 3 };
    let of = |hits: &[Hit], key: &str| {
        hits.iter().find(|hit| hit.document.key == key).map(|hit| hit.document.health.clone()).unwrap()
    };
    assert_eq!(of(&search(&store, "crashing pod"), "bundled/pod-restart"), wanted);
    let all = search(&store, "");
    assert_eq!(of(&all, "bundled/pod-restart"), wanted);
    assert_eq!(of(&all, "mine/note"), Health::default());
    let mut documents = documents();
    documents[0].health = Health::default();
    store.put_documents(documents).unwrap();
    assert_eq!(of(&search(&store, ""), "bundled/pod-restart"), Health::default(), "a mended one has none");
}

#[test]
fn pieces_of_an_alert_name_are_found_in_every_spelling() {
    let (_folder, store) = filled();
    for query in ["postgres down", "postgresdown", "PostgresDown", "postgres-down", "Postgres_Down"] {
        assert_eq!(keys(&search(&store, query))[0], "bundled/db-failover", "{query}");
    }
    for query in ["kube pod crash looping", "kubepodcrashlooping", "podcrashlooping", "crash-looping", "crashloop"] {
        assert_eq!(keys(&search(&store, query))[0], "bundled/pod-restart", "{query}");
    }
}

#[test]
fn the_document_of_exactly_this_alert_comes_first() {
    let (_folder, store) = filled();
    let hits = search(&store, " kubepodcrashlooping ");
    assert_eq!(keys(&hits), ["bundled/pod-restart", "bundled/db-failover"]);
    assert!(hits[0].exact_alert && !hits[1].exact_alert);
    assert_eq!(hits[0].matched[0], Reason::Alert("KubePodCrashLooping".to_owned()));
    assert_eq!(reasons(&hits[0])[0], "alert name KubePodCrashLooping");
    assert!(reasons(&hits[1]).iter().any(|reason| reason.starts_with("description: ")), "{:?}", reasons(&hits[1]));
    let pasted = search(&store, "[FIRING:1] KubePodCrashLooping (checkout prod)");
    assert!(pasted[0].exact_alert, "an alert is also recognised among other words");
}

#[test]
fn each_hit_says_why_it_is_there() {
    let (_folder, store) = filled();
    for (query, reason) in [
        ("pod restarts", "symptom \"pod restarts every minute\""),
        ("rstarts", "typing error rstarts → restarts"),
        ("partic", "beginning partic → particular"),
        ("standby", "synonym standby → replica"),
        ("RB-001", "name RB-001"),
        ("orders", "service: orders"),
    ] {
        let hits = search(&store, query);
        assert!(reasons(&hits[0]).iter().any(|said| said == reason), "{query}: {:?}", reasons(&hits[0]));
    }
}

#[test]
fn a_phrase_that_stands_for_something_is_named_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let filling = Document {
        key: "filling".to_owned(),
        title: "A volume is filling up".to_owned(),
        content_hash: "1".to_owned(),
        ..Document::default()
    };
    store.put_documents(vec![filling]).unwrap();
    let hits = search(&store, "disk full");
    let mut said = reasons(&hits[0]);
    said.retain(|reason| reason.starts_with("synonym"));
    assert_eq!(said, ["synonym disk full → filling up"]);
}

#[test]
fn an_alert_is_looked_up_by_all_that_it_carries() {
    let (_folder, store) = filled();
    let find = |query: Query| store.search(&query, &SearchFilter::default()).unwrap();
    let alert = Query { alert: Some("PostgresDown".to_owned()), ..Query::default() };
    assert_eq!(keys(&find(alert.clone()))[0], "bundled/db-failover");
    let other = Query { alert: Some("Unheard".to_owned()), ..Query::default() };
    assert_eq!(keys(&find(other.clone())), Vec::<&str>::new());
    let named = Query { runbooks: vec!["pod-crash-loop".to_owned()], ..other.clone() };
    assert_eq!(keys(&find(named)), ["bundled/pod-restart"]);
    let told = Query { background: "the replica has to be promoted".to_owned(), ..other.clone() };
    assert_eq!(keys(&find(told)), ["bundled/db-failover"]);
    let both = Query { services: vec!["checkout".to_owned()], background: "crashing, looping".to_owned(), ..other };
    let hits = find(both);
    assert_eq!(keys(&hits), ["bundled/pod-restart", "bundled/db-failover"]);
    assert!(reasons(&hits[0]).contains(&"service checkout".to_owned()));
}

#[test]
fn what_ran_well_comes_first_between_equals() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let document = |name: &str| Document {
        key: name.to_owned(),
        name: name.to_owned(),
        title: "Restart the service".to_owned(),
        ..Document::default()
    };
    store.put_documents(vec![document("first"), document("second")]).unwrap();
    assert_eq!(keys(&search(&store, "restart")), ["first", "second"]);
    let execution = begin(&store, 2);
    store.put_projection(belay_store::ExecutionRow { runbook: "second".to_owned(), ..row(execution, "a", 1) }).unwrap();
    assert_eq!(keys(&search(&store, "restart")), ["second", "first"]);
}

#[test]
fn filters_narrow_what_is_found_and_listed() {
    let (_folder, store) = filled();
    let list = |filter: SearchFilter| {
        let hits = store.search(&Query::default(), &filter).unwrap();
        keys(&hits).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let all = SearchFilter::default();
    assert_eq!(list(all.clone()).len(), 3, "no words list everything");
    assert_eq!(list(SearchFilter { service: Some("Orders".to_owned()), ..all.clone() }), ["bundled/db-failover"]);
    let tags = vec!["pod".to_owned(), "Postgres".to_owned()];
    assert_eq!(list(SearchFilter { tags, ..all.clone() }).len(), 2, "any of the tags will do");
    assert_eq!(list(SearchFilter { severity: Some("critical".to_owned()), ..all.clone() }), ["bundled/db-failover"]);
    assert_eq!(list(SearchFilter { source: Some("/srv/runbooks".to_owned()), ..all.clone() }), ["mine/note"]);
    assert_eq!(list(SearchFilter { category: Some("' OR 1=1".to_owned()), ..all.clone() }), Vec::<String>::new());
    assert_eq!(list(SearchFilter { limit: Some(2), ..all.clone() }).len(), 2);
    let other = SearchFilter { domain: Some("database".to_owned()), ..all };
    let alert = Query::from("KubePodCrashLooping");
    assert!(store.search(&alert, &other).unwrap().is_empty(), "an exact alert obeys the filter too");
}

#[test]
fn documents_are_replaced_and_removed_with_everything_that_finds_them() {
    let (_folder, store) = filled();
    let find = |query: &str| search(&store, query).len();
    let mut changed = documents().remove(0);
    changed.triggers = vec!["OtherAlert".to_owned()];
    changed.title = "Changed".to_owned();
    changed.name = "changed".to_owned();
    changed.description = String::new();
    changed.symptoms = Vec::new();
    store.put_documents(vec![changed.clone()]).unwrap();
    assert_eq!((find("changed"), find("looping")), (1, 1), "only another document mentions it still");
    assert_eq!(keys(&search(&store, "KubePodCrashLooping"))[0], "bundled/db-failover");
    assert_eq!(store.document_hashes("bundled").unwrap().len(), 2);
    store.replace_documents("bundled", vec![changed]).unwrap();
    assert_eq!(store.document_hashes("bundled").unwrap().into_keys().collect::<Vec<_>>(), ["bundled/pod-restart"]);
    assert!(store.remove_document("bundled/pod-restart").unwrap());
    assert!(!store.remove_document("bundled/pod-restart").unwrap());
    assert_eq!(store.remove_documents("/srv/runbooks").unwrap(), 1);
    assert!(search(&store, "").is_empty());
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn removing_a_source_removes_its_documents() {
    let (_folder, store) = filled();
    let source = CatalogSource { path: "/srv/runbooks".to_owned(), added_ms: 5 };
    store.add_source(source.clone()).unwrap();
    store.add_source(CatalogSource { added_ms: 9, ..source.clone() }).unwrap();
    assert_eq!(store.sources().unwrap(), [source]);
    assert!(store.remove_source("/srv/runbooks").unwrap());
    assert!(!store.remove_source("/srv/runbooks").unwrap());
    assert!(store.sources().unwrap().is_empty());
    assert!(search(&store, "particular").is_empty());
}

#[test]
fn a_query_of_any_characters_is_no_error() {
    let (_folder, store) = filled();
    let long = "restart \" OR NEAR(".repeat(1_000);
    for query in [
        "\"",
        "\"\"\"",
        "'",
        "AND",
        "a AND",
        "NOT pod",
        "NEAR(a b, 3)",
        "title:pod",
        "^pod",
        "pod*",
        "*",
        "(",
        ")",
        "-pod",
        "+pod",
        "{title body}: pod",
        "\0",
        "pod\0crash",
        "🦀",
        "ⅷ ² ꟊ 𞤀",
        "%",
        "\\",
        ";",
        "--",
        "\u{2}\u{3}",
        &long,
    ] {
        for filter in
            [SearchFilter::default(), SearchFilter { tags: vec![query.to_owned()], ..SearchFilter::default() }]
        {
            let found = store.search(&Query::from(query), &filter);
            assert!(found.is_ok(), "{query:?}: {found:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn random_queries_and_documents_are_no_error(
        queries in proptest::collection::vec(any::<String>(), 60),
        operators in proptest::collection::vec("[\"'*^():{}+\\-\0 aA-Z]{0,40}", 60),
        text in any::<String>(),
    ) {
        let (_folder, store) = filled();
        let odd = Document {
            key: text.clone(), title: text.clone(), body: text.clone(), triggers: vec![text.clone()], tags: vec![text.clone()],
            ..Document::default()
        };
        store.put_documents(vec![odd]).unwrap();
        for query in queries.iter().chain(&operators).chain([&text]) {
            prop_assert!(store.search(&Query::from(query.as_str()), &SearchFilter::default()).is_ok(), "{:?}", query);
        }
    }
}

fn chunk(stream: Stream, at_ms: i64, bytes: &[u8]) -> OutputChunk {
    OutputChunk { stream, at_ms, bytes: bytes.to_vec() }
}

#[test]
fn output_is_kept_in_order_up_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { output_limit: 8, ..Options::default() };
    let store = open_with(&folder.path().join("belay.db"), 1, options);
    let execution = ExecutionId([1; 32]);
    store.append_output(execution, "run-1", chunk(Stream::Stdout, 1, b"hello")).unwrap();
    let kept = store.append_output(execution, "run-1", chunk(Stream::Stderr, 2, b"world")).unwrap();
    assert_eq!((kept.kept, kept.dropped), (3, 2));
    store.append_output(execution, "run-1", chunk(Stream::Stdout, 3, b"more")).unwrap();
    let output = store.read_output("run-1").unwrap();
    assert_eq!(output.chunks, [chunk(Stream::Stdout, 1, b"hello"), chunk(Stream::Stderr, 2, b"wor")]);
    assert_eq!(output.dropped, 6, "what is missing is counted");
    assert_eq!(store.read_output("run-2").unwrap(), belay_store::Output::default());
}

#[test]
fn old_output_and_old_executions_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let (old, new) = (begin(&store, 2), begin(&store, 2));
    for (id, finished, name) in [(old, 100, "old"), (new, 900, "new")] {
        let finished = belay_store::ExecutionRow { finished_ms: Some(finished), ..row(id, "a", 1) };
        store.put_projection(finished).unwrap();
        store.append_output(id, name, chunk(Stream::Stdout, 50, b"text")).unwrap();
    }
    store.append_output(new, "recent", chunk(Stream::Stdout, 500, b"text")).unwrap();
    assert_eq!(store.purge_output(60).unwrap(), 2);
    assert!(store.read_output("old").unwrap().chunks.is_empty());
    assert_eq!(store.forget_finished(500).unwrap(), [old]);
    assert!(store.events(old).is_err());
    assert_eq!(store.events(new).unwrap().len(), 2);
    assert_eq!(store.execution(old).unwrap(), None);
    assert_eq!(store.read_output("recent").unwrap().chunks.len(), 1);
    assert_eq!(store.check().unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn an_index_that_was_changed_finds_what_a_fresh_one_finds(
        changes in proptest::collection::vec((0_usize..6, proptest::collection::vec(0_usize..8, 0..5)), 1..25),
    ) {
        const WORDS: [&str; 8] = ["alpha", "alphabet", "beta", "Gamma", "größe", "delta", "deltaEpsilon", "zeta9"];
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("belay.db"), 1);
        let mut expected = std::collections::BTreeMap::new();
        let find = |store: &Store, word: &str| {
            search(store, word).into_iter().map(|hit| hit.document.key).collect::<std::collections::BTreeSet<_>>()
        };
        for (at, words) in changes {
            let key = format!("document-{at}");
            if words.is_empty() {
                store.remove_document(&key).unwrap();
                expected.remove(&key);
            } else {
                let body = words.iter().map(|&word| WORDS[word]).collect::<Vec<_>>().join(" ");
                let document = Document { key: key.clone(), source: "s".to_owned(), body, ..Document::default() };
                store.put_documents(vec![document.clone()]).unwrap();
                expected.insert(key, document);
            }
            find(&store, "alpha");
        }
        let fresh = open(&folder.path().join("fresh.db"), 1);
        fresh.put_documents(expected.into_values().collect()).unwrap();
        for word in WORDS {
            prop_assert_eq!(find(&store, word), find(&fresh, word), "{}", word);
        }
        prop_assert_eq!(store.check().unwrap(), []);
    }
}

#[test]
fn in_a_large_catalog_the_place_in_the_index_does_not_decide_what_is_ranked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let document = |number: usize, title: &str, body: &str| Document {
        key: format!("mine/{number:05}"),
        source: "mine".to_owned(),
        content_hash: number.to_string(),
        name: format!("n{number}"),
        title: title.to_owned(),
        body: body.to_owned(),
        ..Document::default()
    };
    // Many mention both words in passing; the one that is meant stands between them.
    let passing = |n| document(n, "Something", "quokka, and wombat");
    let mut documents: Vec<Document> = (0..1_600).map(passing).collect();
    documents.push(document(1_600, "Wombat", "of a quokka"));
    documents.extend((1_601..3_300).map(passing));
    store.put_documents(documents).unwrap();
    assert_eq!(keys(&search(&store, "quokka wombat")).first(), Some(&"mine/01600"), "it says one of them in its title");
}
