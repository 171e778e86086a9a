//! The settings of a service in a config map: reading them, and writing some of them.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::Patch;
use serde_json::{Map, Value, json};

use super::document::{self, Format};
use super::{Service, Values};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, ours};

/// Where the settings of a service lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    namespace: String,
    config_map: String,
    key: Option<String>,
}

/// Settings as they were read.
pub(super) struct Live {
    pub(super) map: ConfigMap,
    /// The key that holds all of them; each is a key of its own where there is none.
    document: Option<(String, Format)>,
    settings: Value,
}

impl Place {
    /// The settings of a service.
    pub(super) fn of(service: &Service) -> Self {
        Self {
            namespace: service.namespace.clone(),
            config_map: service.entry.config_map.clone().unwrap_or_else(|| service.name.clone()),
            key: service.entry.config_key.clone(),
        }
    }

    /// What an approver types.
    pub(super) fn target(&self) -> String {
        format!("configmap/{}/{}", self.namespace, self.config_map)
    }

    fn api(&self, site: &Site<'_>) -> Api<ConfigMap> {
        site.api(&self.namespace)
    }

    fn asked<'a>(&'a self, verb: &'a str) -> Asked<'a> {
        Asked { verb, resource: "configmaps", name: &self.config_map, namespace: &self.namespace }
    }

    /// Reads the settings as they are.
    pub(super) async fn read(&self, site: &Site<'_>) -> Result<Live, Trouble> {
        let api = self.api(site);
        let map = match site.cluster.ask(&self.asked("get"), || api.get(&self.config_map)).await {
            Err(trouble) if trouble.is_missing() => {
                return Err(Trouble::refused(
                    404,
                    format!(
                        "there is no config map `{}` in {}; name the service's own as `kubernetes.configMap` of its entry \
                         in the file of contexts",
                        self.config_map, self.namespace
                    ),
                ));
            }
            read => read?,
        };
        if map.immutable == Some(true) {
            return Err(Trouble::before(format!("config map `{}` is immutable", self.config_map)));
        }
        let document = self.document(&map)?;
        let settings = match &document {
            None => Value::Object(map.data.iter().flatten().map(|(key, text)| (key.clone(), json!(text))).collect()),
            Some((key, format)) => {
                let text = map.data.as_ref().and_then(|data| data.get(key)).map_or("", String::as_str);
                format.read(text).map_err(|problem| {
                    Trouble::before(format!("`{key}` of config map `{}` cannot be read: {problem}", self.config_map))
                })?
            }
        };
        Ok(Live { map, document, settings })
    }

    /// The key that holds all settings: the one that the entry names, or the only one there is.
    fn document(&self, map: &ConfigMap) -> Result<Option<(String, Format)>, Trouble> {
        let keys: Vec<&str> = map.data.iter().flatten().map(|(key, _)| key.as_str()).collect();
        let Some(key) = &self.key else {
            return Ok(match keys.as_slice() {
                [only] => Format::of_key(only).map(|format| ((*only).to_owned(), format)),
                _ => None,
            });
        };
        let format = Format::of_key(key).ok_or_else(|| {
            Trouble::before(format!("`kubernetes.configKey: {key}` ends in neither `.yaml` nor `.json`"))
        })?;
        if keys.contains(&key.as_str()) {
            return Ok(Some((key.clone(), format)));
        }
        let has = if keys.is_empty() { "it is empty".to_owned() } else { format!("it has {}", keys.join(", ")) };
        Err(Trouble::before(format!("config map `{}` has no key `{key}`; {has}", self.config_map)))
    }

