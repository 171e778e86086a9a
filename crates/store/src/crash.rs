//! Named points at which a test or a drill can end the process.

use std::fmt;
use std::sync::Arc;

/// Just before a commit: nothing of it was answered and nothing of it may be found later, or all of it may.
pub const COMMIT_BEFORE: &str = "commit-before";
/// Just after a commit and before its answers: all of it is found later.
pub const COMMIT_AFTER: &str = "commit-after";

/// Called by the writer thread at each named point; does nothing unless given.
#[derive(Clone, Default)]
pub struct CrashPoints {
    hook: Option<Arc<dyn Fn(&'static str) + Send + Sync>>,
}

impl CrashPoints {
    /// Calls `hook` with the name of every point that is reached.
    pub fn new(hook: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)) }
    }

    pub(crate) fn reach(&self, point: &'static str) {
        if let Some(hook) = &self.hook {
            hook(point);
        }
    }
}

impl fmt::Debug for CrashPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashPoints").field("set", &self.hook.is_some()).finish()
    }
}
