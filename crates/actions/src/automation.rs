//! The automation registry: the bundled definitions, and those of the user's directories.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use belay_runbook::automation::{AutomationSpec, ExpandError, Expansion};
use belay_runbook::finding::{Finding, FindingLevel, Position};
use serde_json::Value;

/// The bundled definitions by file name.
const BUNDLED: &[(&str, &str)] = &[
    ("database_failover.yaml", include_str!("../automations/database_failover.yaml")),
    ("llm_provider_failover.yaml", include_str!("../automations/llm_provider_failover.yaml")),
    ("scale_service.yaml", include_str!("../automations/scale_service.yaml")),
];

/// Automations by name.
#[derive(Debug, Clone, Default)]
pub struct Automations {
    specs: BTreeMap<String, AutomationSpec>,
    /// The files that they were read from, for an execution to keep.
    texts: BTreeMap<String, Arc<str>>,
}

/// Why an automation could not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is none of that name.
    #[error("there is no automation `{0}`")]
    Unknown(String),
    /// Its parameters are wrong.
    #[error(transparent)]
    Expand(#[from] ExpandError),
}

impl Automations {
    /// The bundled automations.
    pub fn bundled() -> Self {
        let mut automations = Self::default();
        for (file, text) in BUNDLED {
            // A bundled file that does not load is found by a test; a finding here would have no reader.
            for finding in automations.load(file, text.as_bytes()) {
                tracing::error!(%finding, "a bundled automation has a finding");
            }
        }
        automations
    }

    /// Adds a definition; one of the same name is replaced. A file with errors adds nothing.
    pub fn load(&mut self, file: &str, bytes: &[u8]) -> Vec<Finding> {
        let (spec, findings) = AutomationSpec::parse(file, bytes);
        if let Some(spec) = spec {
            self.add(spec, bytes);
        }
        findings
    }

    /// Adds every `*.yaml` and `*.yml` of a directory, in the order of their names, so that a user's automation replaces
    /// the bundled one. A directory that is not there holds none.
    pub fn load_directory(&mut self, directory: &Path) -> Vec<Finding> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => return vec![unreadable(directory, &error)],
        };
        let mut findings = Vec::new();
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => findings.push(unreadable(directory, &error)),
            }
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
        paths.sort();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for path in paths {
            let file = path.display().to_string();
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    findings.push(unreadable(&path, &error));
                    continue;
                }
            };
            let (spec, more) = AutomationSpec::parse(&file, &bytes);
            findings.extend(more);
            let Some(spec) = spec else { continue };
            if let Some(first) = names.insert(spec.name.clone(), file.clone()) {
                let message = format!("automation `{}` is defined in `{first}` already", spec.name);
                findings.push(finding(&file, FindingLevel::Warning, message, "keep one of them; the last one counts"));
            }
            self.add(spec, &bytes);
        }
        findings
    }

    fn add(&mut self, spec: AutomationSpec, bytes: &[u8]) {
        self.texts.insert(spec.name.clone(), Arc::from(String::from_utf8_lossy(bytes).as_ref()));
        self.specs.insert(spec.name.clone(), spec);
    }

    /// The file that an automation was read from.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.texts.get(name).cloned()
    }

    /// Finds an automation.
    pub fn get(&self, name: &str) -> Option<&AutomationSpec> {
        self.specs.get(name)
    }

    /// Every automation, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &AutomationSpec> {
        self.specs.values()
    }

    /// What an automation performs, given its parameters.
    pub fn expand(&self, name: &str, parameters: &Value) -> Result<Expansion, CallError> {
        let spec = self.get(name).ok_or_else(|| CallError::Unknown(name.to_owned()))?;
        Ok(spec.expand(parameters)?)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let message = format!("it could not be read: {error}");
    finding(&path.display().to_string(), FindingLevel::Error, message, "check its permissions")
}

fn finding(file: &str, severity: FindingLevel, message: String, hint: &str) -> Finding {
    Finding {
        file: file.to_owned(),
        position: Position { line: 1, column: 1 },
        rule: "automation",
        severity,
        message,
        hint: Some(hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use belay_runbook::automation::AutomationUndo;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_bundled_automation_loads_without_findings() {
        let mut automations = Automations::default();
        for (file, text) in BUNDLED {
            assert_eq!(automations.load(file, text.as_bytes()), [], "{file}");
        }
        let names: Vec<&str> = automations.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["database_failover", "llm_provider_failover", "scale_service"]);
    }

    #[test]
    fn the_guides_parameters_are_enough() {
        let automations = Automations::bundled();
        let scale = json!({ "deployment_name": "api", "namespace": "shop", "replicas": "5" });
        assert_eq!(automations.expand("scale_service", &scale).unwrap().variables["replicas"], 5);
        let failover = automations.expand("llm_provider_failover", &json!({ "target_provider": "azure" })).unwrap();
        assert!(matches!(failover.undo, AutomationUndo::Parts(_)));
        let promote = automations.expand("database_failover", &json!({ "replica_host": "db-1.internal" })).unwrap();
        assert!(matches!(promote.undo, AutomationUndo::Irreversible(_)));
        assert!(automations.expand("database_failover", &json!({ "replica_host": "-oops" })).is_err());
    }

    #[test]
    fn a_users_automation_replaces_the_bundled_one_and_a_bad_file_is_a_finding() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "name: scale_service\ndescription: ours\ndo: ['true']\n").unwrap();
        std::fs::write(folder.path().join("b.yaml"), "name: broken\n").unwrap();
        let mut automations = Automations::bundled();
        let findings = automations.load_directory(folder.path());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].file.ends_with("b.yaml"));
        assert_eq!(automations.get("scale_service").unwrap().description, "ours");
        assert!(automations.get("broken").is_none());
    }
}
