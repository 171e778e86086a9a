//! Contexts: where Belay acts, with the named services that templates see as `.Config`.

mod edit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use belay_actions::kubernetes::{ClusterAccess, ClusterReport, Needed};
use belay_runbook::act::Unread;
use belay_runbook::action::ActionCatalog as _;
use belay_runbook::policy::is_production;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ts_rs::TS;

use crate::Cockpit;
use crate::error::{CockpitError, ErrorClass};
use crate::home::Home;

/// The context of a device without any configured one. It is not production.
pub const LOCAL: &str = "local";

/// Where Belay acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// Its environment, which the policy reads.
    pub environment: String,
    /// Its named services.
    pub config: Value,
    /// The cluster that it acts on, a [`ClusterAccess`]; none where it names none.
    pub cluster: Option<Value>,
    /// Namespaces that it protects, besides those of the policy.
    pub protected: Vec<String>,
}

/// A context as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct ContextView {
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Whether that is production, as the policy sees it.
    pub production: bool,
    /// Whether it is used where nobody says otherwise.
    pub current: bool,
    /// Names of its services.
    pub services: Vec<String>,
    /// The cluster that it acts on, as the kubeconfig names it.
    pub cluster: Option<String>,
    /// The namespace of what names none.
    pub namespace: Option<String>,
    /// Namespaces that it protects, besides those of the policy.
    pub protected: Vec<String>,
}

/// What was found where a context acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextReport {
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Its cluster; none where it names none.
    pub cluster: Option<ClusterReport>,
}

impl Context {
    /// What actions see of it.
    fn seen(&self) -> Value {
        json!({ "name": self.name, "environment": self.environment, "config": self.config, "kubernetes": self.cluster })
    }
}

impl Cockpit {
    /// Goes where a context acts, and looks at what may be done there. Changes nothing.
    ///
    /// # Errors
    /// There is no such context, or its cluster cannot be reached.
    pub async fn check_context(&self, name: Option<&str>) -> Result<ContextReport, CockpitError> {
        let context = self.contexts_file()?.choose(name.or(self.options.context.as_deref()))?;
        let cluster = if context.cluster.is_some() {
            let names = self.registry().names();
            let specs = names.iter().filter_map(|name| self.registry().spec(name));
            let needed: Vec<Needed<'_>> = specs.map(|spec| Needed { spec, namespace: None }).collect();
            Some(self.rights(&context, &needed).await?)
        } else {
            None
        };
        Ok(ContextReport { name: context.name, environment: context.environment, cluster })
    }

