//! Convolutions in f32, with their bias and ReLU.

mod pack;
mod tile;

#[cfg(test)]
pub(super) mod tests;

pub use super::window::ConvGeometry;
pub use pack::{ConvPart, ConvWeights};

use super::map::{Destination, MapView};
use super::simd::dispatch;
use tile::run;

/// What follows the product and the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, x)`.
    Relu,
}

impl ConvWeights {
    /// Writes the rows of `outputs`, one destination for each part, all of the same rows.
    ///
    /// The sums of an output are always taken in the same order: it does not matter which rows are
    /// asked for together.
    ///
    /// # Panics
    /// When a window reads outside the input's border, or a destination has other rows or channels
    /// than its part.
    pub fn run(
        &self,
        input: MapView<'_, f32>,
        outputs: &mut [Destination<'_, f32>],
        activation: Activation,
    ) {
        dispatch!(
            self.isa,
            run(
                weights: &ConvWeights = self,
                input: MapView<'_, f32> = input,
                outputs: &mut [Destination<'_, f32>] = outputs,
                activation: Activation = activation,
            )
        );
    }
}
