//! The number formats that the convolutions run in.

use std::fmt::Debug;

use super::MapElement;
use googlenet_kernels::average_pool::{average_pool, average_pool_u8};
use googlenet_kernels::conv::{Activation, ConvWeights, Int8ConvWeights};
use googlenet_kernels::isa::Isa;
use googlenet_kernels::lrn::{LrnParameters, LrnScales, lrn, lrn_u8};
use googlenet_kernels::map::{Destination, MapView};
use googlenet_kernels::threads::Threads;
use googlenet_kernels::winograd::WinogradWeights;

/// A number format: the elements of a map, and convolutions from maps to maps.
pub(in crate::plan) trait Arithmetic: Debug + Send + Sync + 'static {
    /// An element of a map.
    type Element: MapElement;
    /// Packed weights of convolutions that read the same map.
    type Weights: Send + Sync + 'static;
    /// Its name.
    const FORMAT: Format;

    /// Writes the rows of `outputs`, one for each convolution of `weights`.
    fn convolve(
        weights: &Self::Weights,
        input: MapView<'_, Self::Element>,
        outputs: &mut [Destination<'_, Self::Element>],
        threads: &dyn Threads,
    );

    /// Local response normalization of the rows of `output`.
    fn normalise(
        isa: Isa,
        parameters: LrnParameters,
        scales: Scales,
        input: MapView<'_, Self::Element>,
        output: &mut Destination<'_, Self::Element>,
    );

    /// The mean of each channel.
    fn average(scales: Scales, input: MapView<'_, Self::Element>, output: &mut [Self::Element]);
}

/// The name of a number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::plan) enum Format {
    /// f32.
    Float,
    /// u8, with one scale for the whole map.
    Int8,
}

/// The scales of the input and of the output: a value is a number of the map times its scale. 1 in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::plan) struct Scales {
    pub(in crate::plan) input: f32,
    pub(in crate::plan) output: f32,
}

/// 32-bit floating point.
#[derive(Debug)]
pub(in crate::plan) struct Float;

/// Weights of f32 with what follows the product.
pub(in crate::plan) struct FloatWeights {
    pub(in crate::plan) packed: FloatPacked,
    pub(in crate::plan) activation: Activation,
}

/// The two ways to convolve in f32.
pub(in crate::plan) enum FloatPacked {
    Direct(Box<ConvWeights>),
    Winograd(WinogradWeights),
}

impl Arithmetic for Float {
    type Element = f32;
    type Weights = FloatWeights;
    const FORMAT: Format = Format::Float;

    fn convolve(
        weights: &FloatWeights,
        input: MapView<'_, f32>,
        outputs: &mut [Destination<'_, f32>],
        threads: &dyn Threads,
    ) {
        match &weights.packed {
            FloatPacked::Direct(packed) => packed.run(input, outputs, weights.activation, threads),
            FloatPacked::Winograd(packed) => {
                for output in outputs {
                    packed.run(input, output, weights.activation, threads);
                }
            }
        }
    }

    fn normalise(
        isa: Isa,
        parameters: LrnParameters,
        _: Scales,
        input: MapView<'_, f32>,
        output: &mut Destination<'_, f32>,
    ) {
        lrn(isa, parameters, input, output);
    }

    fn average(_: Scales, input: MapView<'_, f32>, output: &mut [f32]) {
        average_pool(input, output);
    }
}

/// Activations of u8, weights of i8, sums of 32 bits.
#[derive(Debug)]
pub(in crate::plan) struct Int8;

impl Arithmetic for Int8 {
    type Element = u8;
    type Weights = Int8ConvWeights;
    const FORMAT: Format = Format::Int8;

    fn convolve(
        weights: &Int8ConvWeights,
        input: MapView<'_, u8>,
        outputs: &mut [Destination<'_, u8>],
        threads: &dyn Threads,
    ) {
        weights.run(input, outputs, threads);
    }

    fn normalise(
        isa: Isa,
        parameters: LrnParameters,
        scales: Scales,
        input: MapView<'_, u8>,
        output: &mut Destination<'_, u8>,
    ) {
        let scales = LrnScales { input: scales.input, output: scales.output };
        lrn_u8(isa, parameters, scales, input, output);
    }

    fn average(scales: Scales, input: MapView<'_, u8>, output: &mut [u8]) {
        average_pool_u8(input, scales.input / scales.output, output);
    }
}
