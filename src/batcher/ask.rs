//! What an image asks of the queue.

use std::time::Duration;

use super::effort::Effort;

/// An image that asks for a place.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The time that decoding it is estimated to take; zero for a tensor.
    pub decode_time: Duration,
    /// Runs of the network that it takes: one for each crop, and what a gradient takes beside.
    pub runs: usize,
}

impl Ask {
    /// An image of a tensor. Elements are read, not decoded: what that takes is in the time of a run.
    pub const TENSOR: Self = Self { decode_time: Duration::ZERO, runs: 1 };
}

/// What the runs of an image count in the share of its client, beside the decoding.
pub(super) fn run_time(ask: Ask) -> Duration {
    const RUN: Duration = Duration::from_millis(10);
    RUN * u32::try_from(ask.runs).unwrap_or(u32::MAX)
}

/// What the images of an effort are estimated to take together.
pub(super) fn decode_time(asks: &[Ask], effort: Effort) -> Duration {
    let times = asks.iter().map(|ask| ask.decode_time);
    times.filter(|time| Effort::of(*time) == effort).sum()
}
