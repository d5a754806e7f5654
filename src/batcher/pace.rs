//! How fast the lane of patient work goes: how long its requests will take. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::moving_mean::moving_mean;

/// What a variant took recently.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// A worker's time.
    run: Option<Duration>,
    /// From one to the next, the images that went before them included.
    step: Option<Duration>,
    /// When a turn ended last, or the lane was last empty.
    since: Option<Instant>,
}

impl Pace {
    /// The weight of the last turn in the mean.
    const WEIGHT: f64 = 0.3;

    /// The lane was empty, and is so no longer: how much else there was to do says nothing of now.
    pub(super) fn begins(&mut self, now: Instant) {
        self.step = None;
        self.since = Some(now);
    }

    /// A turn has ended in which `variants` were computed, and a worker was busy for `busy`.
    pub(super) fn record(&mut self, variants: usize, busy: Duration, now: Instant) {
        let Some(count) = u32::try_from(variants).ok().filter(|count| *count > 0) else { return };
        let since = self.since.replace(now).unwrap_or(now);
        self.run = Some(moving_mean(self.run, busy / count, Self::WEIGHT));
        self.step = Some(moving_mean(self.step, busy.max(now - since) / count, Self::WEIGHT));
    }

    /// How long so many variants take if nothing else is to be done; nothing while that is not known.
    pub(super) fn alone(&self, variants: usize) -> Duration {
        times(self.run.unwrap_or_default(), variants)
    }

    /// How long until so many variants are computed.
    pub(super) fn expected(&self, variants: usize, now: Instant) -> Duration {
        let step = self.step.or(self.run).unwrap_or_default();
        // Images may keep the workers from it for longer than ever before.
        let waited =
            self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        times(step, variants).max(if variants > 0 { waited } else { Duration::ZERO })
    }
}

fn times(duration: Duration, count: usize) -> Duration {
    duration.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_millis(10);

    #[test]
    fn follows_what_was_measured() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!((pace.alone(100), pace.expected(100, start)), (Duration::ZERO, Duration::ZERO));
        pace.begins(start);
        pace.record(0, RUN, start);
        assert_eq!(pace.alone(100), Duration::ZERO, "a turn without a variant says nothing");
        // Images take nine tenths of the time.
        let now = start + 80 * RUN;
        pace.record(8, 8 * RUN, now);
        assert_eq!((pace.alone(100), pace.expected(100, now)), (100 * RUN, 1000 * RUN));
        let much_later = now + 2000 * RUN;
        assert_eq!(pace.expected(100, much_later), 2000 * RUN, "no turn for so long");
        assert_eq!(pace.expected(0, much_later), Duration::ZERO);
        pace.begins(much_later);
        assert_eq!(pace.expected(100, much_later), 100 * RUN, "they may be gone");
    }
}
