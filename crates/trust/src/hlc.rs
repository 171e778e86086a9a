//! The hybrid logical clock that events carry for display.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A reading of a hybrid logical clock: wall time that never runs backwards within a device's own log.
///
/// It orders nothing: order is causal, ties are broken by hash.
#[derive(Clone, Copy, Debug, Decode, Default, Deserialize, Encode, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cbor(array)]
pub struct Hlc {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[n(0)]
    pub wall_ms: u64,
    /// Counts readings within one millisecond, or while the wall clock is behind.
    #[n(1)]
    pub counter: u32,
}

impl Hlc {
    /// Returns the next reading at wall time `now_ms`; it is always greater than `self`.
    #[must_use]
    pub const fn tick(self, now_ms: u64) -> Self {
        if now_ms > self.wall_ms {
            return Self { wall_ms: now_ms, counter: 0 };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { wall_ms: self.wall_ms, counter },
            None => Self { wall_ms: self.wall_ms.saturating_add(1), counter: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_still_ticks_forward() {
        let first = Hlc::default().tick(5_000);
        let second = first.tick(4_000);
        let third = second.tick(5_001);
        assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
        assert_eq!(second.wall_ms, 5_000, "the time shown does not run back");
        assert_eq!(third.counter, 0);
    }

    #[test]
    fn a_full_counter_carries_into_the_time() {
        let full = Hlc { wall_ms: 7, counter: u32::MAX };
        assert!(full.tick(0) > full);
    }
}
