use proptest::prelude::*;

use crate::conv::tests::Three;
use crate::conv::{Activation, ConvGeometry, ConvPart, ConvWeights, OutputSize};
use crate::isa::Isa;
use crate::map::{MapRowsMut, MapShape, MapView};

/// Numbers that look like chance, in -1..1.
pub(crate) fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// The textbook's loops, over a map with its border.
pub(crate) fn textbook(
    geometry: ConvGeometry,
    part: ConvPart<'_>,
    input: MapView<'_, f32>,
    output: (usize, usize),
) -> Vec<f32> {
    let shape = input.shape();
    let (kernel_height, kernel_width) = geometry.kernel;
    let mut values = Vec::new();
    for y in 0..output.0 {
        for x in 0..output.1 {
            for (channel, bias) in part.bias.iter().enumerate() {
                let mut sum = f64::from(*bias);
                for i in 0..geometry.input_channels {
                    for ky in 0..kernel_height {
                        for kx in 0..kernel_width {
                            let row = y * geometry.stride + ky + shape.border - geometry.padding;
                            let column = x * geometry.stride + kx + shape.border - geometry.padding;
                            let at = row * shape.row_len() + column * shape.channels + i;
                            let tap = (channel * geometry.input_channels + i) * kernel_height + ky;
                            let weight = part.weights[tap * kernel_width + kx];
                            sum += f64::from(input.values()[at]) * f64::from(weight);
                        }
                    }
                }
                values.push(sum.max(0.0) as f32);
            }
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Odd widths, channels that fill no vector, strides, borders wider than the padding, two parts,
    /// windows of wider maps, rows in two halves: every instruction set gives the textbook's values.
    #[test]
    fn every_instruction_set_gives_the_textbooks_values(
        (height, width) in (1_usize..9, 1_usize..31),
        (inputs, one, two) in (1_usize..21, 1_usize..40, 1_usize..24),
        (kernel, stride, wider) in (1_usize..6, 1_usize..3, 0_usize..2),
        seed in 0_usize..1000,
    ) {
        let padding = kernel / 2;
        let size = |outputs: usize| (outputs - 1) * stride + kernel - 2 * padding;
        let shape = MapShape {
            height: size(height),
            width: size(width),
            channels: inputs,
            border: padding + wider,
        };
        let geometry =
            ConvGeometry { kernel: (kernel, kernel), stride, padding, input_channels: inputs };
        let input = numbers(shape.len(), seed);
        let input = MapView::new(shape, &input);
        let taps = kernel * kernel * inputs;
        let weights = [numbers(one * taps, 1), numbers(two * taps, 2)];
        let bias = [numbers(one, 3), numbers(two, 4)];
        let parts: Vec<ConvPart<'_>> = weights
            .iter()
            .zip(&bias)
            .map(|(weights, bias)| ConvPart { weights, bias })
            .collect();
        let expected: Vec<Vec<f32>> =
            parts.iter().map(|&part| textbook(geometry, part, input, (height, width))).collect();
        let output = OutputSize::of_width(width);
        for isa in Isa::available() {
            let packed = ConvWeights::pack(isa, geometry, &parts, output);
            // The first part's window has 3 channels before it and 2 behind it.
            let shapes = [
                MapShape { height, width, channels: one + 5, border: 1 },
                MapShape { height, width, channels: two, border: 0 },
            ];
            let mut outputs = shapes.map(|shape| vec![-7.0; shape.len()]);
            let [first, second] = &mut outputs;
            let (first_up, first_down) =
                MapRowsMut::whole(shapes[0], first).split_at(height / 2);
            let (second_up, second_down) =
                MapRowsMut::whole(shapes[1], second).split_at(height / 2);
            for (mut first, mut second) in [(first_up, second_up), (first_down, second_down)] {
                let windows = &mut [first.channels(3..3 + one), second.channels(0..two)];
                packed.run(input, windows, Activation::Relu, &Three);
            }
            let [first, second] = &outputs;
            prop_assert_eq!(first.iter().filter(|&&value| value == -7.0).count(),
                shapes[0].len() - height * width * one, "the neighbours are left alone");
            for y in 0..height {
                for x in 0..width {
                    let pixels = [
                        &MapView::new(shapes[0], first).pixel(y, x)[3..3 + one],
                        MapView::new(shapes[1], second).pixel(y, x),
                    ];
                    for (pixel, expected) in pixels.into_iter().zip(&expected) {
                        let channels = pixel.len();
                        let expected = &expected[(y * width + x) * channels..][..channels];
                        for (a, b) in pixel.iter().zip(expected) {
                            let tolerance = 1e-5 * (taps as f32).sqrt() * b.abs().max(1.0);
                            prop_assert!((a - b).abs() <= tolerance, "{isa:?}: {a} is not {b}");
                        }
                    }
                }
            }
        }
    }
}
