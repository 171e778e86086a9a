//! What goes wrong on purpose, and the record of every request.

use std::time::Duration;

use super::target::{Place, Target};

/// One request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The verb of access control: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, such as `deployments`; the path where it is none.
    pub resource: String,
    /// The subresource, such as `scale`; empty where there is none.
    pub subresource: String,
    /// The namespace; empty across all of them.
    pub namespace: String,
    /// The object; empty for a collection.
    pub name: String,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// The HTTP status that was answered; 0 as long as there is none, or where the connection was cut before it.
    pub status: u16,
}

impl Call {
    /// The record of a request that has no answer yet.
    pub(super) fn of(target: &Target) -> Self {
        let (group, resource) = match target.place {
            Place::Resource(kind) => (kind.group.to_owned(), kind.plural.to_owned()),
            Place::Other => (String::new(), target.path.clone()),
        };
        Self {
            verb: target.verb.to_owned(),
            group,
            resource,
            subresource: target.subresource.clone(),
            namespace: target.namespace.clone().unwrap_or_default(),
            name: target.name.clone().unwrap_or_default(),
            dry_run: target.is_dry_run(),
            status: 0,
        }
    }

    /// Whether it changed something, or would have: no read, no dry run and no question about access.
    pub fn is_change(&self) -> bool {
        let reads = matches!(self.verb.as_str(), "get" | "list" | "watch");
        !reads && !self.dry_run && self.resource != "selfsubjectaccessreviews"
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 503, and nothing is done.
    Unavailable,
    /// 500, and nothing is done.
    Internal,
    /// 429 of an overloaded server with `Retry-After` in seconds, and nothing is done.
    Busy(u32),
    /// 409 as if somebody else had been faster, and nothing is done.
    Conflict,
    /// 410, and nothing is done; in a watch it comes as an event of the stream.
    Gone,
    /// 401: the login is over, for this request and all after it, until [`renew_login`](super::Cluster::renew_login).
    ExpiredLogin,
    /// The plain-text 404 of a resource that was defined a moment ago.
    NotYetServed,
    /// The 429 of a resource that was defined a moment ago and whose storage is still being set up.
    Initializing,
    /// The request is handled after this time.
    Slow(Duration),
    /// The request is handled; headers and half of the body arrive, then the connection ends.
    HalfAnswer,
    /// 200 with a page of HTML, and nothing is done.
    Garbage,
    /// The request is handled, and the connection ends before any answer.
    LostAnswer,
    /// The connection ends before the request is handled.
    LostRequest,
    /// The connection ends, and new ones are refused for this time.
    RefuseConnections(Duration),
}

/// Which requests a fault or a rule is about. What is not said matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matching {
    verb: Option<String>,
    resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    dry_run: Option<bool>,
    skip: usize,
}

impl Matching {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests with this verb; `*` is any.
    pub fn verb(verb: &str) -> Self {
        Self::default().with_verb(verb)
    }

    /// Requests for this resource: `pods`, `deployments.apps`, `deployments/scale.apps`; without a group, of any group,
    /// without a subresource, of the object itself; `*` is any.
    pub fn resource(resource: &str) -> Self {
        Self::default().with_resource(resource)
    }

    /// These, with this verb.
    #[must_use]
    pub fn with_verb(mut self, verb: &str) -> Self {
        self.verb = (verb != "*").then(|| verb.to_owned());
        self
    }

    /// These, for this resource; in the form of [`resource`](Self::resource).
    #[must_use]
    pub fn with_resource(mut self, resource: &str) -> Self {
        self.resource = (resource != "*").then(|| resource.to_owned());
        self
    }

    /// These, in this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// These, for the object of this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// These, where they are a dry run (`true`) or none (`false`).
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = Some(dry_run);
        self
    }

    /// These, but for the first so many.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Whether a request is one of these, whatever was to be skipped.
    pub fn matches(&self, call: &Call) -> bool {
        let equal = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        equal(&self.verb, &call.verb)
            && equal(&self.namespace, &call.namespace)
            && equal(&self.name, &call.name)
            && self.dry_run.is_none_or(|dry_run| dry_run == call.dry_run)
            && self.resource.as_deref().is_none_or(|resource| is_resource(resource, call))
    }
}

/// `patch deployments/scale.apps`: a verb, and a resource where one follows.
impl From<&str> for Matching {
    fn from(text: &str) -> Self {
        match text.split_once(' ') {
            Some((verb, resource)) => Self::verb(verb).with_resource(resource.trim()),
            None => Self::verb(text),
        }
    }
}

fn is_resource(wanted: &str, call: &Call) -> bool {
    if wanted.starts_with('/') {
        return wanted == call.resource;
    }
    let (path, group) = wanted.split_once('.').map_or((wanted, None), |(path, group)| (path, Some(group)));
    let (plural, subresource) = path.split_once('/').unwrap_or((path, ""));
    (plural == "*" || plural == call.resource)
        && (subresource == "*" || subresource == call.subresource)
        && group.is_none_or(|group| group == call.group)
}

/// A fault that waits for its request.
#[derive(Debug, Clone)]
pub struct Planned {
    matching: Matching,
    fault: Fault,
    always: bool,
}

/// The faults that wait, in the order in which they were asked for.
#[derive(Debug, Clone, Default)]
pub struct Plan(Vec<Planned>);

impl Plan {
    /// Adds a fault for the next matching request, or for all of them.
    pub fn add(&mut self, matching: Matching, fault: Fault, always: bool) {
        self.0.push(Planned { matching, fault, always });
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The fault of a request, which is used up unless it is for all of them.
    pub fn take(&mut self, call: &Call) -> Option<Fault> {
        let mut found = None;
        for (at, planned) in self.0.iter_mut().enumerate() {
            if !planned.matching.matches(call) {
                continue;
            }
            if planned.matching.skip > 0 {
                planned.matching.skip -= 1;
            } else {
                found = Some((at, planned.fault.clone(), planned.always));
                break;
            }
        }
        let (at, fault, always) = found?;
        if !always {
            self.0.remove(at);
        }
        Some(fault)
    }
}
