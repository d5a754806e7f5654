//! Convolutions of u8 activations by i8 weights, with sums of 32 bits: every instruction set gives the
//! same bits.

mod pack;
mod tile;

#[cfg(test)]
mod tests;

pub use pack::{Int8ConvPart, Int8ConvWeights};
pub use tile::Int8Output;

use super::map::{Destination, MapView};
use super::simd::dispatch;

impl Int8ConvWeights {
    /// Writes the rows of `outputs`, one destination for each part, all of the same rows: for u8
    /// `sum * scale + bias`, rounded to nearest, ties to even, within 0..=255 (which is a ReLU too);
    /// for f32 `sum * scale + bias` as it is.
    ///
    /// # Panics
    /// When a window reads outside the input's border, or a destination has other rows or channels
    /// than its part.
    pub fn run<O: Int8Output>(&self, input: MapView<'_, u8>, outputs: &mut [Destination<'_, O>]) {
        O::run(self, input, outputs);
    }
}

fn run_to_bytes(
    weights: &Int8ConvWeights,
    input: MapView<'_, u8>,
    outputs: &mut [Destination<'_, u8>],
) {
    use tile::run_bytes as run;
    dispatch!(
        weights.isa,
        run(
            weights: &Int8ConvWeights = weights,
            input: MapView<'_, u8> = input,
            outputs: &mut [Destination<'_, u8>] = outputs,
        )
    );
}

fn run_to_floats(
    weights: &Int8ConvWeights,
    input: MapView<'_, u8>,
    outputs: &mut [Destination<'_, f32>],
) {
    use tile::run_floats as run;
    dispatch!(
        weights.isa,
        run(
            weights: &Int8ConvWeights = weights,
            input: MapView<'_, u8> = input,
            outputs: &mut [Destination<'_, f32>] = outputs,
        )
    );
}
