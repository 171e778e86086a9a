//! The four ways to patch an object.

pub mod apply;
mod fields;
pub mod strategic;

use serde_json::Value;

use super::kinds::Kind;
use super::status::Refusal;

pub use fields::track;

/// How a patch is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Lists are merged by their keys.
    Strategic,
    /// Server-side apply.
    Apply,
}

const TYPES: [(&str, PatchType); 4] = [
    ("application/json-patch+json", PatchType::Json),
    ("application/merge-patch+json", PatchType::Merge),
    ("application/apply-patch+yaml", PatchType::Apply),
    ("application/strategic-merge-patch+json", PatchType::Strategic),
];

impl PatchType {
    /// The type that a `Content-Type` names, where the resource takes it.
    pub fn of(kind: &Kind, content_type: &str) -> Result<Self, Refusal> {
        let wanted = content_type.split(';').next().unwrap_or_default().trim();
        let taken = |found: PatchType| found != Self::Strategic || !kind.is_custom();
        TYPES.iter().find(|(name, found)| *name == wanted && taken(*found)).map(|(_, found)| *found).ok_or_else(|| {
            let accepted: Vec<&str> = TYPES.iter().filter(|(_, found)| taken(*found)).map(|(name, _)| *name).collect();
            Refusal::media_type(&accepted)
        })
    }
}

/// The object with a patch of one of the first three types applied.
pub fn patched(kind: &Kind, old: &Value, patch: &Value, how: PatchType) -> Result<Value, Refusal> {
    let mut new = old.clone();
    match how {
        PatchType::Json => {
            let patch: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(&mut new, &patch).map_err(|error| {
                let name = super::json::name(old);
                Refusal {
                    code: 422,
                    reason: "Invalid",
                    message: format!("the server rejected our request due to an error in our request: {error}"),
                    details: Some(serde_json::json!({ "kind": kind.plural, "name": name })),
                    retry_after: None,
                }
            })?;
        }
        PatchType::Merge => json_patch::merge(&mut new, patch),
        PatchType::Strategic | PatchType::Apply => strategic::apply(&mut new, patch)?,
    }
    Ok(new)
}
