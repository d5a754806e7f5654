//! The transposed weights of a convolution that is packed already.
//!
//! Weights are packed for the instruction set that runs them, transformed by Winograd or rounded to bytes, and the file's
//! are not kept. What they are can be asked: a convolution of a map that is 0 but for one value gives its weights for
//! that channel. So the gradient belongs to the arithmetic that runs, and costs no memory before it is asked for.

use crate::plan::operators::arithmetic::{Arithmetic, Float, FloatPacked, FloatWeights, Int8};
use googlenet_kernels::conv::{Activation, Int8ConvWeights};
use googlenet_kernels::map::{Destination, MapRowsMut, MapShape, MapView};
use googlenet_kernels::threads::Threads;

/// A number format whose convolutions can be run without the ReLU and without rounding to bytes.
pub(super) trait Linear: Arithmetic {
    /// A value that is large beside a bias, and what it is as a number.
    const IMPULSE: (Self::Element, f32);

    /// Writes the sums and biases of each convolution of `weights`, divided by the scale of its output.
    fn convolve_linearly(
        weights: &Self::Weights,
        input: MapView<'_, Self::Element>,
        outputs: &mut [Destination<'_, f32>],
        threads: &dyn Threads,
    );
}

impl Linear for Float {
    /// A power of 2: products with it are exact.
    const IMPULSE: (f32, f32) = (256.0, 256.0);

    fn convolve_linearly(
        weights: &FloatWeights,
        input: MapView<'_, f32>,
        outputs: &mut [Destination<'_, f32>],
        threads: &dyn Threads,
    ) {
        match &weights.packed {
            FloatPacked::Direct(packed) => {
                packed.run(input, outputs, Activation::Identity, threads);
            }
            FloatPacked::Winograd(packed) => {
                for output in outputs {
                    packed.run(input, output, Activation::Identity, threads);
                }
            }
        }
    }
}

impl Linear for Int8 {
    const IMPULSE: (u8, f32) = (u8::MAX, 255.0);

    fn convolve_linearly(
        weights: &Int8ConvWeights,
        input: MapView<'_, u8>,
        outputs: &mut [Destination<'_, f32>],
        threads: &dyn Threads,
    ) {
        weights.run_to_floats(input, outputs, threads);
    }
}

/// A convolution of stride 1 that keeps the size of its map.
#[derive(Clone, Copy, Debug)]
pub(super) struct SameGeometry {
    /// Height and width of its kernel, an odd number.
    pub(super) kernel: usize,
    /// Channels that it reads.
    pub(super) inputs: usize,
}

/// The transposed weights of the convolutions of `weights`, which read the same map and give `outputs` channels each:
/// `[input][output][kernel][kernel]`, turned by half a turn. `scales` has, for each of them, the scale of
/// its output divided by that of its input.
pub(super) fn transposed<A: Linear>(
    weights: &A::Weights,
    SameGeometry { kernel, inputs }: SameGeometry,
    outputs: &[usize],
    scales: &[f32],
    threads: &dyn Threads,
) -> Vec<Vec<f32>> {
    let nothing = A::Element::default();
    let zeros = map(kernel, 1, inputs);
    let biases = answers::<A>(weights, zeros, &vec![nothing; zeros.len()], outputs, threads);
    // The impulse of each channel stands in the middle of a field of its own, as large as the kernel.
    let fields = map(kernel, inputs, inputs);
    let mut impulses = vec![nothing; fields.len()];
    for input in 0..inputs {
        let (row, column) =
            (fields.border + kernel / 2, fields.border + input * kernel + kernel / 2);
        impulses[row * fields.row_len() + column * inputs + input] = A::IMPULSE.0;
    }
    let answers = answers::<A>(weights, fields, &impulses, outputs, threads);
    let parts = answers.iter().zip(&biases).zip(outputs.iter().zip(scales));
    parts
        .map(|((answers, bias), (&outputs, scale))| {
            let factor = scale / A::IMPULSE.1;
            let mut weights = Vec::with_capacity(inputs * outputs * kernel * kernel);
            for (input, output) in (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o))) {
                for (row, column) in (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x))) {
                    // What a pixel before the impulse answers is the weight behind the middle: the half turn.
                    let pixel = row * kernel * inputs + input * kernel + column;
                    weights.push((answers[pixel * outputs + output] - bias[output]) * factor);
                }
            }
            weights
        })
        .collect()
}

