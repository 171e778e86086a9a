//! The catalog: search as one types, facets, and a preview where there is room.

use belay_cockpit::api::{Answer, Call, CallError, Event, RunbookPage, RunbookRequest, SearchAnswer, SearchRequest};
use belay_cockpit::wire::SearchHit;

use crate::cockpit::field::Field;
use crate::cockpit::message::Key;
use crate::cockpit::scroll::{List, Motion};
use crate::cockpit::state::{Desk, Size};
use crate::render::lists::reference;

/// Rows that a hit takes.
pub const HIT_ROWS: usize = 2;
/// Rows above the hits: the search, what it found, a space.
pub const HEAD_ROWS: usize = 3;

/// The catalog.
#[derive(Debug)]
pub struct Catalog {
    /// What is searched for.
    pub field: Field,
    /// Whether keys go into the field.
    pub typing: bool,
    /// What narrows the search; its query stands in the field.
    pub narrowed: SearchRequest,
    /// The last answer.
    pub found: Option<SearchAnswer>,
    /// Why the last search failed.
    pub error: Option<CallError>,
    /// Which hit is selected.
    pub list: List,
    /// The selected runbook, where it is shown beside the list.
    pub preview: Option<RunbookPage>,
    /// The search that is under way; there is one at most.
    asked: Option<u64>,
    /// What changed since then.
    changed: bool,
    /// What the preview was asked for.
    previewed: String,
    /// Enter was pressed before what was typed had been searched for: the best hit opens when it is known.
    pub opens: bool,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            field: Field::default(),
            typing: true,
            narrowed: SearchRequest::default(),
            found: None,
            error: None,
            list: List::default(),
            preview: None,
            asked: None,
            changed: false,
            previewed: String::new(),
            opens: false,
        }
    }
}

impl Catalog {
    /// Hits that are seen at once.
    pub fn seen(size: Size) -> usize {
        (size.page_rows().saturating_sub(HEAD_ROWS) / HIT_ROWS).max(1)
    }

    /// The hits.
    pub fn hits(&self) -> &[SearchHit] {
        self.found.as_ref().map_or(&[], |found| &found.hits)
    }

    /// The selected hit.
    pub fn selected(&self) -> Option<&SearchHit> {
        self.hits().get(self.list.selected)
    }

    /// Whether what was typed is found now and is to be opened; says so once.
    pub fn opens_now(&mut self) -> bool {
        !self.is_searching() && std::mem::take(&mut self.opens)
    }

    /// Whether an answer is on its way.
    pub fn is_searching(&self) -> bool {
        self.asked.is_some()
    }

    /// Searches; while a search is under way the next one waits for it, so that typing never queues them up.
    pub fn ask(&mut self, desk: &mut Desk<'_>) {
        if self.asked.is_some() {
            self.changed = true;
            return;
        }
        self.changed = false;
        let request = SearchRequest { query: self.field.text().trim().to_owned(), ..self.narrowed.clone() };
        self.asked = Some(desk.ask(Call::Search(request)));
    }

    /// Begins anew: what is selected may be another runbook.
    fn search(&mut self, desk: &mut Desk<'_>) {
        self.list = List::default();
        self.ask(desk);
    }

    pub(super) fn answered(&mut self, n: u64, answer: Result<Answer, CallError>, desk: &mut Desk<'_>) {
        if self.asked == Some(n) {
            self.asked = None;
            match answer {
                Ok(Answer::Search(found)) => {
                    self.found = Some(*found);
                    self.error = None;
                }
                Ok(_) => {}
                Err(error) => self.error = Some(error),
            }
            self.settle(desk);
            if self.changed {
                self.ask(desk);
            }
        } else if let Ok(Answer::Runbook(page)) = answer {
            self.preview = Some(*page);
        }
    }

    pub(super) fn told(&mut self, event: &Event, desk: &mut Desk<'_>) {
        let ended = matches!(event, Event::Execution { view, .. } if view.summary.finished_at.is_some());
        if ended || matches!(event, Event::CatalogChanged { .. }) {
            self.previewed.clear();
            self.ask(desk);
        }
    }

