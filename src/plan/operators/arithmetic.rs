//! The number formats that the convolutions run in.

use std::fmt::Debug;

use tract_onnx::prelude::Datum;

use crate::kernels::conv::{Activation, ConvWeights};
use crate::kernels::map::{Destination, MapView};
use crate::kernels::max_pool::PoolElement;

/// A number format: the elements of a map, and convolutions from maps to maps.
pub(in crate::plan) trait Arithmetic: Debug + Send + Sync + 'static {
    /// An element of a map.
    type Element: Datum + PoolElement + Default + Debug;
    /// Packed weights of convolutions that read the same map.
    type Weights: Send + Sync + 'static;

    /// Writes the rows of `outputs`, one for each convolution of `weights`.
    fn convolve(
        weights: &Self::Weights,
        input: MapView<'_, Self::Element>,
        outputs: &mut [Destination<'_, Self::Element>],
    );
}

/// 32-bit floating point.
#[derive(Debug)]
pub(in crate::plan) struct Float;

/// Weights of f32 with what follows the product.
pub(in crate::plan) struct FloatWeights {
    pub(in crate::plan) packed: ConvWeights,
    pub(in crate::plan) activation: Activation,
}

impl Arithmetic for Float {
    type Element = f32;
    type Weights = FloatWeights;

    fn convolve(
        weights: &FloatWeights,
        input: MapView<'_, f32>,
        outputs: &mut [Destination<'_, f32>],
    ) {
        weights.packed.run(input, outputs, weights.activation);
    }
}
