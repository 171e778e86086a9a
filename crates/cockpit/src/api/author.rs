//! Writing runbooks, with findings while they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use belay_runbook::format;
use belay_runbook::revision::Bump;

use super::call::Done;
use super::{
    Api, DraftRequest, EditView, FindingView, KeepRequest, KeptView, RunbookRequest, ValidateRequest, Validated,
    runbook as page,
};
use crate::error::CockpitError;
use crate::files;
use crate::{Edit, Revision};

/// What a text without a file is called in findings.
const NAMELESS: &str = "<draft>";

pub(super) fn validate(api: &Api, request: ValidateRequest) -> Result<Validated, CockpitError> {
    look_over(api, NAMELESS, &request.text)
}

fn look_over(api: &Api, name: &str, text: &str) -> Result<Validated, CockpitError> {
    let findings = api.cockpit().validate_texts(&[(name.to_owned(), text.as_bytes().to_vec())]);
    let preview = format::parse(name, text.as_bytes()).runbook;
    Ok(Validated {
        findings: findings.iter().map(FindingView::from).collect(),
        preview: preview.map(|runbook| page::view(api.cockpit(), &runbook, &BTreeMap::new())),
    })
}

pub(super) fn edit(api: &Api, request: RunbookRequest) -> Result<EditView, CockpitError> {
    let own = match api.cockpit().own_directory()? {
        Some(own) => own,
        // A bundled runbook is copied; a folder in the home makes that possible without asking first.
        None => own_folder(api)?,
    };
    let edit = api.cockpit().begin_edit(&request.runbook, Some(&own))?;
    let text = std::fs::read_to_string(&edit.draft)
        .map_err(|error| CockpitError::environment(&format!("`{}` cannot be read", edit.draft.display()), &error))?;
    let view =
        EditView { text, target: edit.target.display().to_string(), copies: edit.copies, left_over: edit.left_over };
    api.edits.lock().unwrap_or_else(PoisonError::into_inner).insert(request.runbook, edit);
    Ok(view)
}

/// A folder for runbooks of one's own, in the catalog from then on.
fn own_folder(api: &Api) -> Result<PathBuf, CockpitError> {
    let folder = api.cockpit().home().dir().join("runbooks");
    std::fs::create_dir_all(&folder)
        .map_err(|error| CockpitError::environment(&format!("`{}` cannot be made", folder.display()), &error))?;
    api.cockpit().catalog_add(&folder)?;
    Ok(folder)
}

pub(super) fn save_draft(api: &Api, request: DraftRequest) -> Result<Validated, CockpitError> {
    let edit = under_way(api, &request.runbook)?;
    files::write(&edit.draft, request.text.as_bytes(), true)
        .map_err(|error| CockpitError::environment(&format!("`{}` cannot be written", edit.draft.display()), &error))?;
    look_over(api, &edit.target.display().to_string(), &request.text)
}

pub(super) fn keep_draft(api: &Api, request: KeepRequest) -> Result<KeptView, CockpitError> {
    let edit = under_way(api, &request.runbook)?;
    let bump = match request.bump.as_deref() {
        None | Some("") => None,
        Some("major") => Some(Bump::Major),
        Some("minor") => Some(Bump::Minor),
        Some("patch") => Some(Bump::Patch),
        Some(other) => {
            return Err(CockpitError::user(format!("`{other}` is no part of a version"))
                .hint("it is `major`, `minor` or `patch`"));
        }
    };
    let changes = request.changes.trim();
    let revision = (!changes.is_empty()).then(|| Revision { changes: changes.to_owned(), bump });
    let kept = api.cockpit().keep_draft(&edit, revision.as_ref())?;
    forget(api, &request.runbook);
    Ok(KeptView { path: kept.path.display().to_string(), version: kept.version })
}

pub(super) fn discard_draft(api: &Api, request: RunbookRequest) -> Result<Done, CockpitError> {
    let edit = under_way(api, &request.runbook)?;
    api.cockpit().discard_draft(&edit)?;
    forget(api, &request.runbook);
    Ok(Done {})
}

fn under_way(api: &Api, runbook: &str) -> Result<Edit, CockpitError> {
    let edits = api.edits.lock().unwrap_or_else(PoisonError::into_inner);
    edits.get(runbook).cloned().ok_or_else(|| {
        CockpitError::user(format!("no edit of `{runbook}` is under way"))
            .hint("open the editor again; the draft is kept")
    })
}

fn forget(api: &Api, runbook: &str) {
    api.edits.lock().unwrap_or_else(PoisonError::into_inner).remove(runbook);
}
