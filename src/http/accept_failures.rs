//! Logs failing accepts, at most once a second.

use std::io;
use std::time::{Duration, Instant};

/// Between two warnings.
const PAUSE: Duration = Duration::from_secs(1);

/// The failures of one accept loop: without descriptors it fails many times a second.
#[derive(Debug, Default)]
pub(super) struct AcceptFailures {
    told: Option<Instant>,
    suppressed: u64,
}

impl AcceptFailures {
    /// Warns of `error`, or counts it for the next warning.
    pub(super) fn tell(&mut self, error: &io::Error) {
        if let Some(suppressed) = self.due(Instant::now()) {
            tracing::warn!(%error, suppressed, "cannot accept a connection");
        }
    }

    /// How many were not told before this one, if this one is to be told.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
            self.suppressed += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_a_second_is_told_with_the_count_of_the_others() {
        let (mut failures, start) = (AcceptFailures::default(), Instant::now());
        let told: Vec<_> =
            (0..50).map(|n| failures.due(start + Duration::from_millis(50 * n))).collect();
        let told: Vec<_> = told.into_iter().enumerate().filter(|(_, due)| due.is_some()).collect();
        assert_eq!(told, [(0, Some(0)), (20, Some(19)), (40, Some(19))]);
    }
}
