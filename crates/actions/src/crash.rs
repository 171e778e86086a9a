//! Named places at which a test may end the process.
//!
//! `BELAY_CRASH_AT=<name>[:n]` kills the process at the n-th passing (the first where left out). Only compiled with the
//! feature `crash-points`; without it [`point`] is empty.

/// Ends the process here when `BELAY_CRASH_AT` names this point.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_name: &str) {}

/// Ends the process here when `BELAY_CRASH_AT` names this point.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("BELAY_CRASH_AT").ok()?;
        match text.rsplit_once(':') {
            Some((name, count)) => Some((name.to_owned(), count.parse().ok()?)),
            None => Some((text, 1)),
        }
    });
    let Some((wanted, count)) = wanted else { return };
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        // SIGKILL and not `abort`, because no handler and no destructor may run, as in a power cut.
        if let Err(error) = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL) {
            tracing::error!(%error, "the crash point could not end the process");
            std::process::abort();
        }
    }
}