/// A map of `fields` fields of the size of a kernel, with the border that the kernel needs.
fn map(kernel: usize, fields: usize, channels: usize) -> MapShape {
    MapShape { height: kernel, width: kernel * fields, channels, border: kernel / 2 }
}

/// What each convolution gives of a map, without a border.
fn answers<A: Linear>(
    weights: &A::Weights,
    shape: MapShape,
    input: &[A::Element],
    outputs: &[usize],
    threads: &dyn Threads,
) -> Vec<Vec<f32>> {
    let shapes: Vec<MapShape> =
        outputs.iter().map(|&channels| MapShape { channels, border: 0, ..shape }).collect();
    let mut values: Vec<Vec<f32>> = shapes.iter().map(|shape| vec![0.0; shape.len()]).collect();
    let mut maps: Vec<MapRowsMut<'_, f32>> = shapes
        .iter()
        .zip(&mut values)
        .map(|(&shape, values)| MapRowsMut::whole(shape, values))
        .collect();
    let mut windows: Vec<Destination<'_, f32>> =
        maps.iter_mut().zip(outputs).map(|(map, &channels)| map.channels(0..channels)).collect();
    A::convolve_linearly(weights, MapView::new(shape, input), &mut windows, threads);
    drop(windows);
    drop(maps);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::operators::arithmetic::Scales;
    use crate::plan::packing::{Pack, Part};
    use crate::plan::recognition::Convolution;
    use googlenet_kernels::conv::ConvGeometry;
    use googlenet_kernels::isa::Isa;
    use googlenet_kernels::threads::CallingThread;
    use tract_onnx::prelude::OutletId;

    fn convolution(kernel: usize, inputs: usize, outputs: usize) -> Convolution {
        let value = |index: usize| ((index * 7919 % 2003) as f32 - 1001.0) / 5000.0;
        Convolution {
            geometry: ConvGeometry {
                kernel: (kernel, kernel),
                stride: 1,
                padding: kernel / 2,
                input_channels: inputs,
            },
            weights: (0..outputs * inputs * kernel * kernel).map(value).collect::<Vec<_>>().into(),
            bias: (0..outputs).map(|index| value(index + 77)).collect(),
            relu: true,
            output: OutletId::new(0, 0),
        }
    }

    /// Direct sums, Winograd by both tiles, bytes: within what their arithmetic rounds.
    #[test]
    fn packed_weights_are_found_again() {
        for isa in Isa::available() {
            for (kernel, width) in [(1, 14), (3, 7), (3, 14), (3, 28), (5, 28)] {
                let parts = [convolution(kernel, 48, 40), convolution(kernel, 48, 33)];
                for part in &parts {
                    compare::<Float>(isa, part, width, Scales { input: 1.0, output: 1.0 }, 2e-6);
                    let scales = Scales { input: 0.02, output: 0.5 };
                    // Half a step of 127 in the largest weight, 0.2.
                    compare::<Int8>(isa, part, width, scales, 0.2 / 127.0 / 2.0 + 1e-6);
                }
            }
        }
    }

    fn compare<A: Linear + Pack>(
        isa: Isa,
        convolution: &Convolution,
        width: usize,
        scales: Scales,
        tolerance: f32,
    ) {
        let packed = A::pack(isa, &[Part { convolution, scales }], width);
        let (kernel, inputs) = (convolution.geometry.kernel.0, convolution.geometry.input_channels);
        let outputs = convolution.output_channels();
        let geometry = SameGeometry { kernel, inputs };
        let scale = scales.output / scales.input;
        let found = transposed::<A>(&packed, geometry, &[outputs], &[scale], &CallingThread);
        let taps = kernel * kernel;
        for (index, weight) in convolution.weights.iter().enumerate() {
            let (output, input, tap) =
                (index / (inputs * taps), index / taps % inputs, index % taps);
            let turned = (input * outputs + output) * taps + taps - 1 - tap;
            let value = found[0][turned];
            assert!(
                (value - weight).abs() <= tolerance,
                "{isa:?}, {kernel}x{kernel} at {width}: {value} is not {weight}"
            );
        }
    }
}
