//! When a batch starts, and how large it is. Pure: time is an argument.

use std::time::{Duration, Instant};

/// What a free worker sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Inputs that wait.
    pub queued: usize,
    /// When the oldest of them arrived.
    pub oldest: Option<Instant>,
    /// Workers that are free, this one included.
    pub free_workers: usize,
    /// Whether this worker has been free since before the oldest image came.
    pub was_idle: bool,
    pub now: Instant,
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Takes so many inputs and runs them.
    Run(usize),
    /// Waits for company until then, or until something changes.
    WaitUntil(Instant),
    /// Waits for an image.
    Wait,
}

/// A batch goes at once when a worker is idle and grows only while all are busy. A worker that
/// comes free under load holds a batch that is not full until its oldest image has waited
/// `max_wait`, unless a second worker is free too: company is not worth an idle core.
/// Free workers share what waits.
pub(super) fn decide(view: View, max_batch_size: usize, max_wait: Duration) -> Decision {
    let Some(oldest) = view.oldest.filter(|_| view.queued > 0) else {
        return Decision::Wait;
    };
    let share = view.queued.div_ceil(view.free_workers.max(1)).min(max_batch_size);
    let deadline = oldest + max_wait;
    let goes = view.queued >= max_batch_size
        || view.was_idle
        || view.free_workers > 1
        || view.now >= deadline;
    if goes { Decision::Run(share) } else { Decision::WaitUntil(deadline) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(5);

    fn view(queued: usize) -> View {
        let now = Instant::now();
        View { queued, oldest: Some(now), free_workers: 1, was_idle: false, now }
    }

    #[test]
    fn an_idle_worker_never_waits_for_company() {
        let view = View { was_idle: true, ..view(1) };
        assert_eq!(decide(view, 8, WAIT), Decision::Run(1));
    }

    #[test]
    fn a_worker_that_comes_free_waits_from_the_oldest_image() {
        let view = view(3);
        let deadline = view.now + WAIT;
        assert_eq!(decide(view, 8, WAIT), Decision::WaitUntil(deadline));
        assert_eq!(decide(View { now: deadline, ..view }, 8, WAIT), Decision::Run(3));
        assert_eq!(decide(view, 8, Duration::ZERO), Decision::Run(3));
        assert_eq!(decide(View { free_workers: 2, ..view }, 8, WAIT), Decision::Run(2));
    }

    #[test]
    fn a_batch_is_never_larger_than_the_maximum() {
        assert_eq!(decide(view(20), 8, WAIT), Decision::Run(8));
        assert_eq!(decide(View { free_workers: 4, ..view(20) }, 8, WAIT), Decision::Run(5));
    }

    #[test]
    fn nothing_to_do() {
        assert_eq!(decide(View { oldest: None, ..view(0) }, 8, WAIT), Decision::Wait);
    }
}
