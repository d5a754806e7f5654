//! Pooling and local response normalization compared with textbook loops, on every instruction set.

use proptest::prelude::*;

use super::average_pool::{average_pool, average_pool_u8};
use super::isa::Isa;
use super::lrn::{LrnParameters, LrnScales, lrn, lrn_u8};
use super::map::{MapRowsMut, MapShape, MapView};
use super::max_pool::{PoolGeometry, max_pool};
use super::quantise::quantise;

fn bytes(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn max_pool_takes_the_largest_of_each_clipped_window(
        (height, width) in (1_usize..12, 1_usize..20),
        channels in prop_oneof![1_usize..70, 250..340_usize],
        (kernel, stride, border) in (1_usize..5, 1_usize..3, 0_usize..2),
        seed in 0_usize..1000,
    ) {
        let geometry = PoolGeometry { kernel, stride, padding: kernel / 2 };
        let from = MapShape { height, width, channels, border };
        // What lies in the border is larger than all else: it must not be read.
        let mut input = bytes(from.len(), seed);
        input.iter_mut().for_each(|value| *value /= 2);
        super::map::fill_border(from, &mut input, 255);
        let floats: Vec<f32> = input.iter().map(|&value| f32::from(value) - 60.0).collect();
        let to = MapShape {
            height: (height - 1) / stride + 1,
            width: (width - 1) / stride + 1,
            channels,
            border: 0,
        };
        let view = MapView::new(from, &input);
        let mut expected = Vec::new();
        for (y, x, c) in (0..to.height).flat_map(|y| {
            (0..to.width).flat_map(move |x| (0..channels).map(move |c| (y, x, c)))
        }) {
            let inside = |index: usize, size: usize| {
                let start = index * stride;
                (start..start + kernel)
                    .filter_map(move |at| at.checked_sub(kernel / 2))
                    .filter(move |&at| at < size)
            };
            let values = inside(y, height)
                .flat_map(|row| inside(x, width).map(move |column| view.pixel(row, column)[c]));
            expected.push(values.max().unwrap());
        }
        for isa in Isa::available() {
            let mut output = vec![0_u8; to.len()];
            let mut whole = MapRowsMut::whole(to, &mut output);
            max_pool(isa, geometry, view, &mut whole.channels(0..channels));
            prop_assert_eq!(&output, &expected, "{:?}", isa);
            let mut output = vec![0_f32; to.len()];
            let mut whole = MapRowsMut::whole(to, &mut output);
            max_pool(isa, geometry, MapView::new(from, &floats), &mut whole.channels(0..channels));
            let expected: Vec<f32> = expected.iter().map(|&v| f32::from(v) - 60.0).collect();
            prop_assert_eq!(&output, &expected, "{:?}", isa);
        }
    }

    #[test]
    fn lrn_is_its_formula(
        (pixels, channels, half) in (1_usize..4, 1_usize..600, 0_usize..4),
        (usual, seed) in (any::<bool>(), 0_usize..1000),
    ) {
        let beta = if usual { 0.75 } else { 0.5 };
        let parameters = LrnParameters { size: 2 * half + 1, alpha: 0.01, beta, bias: 1.5 };
        let shape = MapShape { height: 1, width: pixels, channels, border: 0 };
        let input = bytes(shape.len(), seed);
        let scales = LrnScales { input: 0.05, output: 0.03 };
        let floats: Vec<f32> = input.iter().map(|&v| f32::from(v) * scales.input).collect();
        let expected: Vec<f64> = (0..shape.len())
            .map(|at| {
                let (pixel, channel) = (at / channels * channels, at % channels);
                let window = channel.saturating_sub(half)..(channel + half + 1).min(channels);
                let sum: f64 = window.map(|c| f64::from(floats[pixel + c]).powi(2)).sum();
                let base = 1.5 + f64::from(parameters.alpha) / (2 * half + 1) as f64 * sum;
                f64::from(floats[at]) / base.powf(f64::from(beta))
            })
            .collect();
        for isa in Isa::available() {
            let mut output = vec![0.0; shape.len()];
            let mut whole = MapRowsMut::whole(shape, &mut output);
            lrn(isa, parameters, MapView::new(shape, &floats), &mut whole.channels(0..channels));
            let mut rounded = vec![0; shape.len()];
            let mut whole = MapRowsMut::whole(shape, &mut rounded);
            let view = MapView::new(shape, &input);
            lrn_u8(isa, parameters, scales, view, &mut whole.channels(0..channels));
            for ((a, byte), b) in output.iter().zip(&rounded).zip(&expected) {
                prop_assert!((f64::from(*a) - b).abs() <= 1e-5 * b.max(1.0), "{isa:?}: {a}, {b}");
                let steps = (b / f64::from(scales.output)).min(255.0);
                prop_assert!((f64::from(*byte) - steps).abs() <= 0.501, "{isa:?}: {byte}, {steps}");
            }
        }
    }

    #[test]
    fn the_mean_is_the_mean(
        (height, width, channels) in (1_usize..9, 1_usize..9, 1_usize..150),
        seed in 0_usize..1000,
    ) {
        let shape = MapShape { height, width, channels, border: 1 };
        let input = bytes(shape.len(), seed);
        let view = MapView::new(shape, &input);
        let floats: Vec<f32> = input.iter().map(|&v| f32::from(v)).collect();
        let (mut means, mut rounded) = (vec![0.0; channels], vec![0; channels]);
        average_pool(MapView::new(shape, &floats), &mut means);
        average_pool_u8(view, 0.5, &mut rounded);
        for channel in 0..channels {
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
            let sum: f64 = pixels.map(|(y, x)| f64::from(view.pixel(y, x)[channel])).sum();
            let mean = sum / (height * width) as f64;
            prop_assert!((f64::from(means[channel]) - mean).abs() <= 1e-3);
            prop_assert!((f64::from(rounded[channel]) - mean * 0.5).abs() <= 0.501);
        }
    }

    #[test]
    fn quantise_rounds_to_even_and_clamps(value in -1000.0_f32..1000.0) {
        let mut output = [0];
        quantise(0.5, &[value], &mut output);
        prop_assert_eq!(output[0], (value * 0.5).clamp(0.0, 255.0).round_ties_even() as u8);
    }
}
