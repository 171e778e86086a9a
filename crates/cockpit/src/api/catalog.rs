//! Searching and reading the catalog.

use std::path::PathBuf;

use super::call::{Done, Nothing};
use super::{
    AlertAnswer, AlertRequest, AlertView, Api, DirectoryRequest, FindingView, RotView, RunbookPage, RunbookRequest,
    SearchAnswer, SearchRequest, SourceAdded, facets, runbook as page,
};
use crate::error::CockpitError;
use crate::library::MOST_HITS;
use crate::{CatalogSource, ExecutionFilter, RotQuery, SearchQuery};

/// Runbooks that are shown for one alert.
const FOR_AN_ALERT: usize = 5;
/// Executions that a runbook's page shows.
const HISTORY: usize = 20;

pub(super) fn search(api: &Api, request: SearchRequest) -> Result<SearchAnswer, CockpitError> {
    let query = SearchQuery {
        text: request.query,
        alert: None,
        service: request.service,
        severity: request.severity,
        category: request.category,
        domain: request.domain,
        tags: request.tags,
        // One more says that there are more.
        limit: MOST_HITS + 1,
    };
    let mut hits = api.cockpit().search(&query)?;
    let more = hits.len() > MOST_HITS;
    hits.truncate(MOST_HITS);
    let facets = facets::of(&hits);
    let total = hits.len();
    if request.limit > 0 {
        hits.truncate(request.limit as usize);
    }
    Ok(SearchAnswer { hits, total, more, facets })
}

pub(super) fn alert(api: &Api, request: AlertRequest) -> Result<AlertAnswer, CockpitError> {
    let report = api.cockpit().triage(request.payload.as_bytes(), request.fingerprint.as_deref(), FOR_AN_ALERT)?;
    let alerts = report
        .alerts
        .into_iter()
        .map(|triaged| AlertView {
            name: triaged.name,
            resolved: triaged.resolved,
            fingerprint: triaged.fingerprint,
            labels: triaged.labels,
            annotations: triaged.annotations,
            starts_at: triaged.starts_at,
            duplicates: triaged.duplicates,
            runbooks: triaged.runbooks,
            value: triaged.alert.as_sent(),
        })
        .collect();
    Ok(AlertAnswer { alerts, notes: report.notes })
}

pub(super) fn runbook(api: &Api, request: RunbookRequest) -> Result<RunbookPage, CockpitError> {
    let cockpit = api.cockpit();
    let found = cockpit.find(&request.runbook)?;
    let reference = found.runbook.reference().to_owned();
    let findings = cockpit.validate_texts(&[(found.source.clone(), found.text.as_bytes().to_vec())]);
    // Without a database there is no history, and the runbook can be read all the same.
    let (statistics, history) = match cockpit.statistics(&reference) {
        Ok(statistics) => {
            let filter = ExecutionFilter { status: None, runbook: Some(reference) };
            let mut history = cockpit.executions(&filter)?;
            history.truncate(HISTORY);
            (statistics, history)
        }
        Err(error) => {
            tracing::warn!(%error, "the history of a runbook cannot be read");
            Default::default()
        }
    };
    Ok(RunbookPage {
        runbook: page::view(cockpit, &found.runbook, &std::collections::BTreeMap::new()),
        findings: findings.iter().map(FindingView::from).collect(),
        statistics,
        history,
        unavailable: cockpit.unavailable(&found.runbook).into_iter().collect(),
        source: found.source,
        digest: found.digest,
        text: found.text.to_string(),
    })
}

pub(super) fn sources(api: &Api, _: Nothing) -> Result<Vec<CatalogSource>, CockpitError> {
    api.cockpit().catalog_list()
}

pub(super) fn add(api: &Api, request: DirectoryRequest) -> Result<SourceAdded, CockpitError> {
    let report = api.cockpit().catalog_add(&directory(&request))?;
    Ok(SourceAdded {
        path: report.path,
        runbooks: report.runbooks,
        findings: report.findings.iter().map(FindingView::from).collect(),
    })
}

pub(super) fn remove(api: &Api, request: DirectoryRequest) -> Result<Done, CockpitError> {
    api.cockpit().catalog_remove(&directory(&request))?;
    Ok(Done {})
}

/// People type `~`, and no shell is here to read it.
fn directory(request: &DirectoryRequest) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match request.path.trim() {
        "~" => home().unwrap_or_else(|| PathBuf::from("~")),
        path => match (path.strip_prefix("~/"), home()) {
            (Some(below), Some(home)) => home.join(below),
            (Some(_) | None, _) => PathBuf::from(path),
        },
    }
}

pub(super) async fn rot(api: &Api, _: Nothing) -> Result<RotView, CockpitError> {
    let report = api.cockpit().rot(&RotQuery::default()).await?;
    Ok(RotView { runbooks: report.runbooks, findings: report.findings.iter().map(FindingView::from).collect() })
}
