//! Credentials of a service in Secrets: which they are, and one request that changes one Secret.
//!
//! No value leaves this module but into the Secret: what is recorded and compared are versions and the ids of rotations.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::Patch;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::workload::{Running, Workload};
use super::{Named, Service, wrong};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, digest, is_name, ours};
use crate::redact::Redaction;

/// The annotation of a Secret with the id of its last rotation.
const ROTATION: &str = "sre.oversight.io/rotation";

/// What the key of a value that is kept ends in.
const PREVIOUS: &str = ".previous";

/// Bytes of randomness in a value that is made here.
const RANDOM: usize = 32;

/// A credential in the service's entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    /// The Secret.
    secret: String,
    /// The key in it.
    key: String,
    /// The secret of Belay's own with the new value, where another system issues it; a random one where absent.
    from: Option<String>,
    /// What reads it; what runs the service where absent.
    #[serde(default)]
    workloads: Vec<String>,
}

/// Which credentials of which service.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    pub(super) named: Named,
    scope: Option<String>,
}

/// The credentials in one Secret.
pub(super) struct Keys {
    pub(super) secret: String,
    namespace: String,
    /// The credentials by their names.
    pub(super) credentials: BTreeMap<String, Credential>,
}

/// A Secret as it was read.
pub(super) struct Live {
    object: Secret,
}

impl Parameters {
    pub(super) fn shown(&self) -> String {
        let scope = self.scope.as_deref().filter(|scope| *scope != "all").unwrap_or("all credentials");
        format!("{scope} of service {}", self.named.shown())
    }

    /// The credentials that are meant, by their Secrets.
    pub(super) fn keys(&self, service: &Service) -> Result<Vec<Keys>, Trouble> {
        let all = &service.entry.credentials;
        let wanted = self.scope.as_deref().filter(|scope| *scope != "all");
        if let Some(scope) = wanted.filter(|scope| !all.contains_key(*scope)) {
            let has: Vec<&str> = all.keys().map(String::as_str).collect();
            let has = if has.is_empty() { "it has none".to_owned() } else { format!("it has {}", has.join(", ")) };
            return Err(wrong(&service.name, &format!("`kubernetes.credentials` has no `{scope}`; {has}")));
        }
        if all.is_empty() {
            return Err(wrong(
                &service.name,
                "it names no credentials; `kubernetes.credentials: {NAME: {secret: SECRET, key: KEY}}` does",
            ));
        }
        let mut by_secret: BTreeMap<String, Keys> = BTreeMap::new();
        for (name, credential) in all.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)) {
            let key = &credential.key;
            let is_key = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
            if key.is_empty() || key.len() + PREVIOUS.len() > 253 || !key.chars().all(is_key) || key.ends_with(PREVIOUS)
            {
                return Err(wrong(
                    &service.name,
                    &format!("`kubernetes.credentials.{name}`: `{}` is no key", key.escape_debug()),
                ));
            }
            if !is_name(&credential.secret) {
                let secret = credential.secret.escape_debug();
                return Err(wrong(&service.name, &format!("`kubernetes.credentials.{name}`: `{secret}` is no name")));
            }
            let keys = by_secret.entry(credential.secret.clone()).or_insert_with(|| Keys {
                secret: credential.secret.clone(),
                namespace: service.namespace.clone(),
                credentials: BTreeMap::new(),
            });
            keys.credentials.insert(name.clone(), credential.clone());
        }
        Ok(by_secret.into_values().collect())
    }
}

impl Keys {
    /// `secret/NAMESPACE/NAME`.
    pub(super) fn object(&self) -> String {
        format!("secret/{}/{}", self.namespace, self.secret)
    }

    /// The annotation of a pod template that tells which rotation of this Secret its pods began with.
    pub(super) fn mark(&self) -> String {
        let name = digest(&json!(self.secret));
        format!("{ROTATION}-{}", name.get(..10).unwrap_or_default())
    }

    fn asked<'a>(&'a self, verb: &'a str) -> Asked<'a> {
        Asked { verb, resource: "secrets", name: &self.secret, namespace: &self.namespace }
    }

    pub(super) async fn read(&self, site: &Site<'_>) -> Result<Live, Trouble> {
        let api: Api<Secret> = site.api(&self.namespace);
        let object = site.cluster.ask(&self.asked("get"), || api.get(&self.secret)).await?;
        if object.immutable == Some(true) {
            return Err(Trouble::before(format!("secret `{}` is immutable", self.secret)));
        }
        let held = object.data.clone().unwrap_or_default();
        if let Some(missing) = self.credentials.values().find(|one| !held.contains_key(&one.key)) {
            return Err(Trouble::before(format!("secret `{}` has no key `{}`", self.secret, missing.key)));
        }
        Ok(Live { object })
    }

    /// What reads the credentials, each workload once.
    pub(super) async fn workloads(&self, site: &Site<'_>, service: &Service) -> Result<Vec<Running>, Trouble> {
        let mut found: Vec<Running> = Vec::new();
        for credential in self.credentials.values() {
            let mut readers = Vec::new();
            for named in &credential.workloads {
                readers.push(Workload::named(site, service, named).await?);
            }
            if readers.is_empty() {
                readers.push(Workload::of(site, service).await?);
            }
            for running in readers {
                if !found.iter().any(|known| known.target() == running.target()) {
                    found.push(running);
                }
            }
        }
        Ok(found)
    }

