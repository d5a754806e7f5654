//! Holds every kernel, on every instruction set that the machine has, to what ONNX Runtime gives;
//! `tests/fixtures/operators/make_fixtures.py` made the values.

use std::path::Path;

use crate::average_pool::average_pool;
use crate::conv::{
    Activation, ConvGeometry, ConvPart, ConvWeights, Int8ConvPart, Int8ConvWeights, OutputSize,
};
use crate::isa::Isa;
use crate::lrn::{LrnParameters, lrn};
use crate::map::{MapRowsMut, MapShape, MapView};
use crate::max_pool::{PoolGeometry, max_pool};
use crate::threads::CallingThread;
use crate::winograd::{TileSize, WinogradWeights};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/operators").join(name))
        .unwrap()
}

fn floats(name: &str) -> Vec<f32> {
    let bytes = fixture(&format!("{name}.f32"));
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// In -1..1, the same as in Python.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    integers(count, seed, 2003).map(|whole| whole as f32 / 1001.5 - 1.0).collect()
}

fn integers(count: usize, seed: usize, modulus: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| (i * 7919 + seed * 104_729) % 2003 % modulus)
}

/// Height, width, input and output channels, kernel, stride; the padding is half the kernel.
struct Convolution(&'static str, [usize; 6]);

impl Convolution {
    fn geometry(&self) -> ConvGeometry {
        let [_, _, input_channels, _, kernel, stride] = self.1;
        ConvGeometry { kernel: (kernel, kernel), stride, padding: kernel / 2, input_channels }
    }

    /// The input with its border, and the output.
    fn shapes(&self) -> [MapShape; 2] {
        let [height, width, inputs, outputs, _, stride] = self.1;
        let border = self.geometry().padding;
        [
            MapShape { height, width, channels: inputs, border },
            MapShape {
                height: (height - 1) / stride + 1,
                width: (width - 1) / stride + 1,
                channels: outputs,
                border: 0,
            },
        ]
    }
}

/// `values` in a map with a border of zeros.
fn with_border<T: Copy + Default>(shape: MapShape, values: &[T]) -> Vec<T> {
    let mut map = vec![T::default(); shape.len()];
    let mut rows = MapRowsMut::whole(shape, &mut map);
    for (row, from) in values.chunks_exact(shape.width * shape.channels).enumerate() {
        rows.row_mut(row).copy_from_slice(from);
    }
    map
}

fn assert_near(what: &str, actual: &[f32], expected: &[f32], relative: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (a, b) in actual.iter().zip(expected) {
        assert!((a - b).abs() <= relative * b.abs().max(1.0), "{what}: {a} is not {b}");
    }
}

#[test]
fn convolutions() {
    for case in [
        Convolution("conv_7x7_2", [13, 15, 3, 10, 7, 2]),
        Convolution("conv_1x1", [5, 9, 21, 35, 1, 1]),
        Convolution("conv_3x3", [6, 15, 33, 40, 3, 1]),
        Convolution("conv_3x3_2", [9, 11, 5, 17, 3, 2]),
        Convolution("conv_5x5", [7, 7, 12, 19, 5, 1]),
    ] {
        let (name, geometry, [from, to]) = (case.0, case.geometry(), case.shapes());
        let taps = geometry.kernel.0 * geometry.run();
        let input = numbers(from.height * from.width * from.channels, 3);
        let input = with_border(from, &input);
        let (input, expected) = (MapView::new(from, &input), floats(name));
        let part =
            ConvPart { weights: &numbers(taps * to.channels, 1), bias: &numbers(to.channels, 2) };
        for isa in Isa::available() {
            let mut output = vec![0.0; to.len()];
            let mut rows = MapRowsMut::whole(to, &mut output);
            let window = rows.channels(0..to.channels);
            let direct = ConvWeights::pack(isa, geometry, &[part], OutputSize::Map);
            direct.run(input, &mut [window], Activation::Relu, &CallingThread);
            assert_near(&format!("{name}, {isa:?}"), &output, &expected, 1e-5);
            if (geometry.kernel, geometry.stride) != ((3, 3), 1) {
                continue;
            }
            for size in [TileSize::Two, TileSize::Four] {
                output.fill(0.0);
                let mut rows = MapRowsMut::whole(to, &mut output);
                let mut window = rows.channels(0..to.channels);
                let packed = WinogradWeights::pack(isa, size, geometry, part);
                packed.run(input, &mut window, Activation::Relu, &CallingThread);
                assert_near(&format!("{name}, {size:?}, {isa:?}"), &output, &expected, 5e-5);
            }
        }
    }
}

/// The same bytes on every instruction set; a sum that lies between two bytes may be rounded to the
/// other one, for the scales are multiplied in another order.
#[test]
fn int8_convolutions() {
    for (case, divisor) in [
        (Convolution("int8_conv_7x7_2", [13, 15, 3, 10, 7, 2]), 6000.0),
        (Convolution("int8_conv_1x1", [5, 9, 21, 35, 1, 1]), 2400.0),
        (Convolution("int8_conv_3x3", [6, 15, 7, 40, 3, 1]), 4200.0),
    ] {
        let (name, geometry, [from, to]) = (case.0, case.geometry(), case.shapes());
        let taps = geometry.kernel.0 * geometry.run();
        let input = integers(from.height * from.width * from.channels, 3, 256).map(|i| i as u8);
        let input = with_border(from, &input.collect::<Vec<_>>());
        let weights = integers(taps * to.channels, 1, 255).map(|i| (i as i16 - 127) as i8);
        let weights: Vec<i8> = weights.collect();
        // Input and output are of the same unit.
        let scale: Vec<f32> = (0..to.channels).map(|o| (1 + o % 5) as f32 / divisor).collect();
        let bias = integers(to.channels, 2, 2001).zip(&scale);
        let bias: Vec<f32> = bias.map(|(bias, scale)| (bias as f32 - 1000.0) * scale).collect();
        let part = Int8ConvPart { weights: &weights, scale: &scale, bias: &bias };
        let expected = fixture(&format!("{name}.u8"));
        let inner = expected.iter().filter(|byte| (1..255).contains(*byte)).count();
        assert!(inner * 4 > expected.len(), "{name}: most values are clamped");
        for isa in Isa::available() {
            let mut output = vec![0_u8; to.len()];
            let mut rows = MapRowsMut::whole(to, &mut output);
            let window = rows.channels(0..to.channels);
            let packed = Int8ConvWeights::pack(isa, geometry, &[part], OutputSize::Map);
            packed.run(MapView::new(from, &input), &mut [window], &CallingThread);
            assert_eq!(output.len(), expected.len());
            let off = output.iter().zip(&expected).filter(|(a, b)| a != b);
            let off: Vec<u8> = off.map(|(a, b)| a.abs_diff(*b)).collect();
            assert!(off.iter().all(|&by| by == 1), "{name}, {isa:?}: off by {off:?}");
            assert!(off.len() * 100 <= expected.len(), "{name}, {isa:?}: {} are off", off.len());
        }
    }
}

/// The input of the fixtures that follow, and its shape.
fn activations(height: usize, width: usize, channels: usize) -> (MapShape, Vec<f32>) {
    let shape = MapShape { height, width, channels, border: 0 };
    (shape, numbers(shape.len(), 3).into_iter().map(|number| 50.0 * number).collect())
}

#[test]
fn pools() {
    for isa in Isa::available() {
        let window = PoolGeometry { kernel: 3, stride: 2, padding: 0 };
        let same = PoolGeometry { kernel: 3, stride: 1, padding: 1 };
        for (name, geometry, [height, width, channels], (to_height, to_width)) in [
            ("max_pool_3_2", window, [12, 15, 19], (6, 7)),
            ("max_pool_3_1", same, [5, 9, 18], (5, 9)),
        ] {
            let (from, input) = activations(height, width, channels);
            let to = MapShape { height: to_height, width: to_width, channels, border: 0 };
            let mut output = vec![0.0; to.len()];
            let mut rows = MapRowsMut::whole(to, &mut output);
            let mut rows = rows.channels(0..channels);
            max_pool(isa, geometry, MapView::new(from, &input), &mut rows);
            assert_eq!(output, floats(name), "{name}, {isa:?}");
        }
    }
    let (from, input) = activations(7, 6, 21);
    let mut output = vec![0.0; 21];
    average_pool(MapView::new(from, &input), &mut output);
    assert_near("average_pool", &output, &floats("average_pool"), 1e-5);
}

#[test]
fn local_response_normalisation() {
    let parameters = LrnParameters { size: 5, alpha: 1e-2, beta: 0.75, bias: 1.0 };
    let (shape, input) = activations(3, 5, 37);
    for isa in Isa::available() {
        let mut output = vec![0.0; shape.len()];
        let mut rows = MapRowsMut::whole(shape, &mut output);
        lrn(isa, parameters, MapView::new(shape, &input), &mut rows.channels(0..37));
        assert_near(&format!("{isa:?}"), &output, &floats("lrn"), 1e-5);
    }
}
