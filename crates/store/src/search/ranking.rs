//! The ranking: how well a document answers a query.
//!
//! Two passes. The first scores every candidate by its terms alone (BM25F: counts are weighted by field before they
//! saturate). The second looks at the best of them entry by entry: an alert name, a title or a symptom that the query
//! covers, and that covers the query, says more than the same words strewn over a document; so the more specific runbook
//! comes before the more general one. Names that are exactly what was asked come before everything else. How often and how
//! well a runbook has run decides between equals.

use super::entries::Entry;
use super::query::{How, Plan, Slot};
use super::reasons::Reason;
use super::terms::{FIELDS, Field, Vector};
use super::text::squash;
use crate::catalog::Document;

/// How much a word in a field counts, and how much a long field takes from it.
fn weight(field: Field) -> (f64, f64, f64) {
    // (weight, share of the length that counts, usual length)
    match field {
        Field::Alert => (5.0, 0.3, 6.0),
        Field::Name => (3.0, 0.3, 4.0),
        Field::Title => (5.0, 0.4, 5.0),
        Field::Symptom => (3.0, 0.4, 12.0),
        Field::Service => (2.5, 0.4, 4.0),
        Field::Tag => (2.0, 0.4, 10.0),
        Field::Description => (1.6, 0.5, 30.0),
        Field::Body => (0.5, 0.6, 200.0),
    }
}

/// Where a word that is repeated stops to say more.
const SATURATION: f64 = 2.0;
/// How much the best entry counts beside the words.
const ENTRY: f64 = 2.0;
/// The most that usage can add, as a share of the score.
const USAGE: f64 = 0.03;

/// What a slot finds in a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    /// The variant, by its number in the slot.
    pub(crate) variant: usize,
    pub(crate) score: f64,
}

/// Finds the best variant of a slot in a document.
pub(crate) fn find(slot: &Slot, vector: Vector<'_>) -> Option<Found> {
    let mut best: Option<Found> = None;
    for (number, variant) in slot.variants.iter().enumerate() {
        let Some(counts) = vector.counts(variant.hash) else { continue };
        let mut amount = 0.0;
        for (field, count) in FIELDS.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
            let (weight, share, usual) = weight(field);
            let length = f64::from(vector.length(field)).max(1.0);
            amount += weight * f64::from(count) / (1.0 - share + share * length / usual);
        }
        let score = variant.weight * variant.rarity * amount / (SATURATION + amount);
        if best.is_none_or(|known| score > known.score) {
            best = Some(Found { variant: number, score });
        }
    }
    best.map(|found| Found { score: found.score * slot.factor, ..found })
}

/// The first pass: how well the terms of a document answer a query.
pub(crate) fn by_terms(plan: &Plan, vector: Vector<'_>) -> f64 {
    let (mut score, mut had, mut asked) = (0.0, 0.0, 0.0);
    for slot in &plan.slots {
        let found = find(slot, vector);
        score += found.map_or(0.0, |found| found.score);
        if slot.expected {
            let mass = slot.mass;
            asked += mass;
            if let Some(variant) = found.and_then(|found| slot.variants.get(found.variant)) {
                // A weak stand-in covers its slot in part.
                had += (slot.factor * variant.weight * variant.rarity).min(mass);
            }
        }
    }
    if asked > 0.0 { score * (had / asked) } else { score }
}

/// The second pass: how well the best entry fits, from 0 to the mass of the query.
pub(crate) fn by_entries(plan: &Plan, entries: &[Entry]) -> f64 {
    entries.iter().map(|entry| fit(plan, entry)).fold(0.0, f64::max)
}

fn fit(plan: &Plan, entry: &Entry) -> f64 {
    let importance = match entry.field {
        Field::Alert | Field::Title => 1.0,
        Field::Name | Field::Symptom => 0.9,
        Field::Service | Field::Tag | Field::Description | Field::Body => 0.5,
    };
    let mut covered = vec![0.0_f64; usize::from(entry.words)];
    let (mut had, mut asked) = (0.0, 0.0);
    for slot in &plan.slots {
        let mass = slot.mass;
        if slot.expected {
            asked += mass;
        }
        let mut best = 0.0_f64;
        for variant in &slot.variants {
            for (_, span) in entry.terms.iter().filter(|(hash, _)| *hash == variant.hash) {
                best = best.max(slot.factor * variant.weight * variant.rarity);
                for word in covered.get_mut(usize::from(span.start)..usize::from(span.end)).unwrap_or_default() {
                    *word = word.max(variant.weight);
                }
            }
        }
        if slot.expected {
            had += best.min(mass);
        }
    }
    if asked <= 0.0 || covered.is_empty() {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "an entry has few words")]
    let share = covered.iter().sum::<f64>() / covered.len() as f64;
    importance * had * (had / asked).sqrt() * share.sqrt()
}

/// Whether a document says what was typed, or another name for it, in none of its heads: it may be about something else.
pub(crate) fn is_weak(plan: &Plan, vector: Vector<'_>) -> bool {
    !plan.slots.iter().filter(|slot| !slot.doubtful).any(|slot| {
        let named = slot.variants.iter().filter(|variant| variant.how != How::Related);
        named
            .filter_map(|variant| vector.counts(variant.hash))
            .any(|counts| FIELDS.iter().zip(counts).any(|(field, count)| count > 0 && field.is_head()))
    })
}

/// How often and how well a runbook has run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) executions: u64,
    /// How recent its last success is beside the others', from 0 (never) to 1 (the last of all).
    pub(crate) success: f64,
}

/// Puts the parts together.
pub(crate) fn score(by_terms: f64, by_entries: f64, usage: Usage) -> f64 {
    let often = f64::from(u32::try_from(usage.executions.min(100)).unwrap_or(100)).ln_1p() / 101_f64.ln();
    (by_terms + ENTRY * by_entries) * (1.0 + USAGE * (0.5 * often + 0.5 * usage.success))
}

/// How recent a success is, `ms` milliseconds before the last one of any runbook: half after thirty days.
#[allow(clippy::cast_precision_loss, reason = "a share of days needs no more than a float holds")]
pub(crate) fn recency(ms: i64) -> f64 {
    let days = ms.max(0) as f64 / 86_400_000.0;
    0.5_f64.powf(days / 30.0)
}

/// What is exactly named comes first: by the alert, by its own name, best by both.
pub(crate) fn exactness(exact: &[Reason]) -> u8 {
    let has = |wanted: fn(&Reason) -> bool| u8::from(exact.iter().any(wanted));
    2 * has(|reason| matches!(reason, Reason::Alert(_))) + has(|reason| matches!(reason, Reason::Named(_)))
}

/// A runbook for the very service that is concerned comes before one for any service, and that before one for others;
/// one for this severity before one for another.
pub(crate) fn scope(plan: &Plan, document: &Document) -> f64 {
    let severity = match &plan.severity {
        Some(severity) if *severity == document.severity => 1.05,
        Some(_) | None => 1.0,
    };
    if plan.services.is_empty() {
        return severity;
    }
    let services: Vec<String> = document.services.iter().map(|service| squash(service)).collect();
    let service = if services.iter().any(|service| plan.services.contains(service)) {
        1.25
    } else if services.is_empty() || services.iter().any(|service| service == "all") {
        1.0
    } else {
        0.9
    };
    severity * service
}