    /// Puts new values in place and keeps the old ones beside them.
    pub(super) async fn replace(&self, site: &Site<'_>, live: &Live, id: &str) -> Result<Live, Trouble> {
        let mut data = BTreeMap::new();
        let mut values = Vec::new();
        for (name, credential) in &self.credentials {
            let new = match &credential.from {
                Some(secret) => site
                    .surroundings
                    .secret(&format!("credentials.{name}.from"), secret)
                    .await
                    .map_err(|error| Trouble::before(error.to_string()))?,
                None => random()?,
            };
            let old = live.value(&credential.key);
            if new.expose_secret().as_bytes() == old.0 {
                return Err(Trouble::before(format!(
                    "the new value of `{name}` is the one in force; issue a new one first"
                )));
            }
            data.insert(credential.key.clone(), Some(ByteString(new.expose_secret().as_bytes().to_vec())));
            data.insert(format!("{}{PREVIOUS}", credential.key), Some(old.clone()));
            values.push(new);
            values.push(SecretString::from(String::from_utf8_lossy(&old.0).into_owned()));
        }
        self.write(site, live, &json!(data), &json!(id), &values).await
    }

    /// Puts the old values back in place of the new ones.
    pub(super) async fn put_back(&self, site: &Site<'_>, live: &Live, rotation: &Value) -> Result<Live, Trouble> {
        let mut data: BTreeMap<String, Option<ByteString>> = BTreeMap::new();
        for credential in self.credentials.values() {
            let previous = format!("{}{PREVIOUS}", credential.key);
            data.insert(credential.key.clone(), Some(live.value(&previous)));
            data.insert(previous, None);
        }
        self.write(site, live, &json!(data), rotation, &[]).await
    }

    /// Removes the old values.
    pub(super) async fn forget(&self, site: &Site<'_>, live: &Live) -> Result<Live, Trouble> {
        let data: BTreeMap<String, Option<ByteString>> =
            self.credentials.values().map(|credential| (format!("{}{PREVIOUS}", credential.key), None)).collect();
        self.write(site, live, &json!(data), &json!(live.rotation()), &[]).await
    }

    async fn write(
        &self,
        site: &Site<'_>,
        live: &Live,
        data: &Value,
        rotation: &Value,
        values: &[SecretString],
    ) -> Result<Live, Trouble> {
        let metadata = &live.object.metadata;
        let patch = Patch::Merge(json!({
            "metadata": {
                "uid": metadata.uid, "resourceVersion": metadata.resource_version, "annotations": { ROTATION: rotation },
            },
            "data": data,
        }));
        let (api, how): (Api<Secret>, _) = (site.api(&self.namespace), ours());
        match site.cluster.once(&self.asked("patch"), api.patch(&self.secret, &how, &patch)).await {
            Ok(object) => Ok(Live { object }),
            Err(trouble) if trouble.code() == Some(409) => Err(self.changed()),
            // What a server says of a request may hold parts of it.
            Err(trouble) => {
                Err(trouble.redacted(&Redaction::of_secrets(values.iter().map(SecretString::expose_secret))))
            }
        }
    }

    /// What is said where somebody else was faster.
    pub(super) fn changed(&self) -> Trouble {
        Trouble::refused(409, format!("secret `{}` was changed since it was read; prepare it anew", self.secret))
    }
}

impl Live {
    pub(super) fn uid(&self) -> Value {
        json!(self.object.metadata.uid)
    }

    pub(super) fn version(&self) -> Value {
        json!(self.object.metadata.resource_version)
    }

    /// The id of its last rotation.
    pub(super) fn rotation(&self) -> Option<&str> {
        self.object.metadata.annotations.as_ref()?.get(ROTATION).map(String::as_str)
    }

    /// The id of a rotation that begins with what was read: the same for whoever reads the same.
    pub(super) fn next_rotation(&self, keys: &Keys) -> String {
        let names: Vec<&String> = keys.credentials.keys().collect();
        let id = digest(&json!([self.uid(), self.version(), names]));
        id.get(..16).unwrap_or_default().to_owned()
    }

    /// Credentials whose old values are still kept.
    pub(super) fn kept<'a>(&self, keys: &'a Keys) -> Vec<&'a str> {
        let has = |credential: &Credential| {
            self.object.data.as_ref().is_some_and(|data| data.contains_key(&format!("{}{PREVIOUS}", credential.key)))
        };
        keys.credentials.iter().filter(|(_, one)| has(one)).map(|(name, _)| name.as_str()).collect()
    }

    fn value(&self, key: &str) -> ByteString {
        self.object.data.as_ref().and_then(|data| data.get(key)).cloned().unwrap_or_default()
    }
}

/// Refuses credentials whose new values nobody has put down.
pub(super) async fn expect_new(site: &Site<'_>, keys: &[Keys]) -> Result<(), Trouble> {
    for (name, credential) in keys.iter().flat_map(|keys| &keys.credentials) {
        if let Some(secret) = &credential.from {
            let expected = site.surroundings.expect_secret(&format!("credentials.{name}.from"), secret).await;
            expected.map_err(|error| Trouble::before(error.to_string()))?;
        }
    }
    Ok(())
}

/// A value that nobody can guess, of letters that every program takes.
fn random() -> Result<SecretString, Trouble> {
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes).map_err(|error| Trouble::before(format!("no random numbers can be had: {error}")))?;
    Ok(SecretString::from(bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))))
}