    /// The same settings, in the key that they were read from.
    pub(super) fn in_key(self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self }
    }

    /// Writes some settings into what was read, and metadata with them, in one request that names the version read.
    pub(super) async fn write(
        &self,
        site: &Site<'_>,
        live: &Live,
        values: &Values,
        mut metadata: Value,
    ) -> Result<Live, Trouble> {
        let data = live.patch(values).map_err(|problem| {
            Trouble::before(format!("config map `{}` cannot be written: {problem}", self.config_map))
        })?;
        metadata["uid"] = json!(live.map.metadata.uid);
        metadata["resourceVersion"] = json!(live.map.metadata.resource_version);
        let patch = Patch::Merge(json!({ "metadata": metadata, "data": data }));
        let (api, how) = (self.api(site), ours());
        let written = site.cluster.once(&self.asked("patch"), api.patch(&self.config_map, &how, &patch)).await;
        match written {
            Ok(map) => {
                let mut settings = live.settings.clone();
                document::put(&mut settings, values)?;
                Ok(Live { map, document: live.document.clone(), settings })
            }
            Err(trouble) if trouble.code() == Some(409) => Err(self.changed()),
            Err(trouble) => Err(trouble),
        }
    }

    /// What is said where somebody else was faster.
    pub(super) fn changed(&self) -> Trouble {
        Trouble::refused(
            409,
            format!("config map `{}` was changed since it was read; prepare it anew", self.config_map),
        )
    }
}

impl Live {
    /// The key of the document that holds all settings.
    pub(super) fn key(&self) -> Option<&str> {
        self.document.as_ref().map(|(key, _)| key.as_str())
    }

    /// What merging replaces, and what it puts there.
    pub(super) fn merge(&self, wanted: &Map<String, Value>) -> Result<(Values, Values), Trouble> {
        if self.document.is_some() {
            return Ok(document::merge(&self.settings, wanted));
        }
        let texts: Map<String, Value> = wanted.iter().map(text).collect::<Result<_, _>>()?;
        Ok(document::merge(&self.settings, &texts))
    }

    /// What the places of some values hold.
    pub(super) fn held(&self, places: &Values) -> Values {
        document::held(&self.settings, places)
    }

    /// Whether writing the document anew loses something that no setting is.
    pub(super) fn has_comments(&self) -> bool {
        let text = |(key, format): &(String, Format)| {
            (*format == Format::Yaml).then(|| self.map.data.as_ref()?.get(key)).flatten()
        };
        let text = self.document.as_ref().and_then(text);
        text.is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with('#') || line.contains(" #")))
    }

    /// Everything that the config map holds, as a short text that differs wherever it does.
    pub(super) fn digest(&self) -> String {
        crate::kubernetes::digest(&json!([self.map.data, self.map.binary_data]))
    }

    fn patch(&self, values: &Values) -> Result<Value, String> {
        let Some((key, format)) = &self.document else {
            let member = |(place, value): (&String, &Vec<Value>)| {
                let key = place.trim_start_matches('/').replace("~1", "/").replace("~0", "~");
                (key, value.first().cloned().unwrap_or(Value::Null))
            };
            return Ok(Value::Object(values.iter().map(member).collect()));
        };
        let mut settings = self.settings.clone();
        document::put(&mut settings, values).map_err(|trouble| trouble.to_string())?;
        if settings == self.settings {
            return Ok(json!({}));
        }
        Ok(json!({ key: format.write(&settings)? }))
    }
}

/// A setting that is a key of its own: a config map holds texts alone.
fn text((key, value): (&String, &Value)) -> Result<(String, Value), Trouble> {
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if key.is_empty() || key.len() > 253 || !key.chars().all(is_key) || matches!(key.as_str(), "." | "..") {
        return Err(Trouble::before(format!(
            "parameter `config`: `{}` is no key of a config map: letters, digits, `-`, `_` and `.`",
            key.escape_debug()
        )));
    }
    match value {
        Value::Null => Ok((key.clone(), Value::Null)),
        Value::String(text) => Ok((key.clone(), json!(text))),
        Value::Bool(_) | Value::Number(_) => Ok((key.clone(), json!(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Err(Trouble::before(format!(
            "parameter `config`: `{key}` is no text, and the settings are single keys of their config map; where they are \
             a document in one key, name it as `kubernetes.configKey` of the service's entry in the file of contexts"
        ))),
    }
}
