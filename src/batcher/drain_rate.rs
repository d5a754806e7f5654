//! How fast the queue drains while there is work: how long an image would wait, and `Retry-After`.
//! Pure: time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Images taken from the queue since it was last empty with a worker free, within the last
/// [`DrainRate::WINDOW`].
#[derive(Debug, Default)]
pub(super) struct DrainRate {
    taken: VecDeque<(Instant, usize)>,
}

impl DrainRate {
    const WINDOW: Duration = Duration::from_secs(10);
    /// A rate from a shorter time says little.
    const SHORTEST: Duration = Duration::from_millis(500);
    /// A longer wait says as much: not soon.
    pub(super) const LONGEST: Duration = Duration::from_secs(60);

    pub(super) fn record(&mut self, now: Instant, images: usize) {
        self.taken.push_back((now, images));
        self.forget(now);
    }

    /// There is nothing to do: how much was taken says no longer how much could be.
    pub(super) fn idle(&mut self) {
        self.taken.clear();
    }

    /// How long `depth` images will take; none while that is not known.
    pub(super) fn wait(&mut self, now: Instant, depth: usize) -> Option<Duration> {
        self.forget(now);
        let (first, _) = *self.taken.front()?;
        let span = now - first;
        // Those of the first batch were taken before the time began.
        let images: usize = self.taken.iter().skip(1).map(|(_, images)| images).sum();
        if images == 0 || span < Self::SHORTEST {
            return None;
        }
        let seconds = depth as f64 * span.as_secs_f64() / images as f64;
        Some(Duration::from_secs_f64(seconds.min(Self::LONGEST.as_secs_f64())))
    }

    /// When to come back if `depth` images are in front, in whole seconds from 1 to 60.
    pub(super) fn retry_after(&mut self, now: Instant, depth: usize) -> Duration {
        let seconds = self.wait(now, depth).map_or(1.0, |wait| wait.as_secs_f64().ceil());
        Duration::from_secs_f64(seconds.max(1.0))
    }

    fn forget(&mut self, now: Instant) {
        while self.taken.front().is_some_and(|(then, _)| now - *then > Self::WINDOW) {
            self.taken.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_depth_and_recent_rate() {
        let start = Instant::now();
        let mut rate = DrainRate::default();
        assert_eq!(rate.retry_after(start, 50), Duration::from_secs(1), "nothing known yet");
        for i in 0..=50 {
            rate.record(start + Duration::from_millis(100 * i), 1);
        }
        let now = start + Duration::from_secs(5);
        assert_eq!(rate.retry_after(now, 5), Duration::from_secs(1));
        assert_eq!(rate.retry_after(now, 100), Duration::from_secs(10));
        assert_eq!(rate.retry_after(now, 100_000), Duration::from_secs(60));
        assert_eq!(rate.retry_after(now + Duration::from_secs(60), 100), Duration::from_secs(1));
    }

    #[test]
    fn the_wait_is_known_only_while_the_workers_are_busy() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut rate = DrainRate::default();
        rate.record(at(0), 8);
        assert_eq!(rate.wait(at(400), 100), None, "one batch began, none has ended");
        rate.record(at(200), 8);
        assert_eq!(rate.wait(at(400), 100), None, "too short a time");
        rate.record(at(400), 8);
        rate.record(at(600), 8);
        assert_eq!(rate.wait(at(600), 80), Some(Duration::from_secs(2)), "24 in 0.6 s");
        assert_eq!(rate.wait(at(1200), 80), Some(Duration::from_secs(4)), "nothing more was taken");
        rate.idle();
        assert_eq!(rate.wait(at(1200), 80), None);
    }
}
