//! Which documents are ranked at all: the index is asked for those with every word first, and for others only when too few
//! of them have it.
//!
//! Nothing is sorted by the index and every question has a limit, so that a word which stands in half of a hundred thousand
//! documents costs no more than a rare one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::SearchFilter;
use super::query::{Plan, Slot, Variant};
use crate::error::{Doing, StoreError};

/// How far the index is asked.
struct Reach {
    /// The most that one question for documents with every word returns.
    most: usize,
    /// With so many documents that have every word, those that lack one are not looked at.
    enough: usize,
    /// The most that one question for documents with some of the words returns.
    most_loose: usize,
    /// With so many of all kinds nothing more is asked.
    enough_loose: usize,
}

/// In a catalog of up to this many documents nearly everything that has a word is ranked.
const SMALL: i64 = 3_000;
const WIDE: Reach = Reach { most: 600, enough: 100, most_loose: 300, enough_loose: 600 };
const NARROW: Reach = Reach { most: 150, enough: 10, most_loose: 60, enough_loose: 120 };
/// More documents of one name are not looked at.
const MOST_NAMED: usize = 200;
/// A word in more documents is looked for together with rarer ones only.
const FREQUENT: i64 = 2_000;
/// A word in more documents is not looked for in heads by itself, so that it costs no more than it says.
const TELLING: i64 = 5_000;
/// So many words are looked for in heads by themselves.
const MOST_TELLING: usize = 2;

/// The rows of documents that may answer the query.
pub(crate) fn gather(
    connection: &Connection,
    plan: &Plan,
    filter: &SearchFilter,
    documents: i64,
) -> Result<BTreeSet<i64>, StoreError> {
    let reach = if documents <= SMALL { WIDE } else { NARROW };
    let mut rows = BTreeSet::new();
    let names = plan.names.iter().chain(&plan.runbooks);
    for name in names {
        named(connection, name, filter, &mut rows)?;
    }
    let expected: Vec<&Slot> = plan.slots.iter().filter(|slot| slot.expected).collect();
    if !expected.is_empty() {
        let every = all(&expected);
        if matching(connection, &every, filter, reach.most, &mut rows)? == reach.most {
            // Of very many those come in that say most of it in a head, whatever their place in the index.
            best_said(connection, &expected, filter, &reach, &mut rows)?;
        }
    }
    if rows.len() >= reach.enough {
        return Ok(rows);
    }
    if (3..=8).contains(&expected.len()) {
        for left_out in 0..expected.len() {
            let others: Vec<&Slot> =
                expected.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, slot)| *slot).collect();
            // Frequent words alone cost much and say little.
            if others.iter().any(|slot| slot.documents() <= FREQUENT) {
                matching(connection, &all(&others), filter, reach.most_loose, &mut rows)?;
            }
        }
    }
    let mut by_mass: Vec<&Slot> = plan.slots.iter().collect();
    by_mass.sort_by(|a, b| b.mass.total_cmp(&a.mass));
    for slot in by_mass {
        if rows.len() >= reach.enough_loose {
            break;
        }
        let any = any(slot);
        if matching(connection, &any, filter, reach.most_loose, &mut rows)? == reach.most_loose {
            matching(connection, &format!("{{head}} : {any}"), filter, reach.most_loose, &mut rows)?;
        }
    }
    Ok(rows)
}

/// Of more documents with every word than are ranked: those with every word in a head, and of too many of these those that
/// have the words as they were typed; of too few, those with one of the most telling words in a head.
fn best_said(
    connection: &Connection,
    expected: &[&Slot],
    filter: &SearchFilter,
    reach: &Reach,
    rows: &mut BTreeSet<i64>,
) -> Result<(), StoreError> {
    let in_head = matching(connection, &format!("{{head}} : ({})", all(expected)), filter, reach.most, rows)?;
    if in_head == reach.most {
        let typed = expected.iter().map(|slot| strongest(slot)).collect::<Vec<_>>().join(" AND ");
        matching(connection, &format!("{{head}} : ({typed})"), filter, reach.most, rows)?;
        return Ok(());
    }
    let mut by_mass: Vec<&Slot> = expected.iter().copied().filter(|slot| slot.documents() <= TELLING).collect();
    by_mass.sort_by(|a, b| b.mass.total_cmp(&a.mass));
    if expected.len() > 1 {
        for slot in by_mass.into_iter().take(MOST_TELLING) {
            let expression = format!("({{head}} : {}) AND {}", any(slot), all(expected));
            matching(connection, &expression, filter, reach.most_loose, rows)?;
        }
    }
    Ok(())
}

