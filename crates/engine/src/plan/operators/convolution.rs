//! A convolution, and the fully connected layer, which is one of 1x1.

use std::fmt;

use tract_onnx::prelude::*;

use super::arithmetic::{Arithmetic, Float, FloatWeights, Int8};
use super::{MapMemory, Operator, map_fact, slice_mut, view};
use crate::plan::team::Team;
use googlenet_kernels::conv::Int8ConvWeights;
use googlenet_kernels::map::{MapRowsMut, MapShape, MapView};
use googlenet_kernels::threads::Threads;

/// A convolution from map to map.
pub(in crate::plan) struct Convolution<A: Arithmetic> {
    pub(in crate::plan) weights: A::Weights,
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) output: MapShape,
}

impl<A: Arithmetic> fmt::Debug for Convolution<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Convolution {:?} -> {:?}", self.input, self.output)
    }
}

impl<A: Arithmetic> Operator for Convolution<A> {
    const NAME: &'static str = "Convolution";

    fn output_fact(&self) -> TypedFact {
        map_fact::<A::Element>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, team: &Team) -> TractResult<Tensor> {
        let input = view::<A::Element>(input, self.input)?;
        let channels = self.output.channels;
        let mut output = maps.map(self.output);
        A::convolve(&self.weights, input, &mut [output.rows().channels(0..channels)], team);
        Ok(output.into_tensor())
    }
}

/// The fully connected layer: from the mean of each channel to the logits, `[1, classes]` in f32.
pub(in crate::plan) struct FullyConnected<A: ToLogits> {
    pub(in crate::plan) weights: A::Weights,
    pub(in crate::plan) channels: usize,
    pub(in crate::plan) classes: usize,
}

/// A number format whose last product gives f32.
pub(in crate::plan) trait ToLogits: Arithmetic {
    /// `input` and `output` are maps of one pixel.
    fn logits(
        weights: &Self::Weights,
        input: &[Self::Element],
        output: &mut [f32],
        threads: &dyn Threads,
    );
}

impl ToLogits for Float {
    fn logits(weights: &FloatWeights, input: &[f32], output: &mut [f32], threads: &dyn Threads) {
        let (from, to) = (pixel(input.len()), pixel(output.len()));
        let mut output = MapRowsMut::whole(to, output);
        let window = output.channels(0..to.channels);
        Self::convolve(weights, MapView::new(from, input), &mut [window], threads);
    }
}

impl ToLogits for Int8 {
    fn logits(weights: &Int8ConvWeights, input: &[u8], output: &mut [f32], threads: &dyn Threads) {
        let (from, to) = (pixel(input.len()), pixel(output.len()));
        let mut output = MapRowsMut::whole(to, output);
        let window = output.channels(0..to.channels);
        weights.run_to_floats(MapView::new(from, input), &mut [window], threads);
    }
}

/// A map of one pixel.
pub(in crate::plan) fn pixel(channels: usize) -> MapShape {
    MapShape { height: 1, width: 1, channels, border: 0 }
}

impl<A: ToLogits> fmt::Debug for FullyConnected<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FullyConnected {} -> {}", self.channels, self.classes)
    }
}

impl<A: ToLogits> Operator for FullyConnected<A> {
    const NAME: &'static str = "FullyConnected";

    fn output_fact(&self) -> TypedFact {
        f32::fact([1, self.classes])
    }

    fn run(&self, input: &Tensor, _: &MapMemory, team: &Team) -> TractResult<Tensor> {
        let input = view::<A::Element>(input, pixel(self.channels))?.values();
        let mut output = Tensor::zero::<f32>(&[1, self.classes])?;
        A::logits(&self.weights, input, slice_mut(&mut output)?, team);
        Ok(output)
    }
}
