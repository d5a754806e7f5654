//! How fast the queue drains, for `Retry-After`. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Images taken from the queue within the last [`DrainRate::WINDOW`].
#[derive(Debug, Default)]
pub(super) struct DrainRate {
    taken: VecDeque<(Instant, usize)>,
}

impl DrainRate {
    const WINDOW: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_secs(60);

    pub(super) fn record(&mut self, now: Instant, images: usize) {
        self.taken.push_back((now, images));
        self.forget(now);
    }

    /// How long `depth` images will take, in whole seconds from 1 to 60.
    pub(super) fn estimate(&mut self, now: Instant, depth: usize) -> Duration {
        self.forget(now);
        let images: usize = self.taken.iter().map(|(_, images)| images).sum();
        let Some((first, _)) = self.taken.front().filter(|_| images > 0) else {
            return Duration::from_secs(1);
        };
        let span = (now - *first).as_secs_f64().max(0.1);
        let seconds = (depth as f64 * span / images as f64).ceil();
        Duration::from_secs_f64(seconds.clamp(1.0, Self::LONGEST.as_secs_f64()))
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
        assert_eq!(rate.estimate(start, 50), Duration::from_secs(1), "nothing known yet");
        for i in 0..=50 {
            rate.record(start + Duration::from_millis(100 * i), 1);
        }
        let now = start + Duration::from_secs(5);
        assert_eq!(rate.estimate(now, 5), Duration::from_secs(1));
        assert_eq!(rate.estimate(now, 100), Duration::from_secs(10));
        assert_eq!(rate.estimate(now, 100_000), Duration::from_secs(60));
        assert_eq!(rate.estimate(now + Duration::from_secs(60), 100), Duration::from_secs(1));
    }
}
