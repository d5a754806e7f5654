//! How many runs of the network a gradient takes the time of, by what was measured. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::moving_mean::moving_mean;

/// What runs and gradients took recently.
#[derive(Debug, Default)]
pub(super) struct GradientCost {
    /// A run, for one input.
    run: Option<Duration>,
    /// A run with the gradient, by the module that it goes back to.
    by_module: BTreeMap<usize, Duration>,
}

impl GradientCost {
    /// Until it is measured.
    const UNKNOWN: usize = 3;
    /// The first one also makes the weights for all others; it is not to keep them from the queue.
    const MOST: usize = 8;
    /// The weight of the last one in the mean.
    const WEIGHT: f64 = 0.2;

    /// A run of `inputs` inputs took `taken`.
    pub(super) fn record_run(&mut self, inputs: usize, taken: Duration) {
        let Some(inputs) = u32::try_from(inputs).ok().filter(|inputs| *inputs > 0) else { return };
        self.run = Some(moving_mean(self.run, taken / inputs, Self::WEIGHT));
    }

    /// A run with the gradient back to module `first` took `taken`.
    pub(super) fn record_gradient(&mut self, first: usize, taken: Duration) {
        let most = self.run.map_or(taken, |run| taken.min(run * Self::MOST as u32));
        let old = self.by_module.get(&first).copied();
        self.by_module.insert(first, moving_mean(old, most, Self::WEIGHT));
    }

    /// Whole runs that a gradient back to module `first` is worth, its own run included.
    pub(super) fn runs(&self, first: usize) -> usize {
        let (Some(run), Some(gradient)) = (self.run, self.by_module.get(&first)) else {
            return Self::UNKNOWN;
        };
        let runs = gradient.as_secs_f64() / run.as_secs_f64().max(1e-9);
        // A little more than a whole number is what the measuring adds.
        ((runs - 0.1).ceil() as usize).clamp(1, Self::MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_millis(10);

    #[test]
    fn a_gradient_counts_as_what_it_takes() {
        let mut cost = GradientCost::default();
        assert_eq!(cost.runs(3), GradientCost::UNKNOWN);
        cost.record_run(8, 8 * RUN);
        assert_eq!(cost.runs(3), GradientCost::UNKNOWN);
        cost.record_gradient(3, 100 * RUN);
        assert_eq!(cost.runs(3), GradientCost::MOST, "the weights were made");
        for _ in 0..40 {
            cost.record_gradient(3, RUN * 18 / 10);
            cost.record_gradient(0, RUN * 26 / 10);
            cost.record_gradient(8, RUN * 105 / 100);
        }
        assert_eq!([0, 3, 8].map(|first| cost.runs(first)), [3, 2, 1]);
        cost.record_run(0, RUN);
    }
}