/// The terms that stand best for a slot: the word itself, where it is in the index.
fn strongest(slot: &Slot) -> String {
    let best = slot.variants.iter().map(|variant| variant.weight).fold(0.0, f64::max);
    any_of(slot.variants.iter().filter(|variant| variant.weight >= best))
}

/// The expression for documents with every slot. Terms hold neither quotes nor operators, and each is one token.
fn all(slots: &[&Slot]) -> String {
    slots.iter().map(|slot| any(slot)).collect::<Vec<_>>().join(" AND ")
}

fn any(slot: &Slot) -> String {
    any_of(slot.variants.iter())
}

fn any_of<'v>(variants: impl Iterator<Item = &'v Variant>) -> String {
    let mut expression = String::from("(");
    for (number, variant) in variants.enumerate() {
        let or = if number > 0 { " OR " } else { "" };
        write!(expression, "{or}\"{}\"", variant.term).expect("a string takes every write");
    }
    expression.push(')');
    expression
}

/// Builds the conditions of a filter on `catalog`; their values follow those already in `values`.
pub(crate) fn conditions(filter: &SearchFilter, values: &mut Vec<Value>) -> String {
    let mut sql = String::new();
    for (column, wanted, or) in [
        ("source", &filter.source, ""),
        // A runbook for every severity is also one for this.
        ("severity", &filter.severity, " OR catalog.severity = 'all'"),
        ("category", &filter.category, ""),
        ("domain", &filter.domain, ""),
    ] {
        if let Some(wanted) = wanted {
            write!(sql, " AND (catalog.{column} = ? COLLATE NOCASE{or})").expect("a string takes every write");
            values.push(wanted.clone().into());
        }
    }
    let mut among = |column: &str, wanted: &[String]| {
        let marks = vec!["?"; wanted.len()].join(", ");
        write!(sql, " AND EXISTS (SELECT 1 FROM json_each(catalog.{column}) WHERE value COLLATE NOCASE IN ({marks}))")
            .expect("a string takes every write");
        values.extend(wanted.iter().map(|wanted| Value::from(wanted.clone())));
    };
    if let Some(service) = &filter.service {
        among("services", std::slice::from_ref(service));
    }
    if !filter.tags.is_empty() {
        among("tags", &filter.tags);
    }
    sql
}

fn matching(
    connection: &Connection,
    expression: &str,
    filter: &SearchFilter,
    most: usize,
    rows: &mut BTreeSet<i64>,
) -> Result<usize, StoreError> {
    let mut values: Vec<Value> = vec![expression.to_owned().into()];
    let conditions = conditions(filter, &mut values);
    let sql = if conditions.is_empty() {
        format!("SELECT rowid FROM catalog_index WHERE catalog_index MATCH ? LIMIT {most}")
    } else {
        format!(
            "SELECT catalog.rowid FROM catalog_index JOIN catalog ON catalog.rowid = catalog_index.rowid
             WHERE catalog_index MATCH ? {conditions} LIMIT {most}"
        )
    };
    collect(connection, &sql, values, rows)
}

fn named(
    connection: &Connection,
    name: &str,
    filter: &SearchFilter,
    rows: &mut BTreeSet<i64>,
) -> Result<usize, StoreError> {
    let mut values: Vec<Value> = vec![name.to_owned().into()];
    let conditions = conditions(filter, &mut values);
    let sql = format!(
        "SELECT document FROM catalog_names JOIN catalog ON catalog.rowid = document
         WHERE catalog_names.name = ? {conditions} LIMIT {MOST_NAMED}"
    );
    collect(connection, &sql, values, rows)
}

fn collect(
    connection: &Connection,
    sql: &str,
    values: Vec<Value>,
    rows: &mut BTreeSet<i64>,
) -> Result<usize, StoreError> {
    let doing = "search the catalog";
    let mut statement = connection.prepare_cached(sql).doing(doing)?;
    let mut found = 0;
    for row in statement.query_map(params_from_iter(values), |row| row.get(0)).doing(doing)? {
        rows.insert(row.doing(doing)?);
        found += 1;
    }
    Ok(found)
}
