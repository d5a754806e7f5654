//! From a layer's weights to the packed weights of its operator, in each number format.

use super::operators::arithmetic::{Arithmetic, Float, FloatPacked, FloatWeights, Int8, Scales};
use super::operators::inception::{Inception, InceptionShapes};
use super::recognition;
use crate::model::{Precision, Preprocessing};
use googlenet_kernels::conv::{
    Activation, ConvPart, ConvWeights, Int8ConvPart, Int8ConvWeights, OutputSize,
};
use googlenet_kernels::isa::Isa;
use googlenet_kernels::map::MapShape;
use googlenet_kernels::region::Ready;
use googlenet_kernels::winograd::WinogradWeights;

/// Memory that is there for the weights when they are packed, about what BVLC's take. It takes a while to have it, and what
/// is left of it is given back when this is dropped.
pub fn memory_for_weights(precision: Precision) -> Ready {
    Ready::clear(match precision {
        Precision::F32 => 38 << 20,
        Precision::Int8 => 8 << 20,
    })
}

/// A convolution, and the scales of what it reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) convolution: &'a recognition::Convolution,
    pub(super) scales: Scales,
}

/// A number format that weights can be packed in.
pub(super) trait Pack: Arithmetic {
    /// Packs convolutions of the same input as one product, for outputs `width` pixels wide.
    fn pack(isa: Isa, parts: &[Part<'_>], width: usize) -> Self::Weights;
}

impl Pack for Float {
    fn pack(isa: Isa, parts: &[Part<'_>], width: usize) -> FloatWeights {
        let relu = parts.iter().all(|part| part.convolution.relu);
        let geometry = parts[0].convolution.geometry;
        let parts: Vec<ConvPart<'_>> = parts
            .iter()
            .map(|Part { convolution, .. }| ConvPart {
                weights: &convolution.weights,
                bias: &convolution.bias,
            })
            .collect();
        let tile = match parts[..] {
            [one] => WinogradWeights::tile(geometry, one.bias.len(), width).map(|tile| (tile, one)),
            _ => None,
        };
        FloatWeights {
            packed: match tile {
                Some((size, part)) => {
                    FloatPacked::Winograd(WinogradWeights::pack(isa, size, geometry, part))
                }
                None => {
                    let output = OutputSize::of_width(width);
                    FloatPacked::Direct(Box::new(ConvWeights::pack(isa, geometry, &parts, output)))
                }
            },
            activation: if relu { Activation::Relu } else { Activation::Identity },
        }
    }
}

impl Pack for Int8 {
    fn pack(isa: Isa, parts: &[Part<'_>], width: usize) -> Int8ConvWeights {
        let geometry = parts[0].convolution.geometry;
        let quantised: Vec<Quantised> = parts
            .iter()
            .map(|part| {
                Quantised::new(&part.convolution.weights, &part.convolution.bias, part.scales)
            })
            .collect();
        let parts: Vec<Int8ConvPart<'_>> = quantised.iter().map(Quantised::part).collect();
        Int8ConvWeights::pack(isa, geometry, &parts, OutputSize::of_width(width))
    }
}

/// Weights of i8, symmetric, with a scale for each output channel.
struct Quantised {
    weights: Vec<i8>,
    /// The scale of the weights of each output channel.
    weight_scales: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Quantised {
    fn new(weights: &[f32], bias: &[f32], scales: Scales) -> Self {
        let taps = weights.len() / bias.len().max(1);
        let weight_scales: Vec<f32> = weights
            .chunks_exact(taps)
            .map(|of_channel| {
                let largest =
                    of_channel.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
                if largest > 0.0 { largest / 127.0 } else { 1.0 }
            })
            .collect();
        let mut quantised = Vec::with_capacity(weights.len());
        for (of_channel, scale) in weights.chunks_exact(taps).zip(&weight_scales) {
            quantised.extend(of_channel.iter().map(|weight| nearest(weight / scale)));
        }
        Self {
            weights: quantised,
            scale: weight_scales.iter().map(|scale| scale * scales.input / scales.output).collect(),
            bias: bias.iter().map(|bias| bias / scales.output).collect(),
            weight_scales,
        }
    }

    fn part(&self) -> Int8ConvPart<'_> {
        Int8ConvPart { weights: &self.weights, scale: &self.scale, bias: &self.bias }
    }
}

/// The nearest integer to a number within -127..=127, ties to even.
fn nearest(value: f32) -> i8 {
    // Beside 1.5 * 2^23 the last bit of a sum is worth 1: the sum is rounded to an integer, which its last byte holds.
    // `round_ties_even` calls a function for each number where the machine's instruction is not compiled for.
    (value + 12_582_912.0).to_bits() as i8
}

/// The mean in bytes, RGB, if bytes can hold it: the padding of a normalised image, as a byte.
pub(super) fn mean_bytes(preprocessing: &Preprocessing) -> Option<[u8; 3]> {
    let mut bytes = [0; 3];
    for (rgb, &mean) in preprocessing.channels.from_rgb().into_iter().zip(&preprocessing.mean) {
        let whole = mean.fract() == 0.0 && (0.0..=255.0).contains(&mean);
        bytes[rgb] = whole.then_some(mean as u8)?;
    }
    Some(bytes)
}

/// The first layer, for a photo's bytes, RGB: subtracting the mean is linear, so that
/// `sum of w * scale * (byte - mean) + bias` is `sum of (w * scale) * byte` and another bias.
pub(super) fn pack_on_bytes(
    isa: Isa,
    convolution: &recognition::Convolution,
    preprocessing: &Preprocessing,
    output_scale: f32,
    width: usize,
) -> Int8ConvWeights {
    let order = preprocessing.channels.from_rgb();
    let area = convolution.geometry.kernel.0 * convolution.geometry.kernel.1;
    let mut weights = vec![0.0; convolution.weights.len()];
    let planes = convolution.weights.chunks_exact(area).enumerate();
    for (plane, from) in planes {
        let (output, channel) = (plane / 3, plane % 3);
        let to = &mut weights[(output * 3 + order[channel]) * area..][..area];
        for (to, weight) in to.iter_mut().zip(from) {
            *to = weight * preprocessing.scale[channel];
        }
    }
    let scales = Scales { input: 1.0, output: output_scale };
    let mut quantised = Quantised::new(&weights, &convolution.bias, scales);
    let of_outputs = quantised.weights.chunks_exact(3 * area).zip(&quantised.weight_scales);
    for (bias, (weights, scale)) in quantised.bias.iter_mut().zip(of_outputs) {
        for (channel, &rgb) in order.iter().enumerate() {
            let plane = &weights[rgb * area..][..area];
            let sum: i32 = plane.iter().map(|&weight| i32::from(weight)).sum();
            *bias -= sum as f32 * scale * preprocessing.mean[channel] / output_scale;
        }
    }
    Int8ConvWeights::pack(
        isa,
        convolution.geometry,
        &[quantised.part()],
        OutputSize::of_width(width),
    )
}

/// The scales of a module's maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct InceptionScales {
    pub(super) input: f32,
    pub(super) reduced_3: f32,
    pub(super) reduced_5: f32,
    /// The four branches share it: joining them needs no rescaling.
    pub(super) output: f32,
}

/// An inception module; its three 1x1 convolutions of the input become one product.
pub(super) fn inception<A: Pack>(
    isa: Isa,
    module: &recognition::Inception,
    scales: InceptionScales,
    input: MapShape,
    output: MapShape,
) -> Inception<A> {
    let MapShape { height, width, .. } = input;
    let size = (height, width);
    let map = |channels, border| MapShape { height, width, channels, border };
    let [o_1, o_3, o_5] = [&module.o_1, &module.o_3, &module.o_5].map(|c| c.output_channels());
    let part = |convolution, input, output| Part { convolution, scales: Scales { input, output } };
    let weights = |parts: &[Part<'_>]| A::pack(isa, parts, width);
    Inception {
        isa,
        heads: weights(&[
            part(&module.o_1, scales.input, scales.output),
            part(&module.r_3, scales.input, scales.reduced_3),
            part(&module.r_5, scales.input, scales.reduced_5),
        ]),
        o_3: weights(&[part(&module.o_3, scales.reduced_3, scales.output)]),
        o_5: weights(&[part(&module.o_5, scales.reduced_5, scales.output)]),
        pool: weights(&[part(&module.pool, scales.input, scales.output)]),
        window: module.window,
        shapes: InceptionShapes {
            input,
            reduced_3: map(module.r_3.output_channels(), module.o_3.geometry.border(size, size)),
            reduced_5: map(module.r_5.output_channels(), module.o_5.geometry.border(size, size)),
            pooled: map(input.channels, 0),
            output,
            begin: [o_1, o_1 + o_3, o_1 + o_3 + o_5],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_integer_is_that_of_the_standard_library() {
        let hundredths = (-12_700..=12_700).map(|value| value as f32 / 100.0);
        let halves = (-254..=254).map(|value| value as f32 / 2.0);
        let around = halves.clone().flat_map(|value| [value.next_up(), value.next_down()]);
        for value in hundredths.chain(halves).chain(around) {
            assert_eq!(nearest(value), value.round_ties_even() as i8, "{value}");
        }
    }
}
