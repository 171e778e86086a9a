//! The directories of the catalog, and what is rotten in it.

use belay_cockpit::RotQuery;
use belay_runbook::finding::FindingLevel;
use belay_runbook::report;
use serde_json::json;

use super::find::ended;
use super::{Desk, wait};
use crate::arguments::{Catalog, CatalogCheck, ValidateFormat};
use crate::failure::{Exit, Failure};
use crate::render::{findings, lists, rot};
use crate::{page, text};

pub fn catalog(desk: &Desk, catalog: &Catalog) -> Result<Exit, Failure> {
    let style = desk.settings.style;
    match catalog {
        Catalog::Add(directory) => {
            let report = desk.cockpit.catalog_add(&directory.dir)?;
            desk.show(&report, || {
                let mut out = String::new();
                if !report.findings.is_empty() {
                    out.push_str(&findings::text(&report.findings, 1, style));
                }
                let count = text::count(report.runbooks, "runbook", "runbooks");
                put!(out, "added {} with {count}\n", text::line(&report.path));
                out
            })?;
        }
        Catalog::Remove(directory) => {
            desk.cockpit.catalog_remove(&directory.dir)?;
            let path = directory.dir.display().to_string();
            desk.show(&json!({ "removed": path }), || format!("removed {}; its files stay\n", text::line(&path)))?;
        }
        Catalog::List => {
            let sources = desk.cockpit.catalog_list()?;
            desk.show(&sources, || lists::sources(&sources, style))?;
        }
        Catalog::Check(check) => return self::check(desk, check),
    }
    Ok(Exit::Done)
}

fn check(desk: &Desk, check: &CatalogCheck) -> Result<Exit, Failure> {
    let query = RotQuery { rules: check.rules.clone(), links: check.links, own: check.own };
    let report = wait(async { Ok(desk.cockpit.rot(&query).await?) })?;
    match check.format {
        ValidateFormat::Sarif => page::print(&ended(report::sarif(&report.findings)))?,
        ValidateFormat::Json => page::json(&json!(report))?,
        ValidateFormat::Text => desk.show(&report, || rot::report(&report, desk.settings.style))?,
    }
    let wrong = report.findings.iter().any(|finding| finding.severity == FindingLevel::Error);
    Ok(if wrong { Exit::Failed } else { Exit::Done })
}
