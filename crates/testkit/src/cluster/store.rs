//! The objects, their versions, and the history that watches and continued lists read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::json;
use super::kinds::Kind;

/// How many changes are remembered; a watch from before them is answered with 410.
const REMEMBERED: usize = 20_000;

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The resource's name, which is unique among those that are served.
    pub plural: &'static str,
    /// The namespace; empty where the resource has none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The place of an object.
    pub fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.namespaced { namespace.to_owned() } else { String::new() };
        Self { plural: kind.plural, namespace, name: name.to_owned() }
    }
}

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version that it made.
    pub version: u64,
    /// The object's place.
    pub key: Key,
    /// The object before; `None` where it was created.
    pub before: Option<Arc<Value>>,
    /// The object after; `None` where it was removed.
    pub after: Option<Arc<Value>>,
}

/// All objects.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    version: u64,
    forgotten: u64,
}

impl Store {
    /// The version of the newest change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The newest version that is no longer remembered.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Forgets what was before the present version, as a compaction does.
    pub fn compact(&mut self) {
        self.history.clear();
        self.forgotten = self.version;
    }

    /// An object.
    pub fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(&Key::new(kind, namespace, name)).cloned()
    }

    /// The objects of a resource, in one namespace or in all, ordered by namespace and name.
    pub fn list(&self, kind: &Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let first =
            Key { plural: kind.plural, namespace: namespace.unwrap_or_default().to_owned(), name: String::new() };
        self.objects
            .range(first..)
            .take_while(|(key, _)| key.plural == kind.plural)
            .take_while(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// The objects of a resource as they were at a version; `None` where it is forgotten.
    pub fn list_at(&self, kind: &Kind, namespace: Option<&str>, version: u64) -> Option<Vec<Arc<Value>>> {
        if version < self.forgotten {
            return None;
        }
        let mut objects: BTreeMap<Key, Arc<Value>> = self
            .list(kind, namespace)
            .into_iter()
            .map(|object| (Key::new(kind, json::namespace(&object), json::name(&object)), object))
            .collect();
        for change in self.history.iter().rev().take_while(|change| change.version > version) {
            if change.key.plural == kind.plural && namespace.is_none_or(|name| change.key.namespace == name) {
                match &change.before {
                    Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                    None => objects.remove(&change.key),
                };
            }
        }
        Some(objects.into_values().collect())
    }

    /// The changes after a version, oldest first; `None` where they are forgotten.
    pub fn changes(&self, after: u64) -> Option<impl Iterator<Item = &Change>> {
        if after < self.forgotten {
            return None;
        }
        let start = self.history.partition_point(|change| change.version <= after);
        Some(self.history.range(start..))
    }

    /// Everything there is.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Keeps an object and gives it the next version; one that is no different from the old one stays as it is.
    pub fn put(&mut self, kind: &Kind, mut object: Value) -> Arc<Value> {
        json::without_nulls(&mut object);
        let key = Key::new(kind, json::namespace(&object), json::name(&object));
        let before = self.objects.get(&key).cloned();
        if let Some(before) = &before {
            let version = json::text(before, "/metadata/resourceVersion");
            json::put(&mut object, &["metadata", "resourceVersion"], version);
            if **before == object {
                return Arc::clone(before);
            }
        }
        self.version += 1;
        json::put(&mut object, &["metadata", "resourceVersion"], self.version.to_string());
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(Change { version: self.version, key, before, after: Some(Arc::clone(&object)) });
        object
    }

    /// Removes an object.
    pub fn remove(&mut self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = Key::new(kind, namespace, name);
        let before = self.objects.remove(&key)?;
        self.version += 1;
        self.remember(Change { version: self.version, key, before: Some(Arc::clone(&before)), after: None });
        Some(before)
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        if self.history.len() > REMEMBERED
            && let Some(old) = self.history.pop_front()
        {
            self.forgotten = old.version;
        }
    }
}