    /// The cluster of a context, with the rights that some actions need there.
    pub(crate) async fn rights(&self, context: &Context, needed: &[Needed<'_>]) -> Result<ClusterReport, CockpitError> {
        self.examine(context, needed).await.map_err(|problem| CockpitError {
            class: ErrorClass::Environment,
            message: format!("context `{}`: {problem}", context.name),
            hint: None,
        })
    }

    /// The same; why not says whether a login has expired.
    pub(crate) async fn examine(&self, context: &Context, needed: &[Needed<'_>]) -> Result<ClusterReport, Unread> {
        self.registry().clusters().examine(&context.seen(), needed).await
    }
}

/// The file `contexts.yaml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextsFile {
    /// Used where nobody says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, ContextEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextEntry {
    environment: String,
    /// `.Config`: services by name under `services`, and any named endpoint.
    #[serde(default)]
    config: Value,
    /// The cluster that it acts on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kubernetes: Option<ClusterAccess>,
    /// Namespaces that are protected here, `*` for any characters.
    #[serde(default, rename = "protectedNamespaces", skip_serializing_if = "Vec::is_empty")]
    protected: Vec<String>,
}

/// The contexts of a home.
#[derive(Debug, Clone)]
pub struct Contexts {
    file: ContextsFile,
    /// Where the file lies; relative paths in it are seen from there.
    folder: PathBuf,
}

impl Contexts {
    /// Reads the file; without one there is only [`LOCAL`].
    pub fn read(home: &Home) -> Result<Self, CockpitError> {
        let path = home.contexts();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { file: ContextsFile::default(), folder: PathBuf::new() });
            }
            Err(error) => {
                return Err(CockpitError::environment(&format!("`{}` cannot be read", path.display()), &error));
            }
        };
        let file = serde_saphyr::from_str(&text).map_err(|error| {
            CockpitError::user(format!("`{}`: {error}", path.display()))
                .hint("it has `current` and `contexts`, each with `environment`, `config`, `kubernetes` and `protectedNamespaces`")
        })?;
        let contexts = Self { file, folder: path.parent().map(Path::to_owned).unwrap_or_default() };
        contexts.check()?;
        Ok(contexts)
    }

    /// The context of a name, of the file's `current`, or [`LOCAL`].
    pub fn choose(&self, name: Option<&str>) -> Result<Context, CockpitError> {
        let name = name.or(self.file.current.as_deref()).unwrap_or(LOCAL);
        match self.file.contexts.get(name) {
            Some(entry) => {
                let config = if entry.config.is_null() { json!({}) } else { entry.config.clone() };
                let cluster = entry.kubernetes.as_ref().map(|access| json!(self.settled(access)));
                let (environment, protected) = (entry.environment.clone(), entry.protected.clone());
                Ok(Context { name: name.to_owned(), environment, config, cluster, protected })
            }
            None if name == LOCAL => {
                let (name, environment) = (LOCAL.to_owned(), LOCAL.to_owned());
                Ok(Context { name, environment, config: json!({}), cluster: None, protected: Vec::new() })
            }
            None => Err(CockpitError::user(format!("there is no context `{name}`"))
                .hint(format!("`belay context list` shows them: {}", self.names().join(", ")))),
        }
    }

    /// Checks what contexts say of clusters.
    fn check(&self) -> Result<(), CockpitError> {
        let accesses = self.file.contexts.iter().filter_map(|(name, entry)| Some((name, entry.kubernetes.as_ref()?)));
        for (name, access) in accesses {
            access.check().map_err(|problem| {
                CockpitError::user(format!("context `{name}`: `kubernetes`: {problem}"))
                    .hint("`kubernetes: {context: NAME, namespace: NAME}` names a context of the kubeconfig")
            })?;
        }
        Ok(())
    }

    /// A way to a cluster whose kubeconfig is named from the root: it is written from the file's folder, or from `~`.
    fn settled(&self, access: &ClusterAccess) -> ClusterAccess {
        let from_root = |path: &PathBuf| {
            let of_home = path.strip_prefix("~").ok().zip(std::env::home_dir()).map(|(rest, home)| home.join(rest));
            of_home.unwrap_or_else(|| self.folder.join(path))
        };
        ClusterAccess { kubeconfig: access.kubeconfig.as_ref().map(from_root), ..access.clone() }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.file.contexts.keys().cloned().collect();
        if !self.file.contexts.contains_key(LOCAL) {
            names.push(LOCAL.to_owned());
        }
        names
    }

    /// Every context, [`LOCAL`] included.
    pub fn views(&self) -> Result<Vec<ContextView>, CockpitError> {
        let current = self.choose(None)?.name;
        self.names()
            .into_iter()
            .map(|name| {
                let context = self.choose(Some(&name))?;
                let services = context.config.get("services").and_then(Value::as_object);
                let access = self.file.contexts.get(&name).and_then(|entry| entry.kubernetes.as_ref());
                Ok(ContextView {
                    current: name == current,
                    cluster: access.map(|access| access.context.clone().unwrap_or_else(|| "in cluster".to_owned())),
                    namespace: access.and_then(|access| access.namespace.clone()),
                    protected: context.protected,
                    name,
                    production: is_production(&context.environment),
                    environment: context.environment,
                    services: services.map(|services| services.keys().cloned().collect()).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The text of the file with another current context and everything else as it was, where one line says so.
    fn chosen_in(&self, text: &str, name: &str) -> Option<String> {
        let text = edit::with_current(text, name)?;
        let read: ContextsFile = serde_saphyr::from_str(&text).ok()?;
        (json!(read) == json!(self.file)).then_some(text)
    }

    /// Makes a context the one that is used where nobody says otherwise.
    pub fn set_current(&mut self, home: &Home, name: &str) -> Result<(), CockpitError> {
        self.choose(Some(name))?;
        self.file.current = Some(name.to_owned());
        home.ensure()?;
        let path = home.contexts();
        let text = match fs::read_to_string(&path).ok().and_then(|text| self.chosen_in(&text, name)) {
            Some(text) => text,
            None => serde_saphyr::to_string(&self.file)
                .map_err(|error| CockpitError::bug(format!("contexts cannot be written as YAML: {error}")))?,
        };
        let draft = path.with_extension("yaml.new");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|error| CockpitError::environment(&format!("`{}` cannot be written", path.display()), &error))
    }
}
