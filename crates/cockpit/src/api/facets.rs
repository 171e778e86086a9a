//! How many hits there are of each kind.

use std::collections::BTreeMap;

use super::{Facet, FacetValue};
use crate::wire::SearchHit;

/// Values of a facet that are shown; a catalog may have thousands of tags.
const VALUES: usize = 40;

/// The facets of some hits.
pub(super) fn of(hits: &[SearchHit]) -> Vec<Facet> {
    let one = |value: &str| vec![value.to_owned()];
    let maybe = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    vec![
        facet("severity", hits, |hit| one(&hit.severity)),
        facet("category", hits, |hit| maybe(&hit.category)),
        facet("domain", hits, |hit| maybe(&hit.domain)),
        facet("service", hits, |hit| hit.services.clone()),
        facet("tag", hits, |hit| hit.tags.clone()),
    ]
}

fn facet(name: &str, hits: &[SearchHit], values: impl Fn(&SearchHit) -> Vec<String>) -> Facet {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in hits.iter().flat_map(values) {
        *counts.entry(value).or_default() += 1;
    }
    let mut values: Vec<_> = counts.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
    if name != "severity" {
        // Names stay in their order where they are equally frequent.
        values.sort_by_key(|value| std::cmp::Reverse(value.count));
    }
    values.truncate(VALUES);
    Facet { name: name.to_owned(), values }
}
