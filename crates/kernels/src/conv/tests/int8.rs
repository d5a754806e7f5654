use proptest::prelude::*;

use crate::conv::ConvGeometry;
use crate::conv::tests::Three;
use crate::conv::{Int8ConvPart, Int8ConvWeights, OutputSize};
use crate::isa::Isa;
use crate::map::{MapRowsMut, MapShape, MapView};
use crate::threads::CallingThread;

fn bytes(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as u8).collect()
}

/// One of `outliers` weights is any; the others are small.
fn weights(count: usize, seed: usize, outliers: usize) -> Vec<i8> {
    let any = bytes(count, seed + 1).into_iter().map(|byte| byte as i8).enumerate();
    any.map(|(index, any)| {
        let mixed = (index as u64 + seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        if mixed.is_multiple_of(outliers as u64) { any } else { any / 8 }
    })
    .collect()
}

/// The sums of the textbook's loops, over a map with its border.
fn textbook(
    geometry: ConvGeometry,
    weights: &[i8],
    channels: usize,
    input: MapView<'_, u8>,
    output: (usize, usize),
) -> Vec<i32> {
    let shape = input.shape();
    let (kernel_height, kernel_width) = geometry.kernel;
    let mut values = Vec::new();
    for y in 0..output.0 {
        for x in 0..output.1 {
            for channel in 0..channels {
                let mut sum = 0;
                for i in 0..geometry.input_channels {
                    for ky in 0..kernel_height {
                        for kx in 0..kernel_width {
                            let row = y * geometry.stride + ky + shape.border - geometry.padding;
                            let column = x * geometry.stride + kx + shape.border - geometry.padding;
                            let at = row * shape.row_len() + column * shape.channels + i;
                            let tap = (channel * geometry.input_channels + i) * kernel_height + ky;
                            let weight = weights[tap * kernel_width + kx];
                            sum += i32::from(input.values()[at]) * i32::from(weight);
                        }
                    }
                }
                values.push(sum);
            }
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Every instruction set gives the textbook's sums, and so the same bits.
    #[test]
    fn every_instruction_set_gives_the_same_bits(
        (height, width) in (1_usize..9, 1_usize..31),
        (inputs, channels) in (1_usize..21, 1_usize..40),
        (kernel, stride, wider) in (1_usize..6, 1_usize..3, 0_usize..2),
        (seed, outliers) in (0_usize..1000, 1_usize..40),
    ) {
        prop_assume!(kernel * inputs >= Int8ConvWeights::LEAST_RUN);
        let (width, channels) = if seed % 4 == 0 { (1, channels * 8) } else { (width, channels) };
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
        let input = bytes(shape.len(), seed);
        let input = MapView::new(shape, &input);
        let weights: Vec<i8> =
            weights(channels * kernel * kernel * inputs, seed, outliers);
        let scale: Vec<f32> = (0..channels).map(|c| 0.001 + c as f32 * 0.0007).collect();
        let bias: Vec<f32> = (0..channels).map(|c| 100.0 - c as f32 * 3.3).collect();
        let sums = textbook(geometry, &weights, channels, input, (height, width));
        let values: Vec<f32> = sums
            .iter()
            .enumerate()
            .map(|(i, &sum)| sum as f32 * scale[i % channels] + bias[i % channels])
            .collect();
        let rounded: Vec<u8> =
            values.iter().map(|value| value.clamp(0.0, 255.0).round_ties_even() as u8).collect();
        let output = OutputSize::of_width(width);
        let to = MapShape { height, width, channels, border: 0 };
        for isa in Isa::available() {
            let part = Int8ConvPart { weights: &weights, scale: &scale, bias: &bias };
            let packed = Int8ConvWeights::pack(isa, geometry, &[part], output);
            let mut to_bytes = vec![0_u8; to.len()];
            let (mut up, mut down) = MapRowsMut::whole(to, &mut to_bytes).split_at(height / 2);
            packed.run(input, &mut [up.channels(0..channels)], &CallingThread);
            packed.run(input, &mut [down.channels(0..channels)], &Three);
            prop_assert_eq!(&to_bytes, &rounded, "{:?}", isa);
            let mut floats = vec![0_f32; to.len()];
            let mut whole = MapRowsMut::whole(to, &mut floats);
            packed.run_to_floats(input, &mut [whole.channels(0..channels)], &Three);
            prop_assert_eq!(&floats, &values, "{:?}", isa);
        }
    }
}
