//! The mean of what something took recently. Pure.

use std::time::Duration;

/// The mean `old` with `new` in it, which weighs `weight`, 0..=1; `new` where there is none yet.
pub(super) fn moving_mean(old: Option<Duration>, new: Duration, weight: f64) -> Duration {
    old.map_or(new, |old| old.mul_f64(1.0 - weight) + new.mul_f64(weight))
}
