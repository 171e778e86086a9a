//! Search in the catalog: by alert, by name, by what somebody sees.
//!
//! What was typed becomes slots ([`query`]), the index answers with candidates ([`candidates`]), the ranking orders them
//! ([`ranking`]) and each hit says why it is there ([`reasons`]). `docs/search.md` tells what was tried and what it gave.

mod candidates;
mod entries;
mod lexicon;
mod query;
mod ranking;
mod reasons;
mod stem;
mod terms;
mod text;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::catalog::{self, Document};
use crate::error::{Doing, StoreError};
use crate::health;
use query::Plan;
use ranking::Usage;
use terms::Vector;

pub(crate) use entries::pack as pack_entries;
pub(crate) use lexicon::lexicon;
pub use query::Query;
pub use reasons::Reason;
pub use terms::Field;
pub(crate) use terms::{Reader, Tally};
pub(crate) use text::squash;
pub(crate) use vocabulary::Vocabulary;

const DEFAULT_LIMIT: usize = 50;
/// Of so many the entries are looked at.
const LOOKED_AT: usize = 40;

/// Of a query of which less is understood, weak hits are not worth showing.
const UNDERSTOOD: f64 = 0.35;

/// Changes whenever documents are split into other terms than before.
const RULES: u32 = 3;

/// By which rules an index is made: those of this version, which may find something else in a file, and its table of
/// synonyms.
pub(crate) fn reading() -> &'static str {
    static READING: LazyLock<String> = LazyLock::new(|| {
        let synonyms = terms::hash(include_str!("search/synonyms.txt"));
        format!("{RULES}-{}-{synonyms:08x}", env!("CARGO_PKG_VERSION"))
    });
    &READING
}

/// Which documents to search; the default is all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchFilter {
    /// Only those of this source.
    pub source: Option<String>,
    /// Only those with this severity, or with `all`.
    pub severity: Option<String>,
    /// Only those of this category.
    pub category: Option<String>,
    /// Only those of this domain.
    pub domain: Option<String>,
    /// Only those about this service.
    pub service: Option<String>,
    /// Only those with any of these tags.
    pub tags: Vec<String>,
    /// At most so many; 50 unless given.
    pub limit: Option<usize>,
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The document, without its description and body, with what is wrong with it.
    pub document: Document,
    /// How well it fits: greater is better. Scores of different queries do not compare.
    pub score: f64,
    /// Whether it is the runbook of exactly the alert that was asked for.
    pub exact_alert: bool,
    /// Whether none of its heads says what was typed: it is what comes closest, and may be about something else.
    pub weak: bool,
    /// Why it was found, the strongest reason first; nothing where everything is listed.
    pub matched: Vec<Reason>,
}

struct Ranked {
    row: i64,
    document: Document,
    exact_alert: bool,
    exactness: u8,
    score: f64,
}

/// Finds documents, best first: those of exactly this alert, those of exactly this name, then by score, then by key.
///
/// A query without anything lists all documents by key; one of signs or empty words alone finds nothing.
pub(crate) fn search(
    connection: &Connection,
    vocabulary: &Vocabulary,
    query: &Query,
    filter: &SearchFilter,
) -> Result<Vec<Hit>, StoreError> {
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT);
    let documents: i64 = connection
        .prepare_cached("SELECT documents FROM catalog_state")
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .doing("search the catalog")?;
    let plan = query::plan(connection, vocabulary, documents, query)?;
    if plan.blank {
        return listed(connection, filter, limit);
    }
    let rows = candidates::gather(connection, &plan, filter, documents)?;
    let mut ranked = ranked(connection, &plan, &rows, limit.max(LOOKED_AT))?;
    ranked.truncate(limit);
    let mut hits = Vec::with_capacity(ranked.len());
    for Ranked { row, document, exact_alert, exactness, score } in ranked {
        let weak = vector(connection, row, |vector| ranking::is_weak(&plan, vector))?.unwrap_or_default();
        let weak = weak && exactness == 0;
        if weak && plan.understood < UNDERSTOOD {
            continue;
        }
        let (description, body) = catalog::texts(connection, row)?;
        let whole = Document { description, body, ..document };
        let matched = vector(connection, row, |vector| reasons::reasons(&plan, &whole, vector))?;
        let health = health::of(connection, row)?;
        let document = Document { description: String::new(), body: String::new(), health, ..whole };
        hits.push(Hit { document, score, exact_alert, weak, matched: matched.unwrap_or_default() });
    }
    Ok(hits)
}

