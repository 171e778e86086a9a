//! What a runbook is called: by path, by id, by name, and which of several is meant.
//!
//! An id names a runbook: of a team's and a bundled one with the same id the team's counts, and the bundled one is hidden.
//! A name alone does not: two runbooks that only share it are both found, and whoever says the name is asked which one.

use std::path::Path;

use belay_store::Document;

use crate::Cockpit;
use crate::catalog::{self, BUNDLED_SOURCE, Found};
use crate::error::CockpitError;

/// How a runbook of the catalog stands to those with its id or its name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Kin {
    /// It is bundled, and a team has one with its id.
    pub(crate) hidden: bool,
    /// It is a team's, and a bundled one has its id.
    pub(crate) hides_bundled: bool,
    /// Another one that is found has its name.
    pub(crate) shares_name: bool,
}

impl Kin {
    /// Looks at the documents with the name or the id of this one, itself among them.
    pub(crate) fn of(document: &Document, others: &[Document]) -> Self {
        let bundled = |one: &Document| one.source == BUNDLED_SOURCE;
        let same_id = |one: &&Document| one.id.eq_ignore_ascii_case(&document.id);
        let shares = |one: &&Document| {
            one.name == document.name
                && one.key != document.key
                && one.content_hash != document.content_hash
                // A bundled one with the same id is hidden, and does not make the name doubtful.
                && !(same_id(one) && bundled(one))
        };
        Self {
            hidden: bundled(document) && others.iter().filter(same_id).any(|one| !bundled(one)),
            hides_bundled: !bundled(document) && others.iter().filter(same_id).any(bundled),
            shares_name: others.iter().any(|one| shares(&one)),
        }
    }
}

impl Cockpit {
    /// Finds a runbook by path, id or name; a team's own comes before a bundled one of the same id.
    ///
    /// # Errors
    /// When there is none, when it cannot be read, and when several have the name.
    pub fn find(&self, reference: &str) -> Result<Found, CockpitError> {
        let path = Path::new(reference);
        if reference.contains('/') || catalog::is_runbook_file(path) {
            return catalog::read_path(path);
        }
        let own = self.own_named(reference, reference);
        let bundled = catalog::bundled_one(reference);
        let has_id = |found: &Found| found.runbook.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(reference));
        let by_id: Vec<Found> = own.iter().filter(|found| has_id(found)).cloned().collect();
        if !by_id.is_empty() {
            return only(by_id, reference);
        }
        let mut named = own;
        if let Some(bundled) = bundled {
            let mut instead = self.with_id_of(&bundled);
            if has_id(&bundled) && instead.is_empty() {
                return Ok(bundled);
            }
            if instead.is_empty() { named.push(bundled) } else { named.append(&mut instead) }
        }
        only(named, reference)
    }

    /// A team's runbooks that come instead of a bundled one.
    fn with_id_of(&self, bundled: &Found) -> Vec<Found> {
        let Some(id) = &bundled.runbook.id else { return Vec::new() };
        let mut found = self.own_named(id, id);
        found.retain(|found| found.runbook.reference().eq_ignore_ascii_case(id));
        found
    }

    /// The runbooks of added directories that have this name or this id, as their files are now. Without a database there
    /// are no directories of one's own, and where it cannot be read bundled runbooks stay usable.
    fn own_named(&self, name: &str, id: &str) -> Vec<Found> {
        if !self.home.database().exists() {
            return Vec::new();
        }
        match self.ask_index(|store| store.namesakes(&[(name.to_owned(), id.to_owned())])) {
            Ok(documents) => documents
                .into_iter()
                .flatten()
                .filter(|document| document.source != BUNDLED_SOURCE)
                .filter_map(|document| match catalog::read_path(Path::new(&document.path)) {
                    Ok(found) => Some(found),
                    Err(error) => {
                        tracing::warn!(%error, "a runbook of the catalog cannot be read");
                        None
                    }
                })
                .collect(),
            Err(error) => {
                self.without_directories(&error);
                Vec::new()
            }
        }
    }
}

/// The one that is meant, where all of several are the same.
fn only(mut found: Vec<Found>, reference: &str) -> Result<Found, CockpitError> {
    let mut digests: Vec<String> = Vec::new();
    found.retain(|one| {
        let fresh = !digests.contains(&one.digest);
        digests.push(one.digest.clone());
        fresh
    });
    if found.len() < 2 {
        return found.pop().ok_or_else(|| unknown(reference));
    }
    let ways: Vec<String> = found
        .iter()
        .map(|one| {
            let unique = |id: &&String| {
                found.iter().filter(|other| other.runbook.reference().eq_ignore_ascii_case(id)).count() == 1
            };
            match (one.runbook.id.as_ref().filter(unique), one.source.as_str()) {
                (Some(id), source) => format!("`{id}` ({source})"),
                (None, source) => format!("`{source}`"),
            }
        })
        .collect();
    Err(CockpitError::user(format!("{} runbooks are called `{reference}`", found.len()))
        .hint(format!("say which one: {}", ways.join(" or "))))
}

fn unknown(reference: &str) -> CockpitError {
    let near = catalog::references(catalog::bundled().values().map(|found| found.runbook.as_ref()))
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &reference.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let error = CockpitError::user(format!("there is no runbook `{reference}`"));
    match near {
        Some((_, name)) => error.hint(format!("did you mean `{name}`?")),
        None => error.hint(format!("`belay search {reference}` looks for it by what it is about")),
    }
}
