//! Queries that nobody means well: there is an answer or an empty list, never an error.

use belay_cockpit::{ErrorClass, SearchQuery};
use proptest::prelude::*;

use crate::corpus;

fn query(text: &str) -> SearchQuery {
    SearchQuery { text: text.to_owned(), limit: 5, ..SearchQuery::default() }
}

#[test]
fn operators_quotes_and_long_texts_are_only_text() {
    let corpus = corpus::with_markdown(&corpus::samples());
    let long = "restart \" OR NEAR(".repeat(600);
    for text in [
        "\"",
        "\"\"\"",
        "'",
        "a AND",
        "AND",
        "NOT pod",
        "NEAR(a b, 3)",
        "title:pod",
        "^pod",
        "pod*",
        "*",
        "(",
        "-pod",
        "+",
        "{head}: pod",
        "\0",
        "pod\0crash",
        "🦀🔥",
        "磁盘已满",
        "ディスク 満杯",
        "the of and",
        "?!…",
        "_oom",
        "\u{202e}dop",
        &long,
        &"x".repeat(10_000),
        &"界".repeat(4_000),
    ] {
        let found = corpus.cockpit.search(&query(text));
        assert!(found.is_ok(), "{text:?}: {found:?}");
    }
    for text in ["the of and", "?!…", "🦀🔥", "\0"] {
        assert!(corpus.cockpit.search(&query(text)).unwrap().is_empty(), "{text:?} says nothing");
    }
    for text in ["pod\0restart", "pod* AND \"restart\"", "NEAR(pod restart)"] {
        assert!(!corpus.cockpit.search(&query(text)).unwrap().is_empty(), "{text:?} has words");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn no_query_and_no_filter_is_an_error(
        texts in proptest::collection::vec(any::<String>(), 25),
        operators in proptest::collection::vec("[\"'*^():{}+\\-\0_ aA-Z]{0,40}", 25),
    ) {
        let corpus = corpus::with_markdown(&corpus::samples());
        for text in texts.iter().chain(&operators) {
            let found = corpus.cockpit.search(&query(text));
            prop_assert!(found.is_ok(), "{:?}: {:?}", text, found);
            let filtered = SearchQuery {
                service: Some(text.clone()), tags: vec![text.clone()], alert: Some(text.clone()), ..query(text)
            };
            let found = corpus.cockpit.search(&filtered);
            prop_assert!(found.is_ok(), "{:?}: {:?}", text, found);
            // A word that the format does not have is the user's mistake, and says which words there are.
            let misnamed = SearchQuery { severity: Some(text.clone()), category: Some(text.clone()), ..query(text) };
            if let Err(error) = corpus.cockpit.search(&misnamed) {
                prop_assert!(error.class == ErrorClass::User && error.hint.is_some(), "{:?}: {:?}", text, error);
            }
        }
    }
}

#[test]
fn a_query_of_which_nothing_is_understood_finds_nothing_or_says_that_it_fits_badly() {
    let corpus = corpus::with_markdown(&corpus::samples());
    for text in ["banana bread recipe", "weather in berlin tomorrow", "lorem ipsum dolor sit amet", "xyzzy plugh"] {
        let hits = corpus.cockpit.search(&query(text)).unwrap();
        assert!(hits.is_empty(), "{text:?}: {hits:?}");
    }
    for text in ["how to cook rice", "the cat pictures"] {
        let hits = corpus.cockpit.search(&query(text)).unwrap();
        assert!(hits.iter().all(|hit| hit.weak), "{text:?}: {hits:?}");
    }
    for text in ["evction", "pod oomkiled", "crashloop zzyzx", "kuberntes certifcate expird"] {
        let hits = corpus.cockpit.search(&query(text)).unwrap();
        assert!(hits.first().is_some_and(|hit| !hit.weak), "{text:?}: {hits:?}");
    }
}