    pub(super) fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        self.list.go(motion, self.hits().len(), Self::seen(desk.size));
        self.show_beside(desk);
    }

    pub(super) fn settle(&mut self, desk: &mut Desk<'_>) {
        self.list.settle(self.hits().len(), Self::seen(desk.size));
        self.show_beside(desk);
    }

    fn show_beside(&mut self, desk: &mut Desk<'_>) {
        let wanted = self.selected().map(reference).unwrap_or_default();
        if !desk.size.is_wide() || wanted == self.previewed {
            return;
        }
        self.preview = None;
        self.previewed.clone_from(&wanted);
        if !wanted.is_empty() {
            desk.ask(Call::Runbook(RunbookRequest { runbook: wanted }));
        }
    }

    /// Whether the preview is of the selected runbook.
    pub fn previewed(&self) -> Option<&RunbookPage> {
        let hit = self.selected()?;
        self.preview.as_ref().filter(|page| page.runbook.id == hit.id)
    }

    pub(super) fn press(&mut self, key: &Key, desk: &mut Desk<'_>) -> bool {
        self.opens = false;
        if !self.typing {
            return false;
        }
        match key.name.as_str() {
            // What is shown may not be what was typed; it is not opened in its place.
            "Enter" if self.is_searching() => self.opens = true,
            "Esc" | "Tab" => self.typing = false,
            "Up" => self.go(Motion::Up, desk),
            "Down" => self.go(Motion::Down, desk),
            "PageUp" => self.go(Motion::PageUp, desk),
            "PageDown" => self.go(Motion::PageDown, desk),
            // Enter opens what is selected; other keys that type nothing have their meaning everywhere.
            _ if key.request.is_none() => return false,
            _ if self.field.press(key) => self.search(desk),
            _ => {}
        }
        true
    }

    pub(super) fn paste(&mut self, text: &str, desk: &mut Desk<'_>) {
        if self.field.paste(text) {
            self.typing = true;
            self.search(desk);
        }
    }

    /// Narrows the search by a value, or not any more where it was narrowed by it.
    pub fn facet(&mut self, name: &str, value: &str, desk: &mut Desk<'_>) {
        let one = match name {
            "severity" => &mut self.narrowed.severity,
            "category" => &mut self.narrowed.category,
            "domain" => &mut self.narrowed.domain,
            "service" => &mut self.narrowed.service,
            _ => {
                let tags = &mut self.narrowed.tags;
                match tags.iter().position(|tag| tag == value) {
                    Some(index) => drop(tags.remove(index)),
                    None => tags.push(value.to_owned()),
                }
                return self.search(desk);
            }
        };
        *one = if one.as_deref() == Some(value) { None } else { Some(value.to_owned()) };
        self.search(desk);
    }

    /// Shows everything again.
    pub fn widen(&mut self, desk: &mut Desk<'_>) {
        self.narrowed = SearchRequest::default();
        self.field = Field::default();
        self.search(desk);
    }

    /// Whether nothing that was found says what was typed.
    pub fn is_weak(&self) -> bool {
        !self.hits().is_empty() && self.hits().iter().all(|hit| hit.weak)
    }

    /// What the search is narrowed by, in words.
    pub fn narrowing(&self) -> Vec<(&'static str, &str)> {
        let narrowed = &self.narrowed;
        let mut all: Vec<(&'static str, &str)> = Vec::new();
        all.extend(narrowed.severity.as_deref().map(|value| ("severity", value)));
        all.extend(narrowed.category.as_deref().map(|value| ("category", value)));
        all.extend(narrowed.domain.as_deref().map(|value| ("domain", value)));
        all.extend(narrowed.service.as_deref().map(|value| ("service", value)));
        all.extend(narrowed.tags.iter().map(|tag| ("tag", tag.as_str())));
        all
    }
}