/// Reads the vector of a document; `None` when there is none.
fn vector<T>(connection: &Connection, row: i64, read: impl FnOnce(Vector<'_>) -> T) -> Result<Option<T>, StoreError> {
    connection
        .prepare_cached("SELECT vector FROM catalog_vectors WHERE document = ?1")
        .and_then(|mut select| {
            select.query_row([row], |found| Ok(Vector::read(found.get_ref(0)?.as_blob()?).map(read))).optional()
        })
        .map(Option::flatten)
        .doing("read what a document is found by")
}

fn ranked(
    connection: &Connection,
    plan: &Plan,
    rows: &BTreeSet<i64>,
    looked_at: usize,
) -> Result<Vec<Ranked>, StoreError> {
    let doing = "rank what was found";
    let mut select =
        connection.prepare_cached("SELECT vector FROM catalog_vectors WHERE document = ?1").doing(doing)?;
    let mut select_entries =
        connection.prepare_cached("SELECT entries FROM catalog_entries WHERE document = ?1").doing(doing)?;
    let mut first: Vec<(f64, i64)> = Vec::with_capacity(rows.len());
    let names: BTreeSet<i64> = exactly_named(connection, plan)?;
    for &row in rows {
        let score = select
            .query_row([row], |found| {
                Ok(Vector::read(found.get_ref(0)?.as_blob()?).map_or(0.0, |vector| ranking::by_terms(plan, vector)))
            })
            .optional()
            .doing(doing)?
            .unwrap_or_default();
        first.push((score, row));
    }
    first.sort_by(|a, b| names.contains(&b.1).cmp(&names.contains(&a.1)).then(b.0.total_cmp(&a.0)).then(a.1.cmp(&b.1)));
    first.truncate(looked_at);
    let usage = usage(connection)?;
    let mut ranked = Vec::with_capacity(first.len());
    for (by_terms, row) in first {
        let Some(document) = head(connection, row)? else { continue };
        let by_entries = select_entries
            .query_row([row], |found| Ok(ranking::by_entries(plan, &entries::unpack(found.get_ref(0)?.as_blob()?))))
            .optional()
            .doing(doing)?
            .unwrap_or_default();
        let exact = reasons::exact(plan, &document);
        let exact_alert = exact.iter().any(|reason| matches!(reason, Reason::Alert(_)));
        let reference = if document.id.is_empty() { &document.name } else { &document.id };
        let usage = usage.get(reference).copied().unwrap_or_default();
        let score = ranking::score(by_terms, by_entries, usage) * ranking::scope(plan, &document);
        ranked.push(Ranked { row, exact_alert, exactness: ranking::exactness(&exact), document, score });
    }
    ranked.sort_by(|a, b| {
        b.exactness
            .cmp(&a.exactness)
            .then(b.score.total_cmp(&a.score))
            .then_with(|| a.document.key.cmp(&b.document.key))
    });
    Ok(ranked)
}

fn exactly_named(connection: &Connection, plan: &Plan) -> Result<BTreeSet<i64>, StoreError> {
    let doing = "search the catalog by name";
    let mut select =
        connection.prepare_cached("SELECT document FROM catalog_names WHERE name = ?1 LIMIT 600").doing(doing)?;
    let mut rows = BTreeSet::new();
    for name in plan.names.iter().chain(&plan.runbooks) {
        for row in select.query_map([name], |row| row.get(0)).doing(doing)? {
            rows.insert(row.doing(doing)?);
        }
    }
    Ok(rows)
}

fn head(connection: &Connection, row: i64) -> Result<Option<Document>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {} FROM catalog WHERE rowid = ?1", catalog::HEAD))
        .and_then(|mut select| select.query_row([row], catalog::head).optional())
        .doing("read a document of the catalog")
}

/// How every runbook that was executed has fared, by its reference.
fn usage(connection: &Connection) -> Result<BTreeMap<String, Usage>, StoreError> {
    let doing = "sum up the executions";
    let rows: Vec<(String, i64, Option<i64>)> = connection
        .prepare_cached(
            "SELECT runbook, count(*), max(CASE WHEN succeeded = 1 THEN finished_ms END) FROM executions GROUP BY runbook",
        )
        .doing(doing)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)?;
    let last = rows.iter().filter_map(|(_, _, success)| *success).max().unwrap_or_default();
    let usage = |executions: i64, success: Option<i64>| Usage {
        executions: executions.max(0).cast_unsigned(),
        success: success.map_or(0.0, |at| ranking::recency(last.saturating_sub(at))),
    };
    Ok(rows.into_iter().map(|(runbook, executions, success)| (runbook, usage(executions, success))).collect())
}

fn listed(connection: &Connection, filter: &SearchFilter, limit: usize) -> Result<Vec<Hit>, StoreError> {
    let doing = "list the catalog";
    let mut values = Vec::new();
    let conditions = candidates::conditions(filter, &mut values);
    values.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "SELECT {}, review_due, errors, warnings
         FROM catalog LEFT JOIN catalog_health ON catalog_health.document = catalog.rowid
         WHERE true {conditions} ORDER BY catalog.key LIMIT ?",
        catalog::HEAD
    );
    let mut statement = connection.prepare_cached(&sql).doing(doing)?;
    let rows = statement
        .query_map(params_from_iter(values), |row| {
            let document = Document { health: health::read(row, 14)?, ..catalog::head(row)? };
            Ok(Hit { document, score: 0.0, exact_alert: false, weak: false, matched: Vec::new() })
        })
        .doing(doing)?;
    rows.collect::<Result<_, _>>().doing(doing)
}
