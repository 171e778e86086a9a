//! What the last customers experienced: the figures behind `/stats` and `/healthz`.

use std::collections::VecDeque;
use std::time::Duration;

/// How many requests the figures look back on. At the customers' pace of some forty a second that is about two seconds,
/// so that a remedy shows soon.
const LENGTH: usize = 80;

/// One finished request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    /// How long it took.
    pub(super) took: Duration,
    /// Whether the cache knew the price.
    pub(super) hit: bool,
    /// Whether it failed.
    pub(super) failed: bool,
}

/// The last requests.
#[derive(Debug, Default)]
pub(super) struct Window {
    visits: VecDeque<Visit>,
}

impl Window {
    pub(super) fn add(&mut self, visit: Visit) {
        if self.visits.len() == LENGTH {
            self.visits.pop_front();
        }
        self.visits.push_back(visit);
    }

    pub(super) fn clear(&mut self) {
        self.visits.clear();
    }

    /// How many requests the figures rest on.
    pub(super) fn len(&self) -> usize {
        self.visits.len()
    }

    /// The share of requests that the cache answered; one while there were none.
    pub(super) fn hit_rate(&self) -> f64 {
        self.share(|visit| visit.hit, 1.0)
    }

    /// The share of requests that failed.
    pub(super) fn error_rate(&self) -> f64 {
        self.share(|visit| visit.failed, 0.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "the window holds few requests")]
    fn share(&self, holds: impl Fn(&Visit) -> bool, of_none: f64) -> f64 {
        if self.visits.is_empty() {
            return of_none;
        }
        let share = self.visits.iter().filter(|visit| holds(visit)).count() as f64 / self.visits.len() as f64;
        (share * 1000.0).round() / 1000.0
    }

    /// The 95th percentile of the time taken (nearest rank), in milliseconds; zero while there were none.
    pub(super) fn p95_ms(&self) -> u64 {
        let mut times: Vec<Duration> = self.visits.iter().map(|visit| visit.took).collect();
        times.sort();
        let rank = (times.len() * 95).div_ceil(100);
        let Some(time) = rank.checked_sub(1).and_then(|index| times.get(index)) else { return 0 };
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LENGTH, Visit, Window};

    fn visit(milliseconds: u64) -> Visit {
        Visit { took: Duration::from_millis(milliseconds), hit: milliseconds < 50, failed: false }
    }

    #[test]
    fn the_percentile_is_the_nearest_rank_of_the_last_requests() {
        let mut window = Window::default();
        assert_eq!(window.p95_ms(), 0, "nobody has waited yet");
        for _ in 0..LENGTH {
            window.add(visit(1000));
        }
        for milliseconds in 1..=LENGTH as u64 {
            window.add(visit(milliseconds));
        }
        assert_eq!(window.p95_ms(), 76, "95 % of 80 requests took at most 76 ms, the older ones are forgotten");
        assert!((window.hit_rate() - 0.613).abs() < 1e-9, "49 of 80 were hits");
    }
}
