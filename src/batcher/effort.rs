//! Estimates from image headers how long decoding takes: for one image, and for the images ahead of it.

use std::time::Duration;

/// Whether an image is an ordinary photo to decode, or takes the time of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effort {
    /// Most photos.
    Ordinary,
    /// Pictures of many pixels in a slow format: they have threads of their own, so that photos need not
    /// wait for them.
    Dear,
}

impl Effort {
    /// Both, in the order of their index.
    pub const ALL: [Self; 2] = [Self::Ordinary, Self::Dear];
    const LONGEST_ORDINARY: Duration = Duration::from_millis(100);

    /// By the time that decoding is estimated to take.
    pub fn of(decode_time: Duration) -> Self {
        if decode_time <= Self::LONGEST_ORDINARY { Self::Ordinary } else { Self::Dear }
    }

    /// 0 or 1.
    pub fn index(self) -> usize {
        match self {
            Self::Ordinary => 0,
            Self::Dear => 1,
        }
    }
}

/// What is being decoded or waits for it, by effort.
#[derive(Debug)]
pub(super) struct Backlog {
    threads: [usize; 2],
    estimated: [Duration; 2],
    /// Time taken, by time estimated: how this machine, as busy as it is, compares with the estimates.
    slowness: [f64; 2],
    /// The same when nothing else is to be done.
    slowness_at_rest: f64,
}

impl Backlog {
    /// The weight of the last image in the mean, when it took longer, and when it did not: a machine that
    /// has become slow must be noticed before more is accepted than it can do.
    const WEIGHT_WHEN_SLOWER: f64 = 0.5;
    const WEIGHT: f64 = 0.1;
    /// Who sends dear pictures keeps the machine busy by sending them, too: it becomes slow after some have
    /// been accepted, and each of them counts for much.
    const MARGIN: [f64; 2] = [1.0, 3.0];
    const LEAST_SLOWNESS: f64 = 0.25;
    const MOST_SLOWNESS: f64 = 16.0;

    /// Nothing, on so many threads for each effort.
    pub(super) fn new(threads: [usize; 2]) -> Self {
        Self {
            threads: threads.map(|n| n.max(1)),
            estimated: [Duration::ZERO; 2],
            slowness: [1.0; 2],
            slowness_at_rest: 1.0,
        }
    }

    pub(super) fn add(&mut self, decode_time: Duration) {
        self.estimated[Effort::of(decode_time).index()] += decode_time;
    }

    pub(super) fn remove(&mut self, decode_time: Duration) {
        let estimated = &mut self.estimated[Effort::of(decode_time).index()];
        *estimated = estimated.saturating_sub(decode_time);
    }

    /// How long until images that take `own`, behind a share of the backlog, are decoded.
    pub(super) fn wait(&self, effort: Effort, own: Duration, share: f64) -> Duration {
        let index = effort.index();
        let work = self.estimated[index].as_secs_f64() * share.clamp(0.0, 1.0) + own.as_secs_f64();
        let seconds = work * self.slowness[index] / self.threads[index] as f64;
        Duration::from_secs_f64(seconds * Self::MARGIN[index])
    }

    /// How long images that take `own` would take to decode if nothing else were to be done.
    pub(super) fn alone(&self, effort: Effort, own: Duration) -> Duration {
        own.mul_f64(self.slowness_at_rest / self.threads[effort.index()] as f64)
    }

    /// Takes note of how long an image took.
    pub(super) fn record(&mut self, estimated: Duration, taken: Duration) {
        let ratio = taken.as_secs_f64() / estimated.as_secs_f64().max(1e-6);
        let ratio = ratio.clamp(Self::LEAST_SLOWNESS, Self::MOST_SLOWNESS);
        let slowness = &mut self.slowness[Effort::of(estimated).index()];
        let weight = if ratio > *slowness { Self::WEIGHT_WHEN_SLOWER } else { Self::WEIGHT };
        *slowness += weight * (ratio - *slowness);
    }

    /// Begins with what was measured at the start.
    pub(super) fn calibrate(&mut self, slowness: f64) {
        self.slowness_at_rest = slowness.clamp(Self::LEAST_SLOWNESS, Self::MOST_SLOWNESS);
        self.slowness = [self.slowness_at_rest; 2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Duration = Duration::from_millis(2);
    const DEAR: Duration = Duration::from_millis(500);

    #[test]
    fn dear_images_are_not_in_the_way_of_ordinary_ones() {
        let mut backlog = Backlog::new([2, 1]);
        for _ in 0..4 {
            backlog.add(DEAR);
        }
        assert_eq!(backlog.wait(Effort::Ordinary, CHEAP, 1.0), CHEAP / 2);
        // Three times as much, to be sure.
        assert_eq!(backlog.wait(Effort::Dear, DEAR, 1.0), 3 * 5 * DEAR);
        assert_eq!(backlog.wait(Effort::Dear, DEAR, 0.5), 3 * 3 * DEAR);
        assert_eq!(backlog.alone(Effort::Dear, DEAR), DEAR);
        backlog.remove(DEAR);
        assert_eq!(backlog.wait(Effort::Dear, DEAR, 1.0), 3 * 4 * DEAR);
    }

    #[test]
    fn the_wait_follows_the_machine() {
        let mut backlog = Backlog::new([1, 1]);
        backlog.calibrate(2.0);
        assert_eq!(backlog.wait(Effort::Dear, DEAR, 1.0), 6 * DEAR);
        for _ in 0..100 {
            backlog.record(DEAR, 4 * DEAR);
        }
        let wait = backlog.wait(Effort::Dear, DEAR, 1.0).as_secs_f64();
        assert!((5.99..6.01).contains(&wait), "{wait}");
        backlog.record(DEAR, 8 * DEAR);
        let slower = backlog.wait(Effort::Dear, DEAR, 1.0).as_secs_f64();
        assert!((8.99..9.01).contains(&slower), "it is noticed at once: {slower}");
        assert_eq!(backlog.alone(Effort::Dear, DEAR), 2 * DEAR, "as at the start");
        assert_eq!(backlog.wait(Effort::Ordinary, CHEAP, 1.0), 2 * CHEAP);
        backlog.record(Duration::ZERO, DEAR);
    }
}
