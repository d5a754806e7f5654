//! Each operator shape of GoogLeNet on one core, with the fastest instruction set of the machine:
//!
//!     cargo bench --bench operators [-- NAME]
//!
//! Items are multiply-adds, or elements where nothing is multiplied.

use std::fmt;

use divan::Bencher;
use divan::counter::ItemsCount;
use googlenet_engine::network::description::INCEPTIONS;
use googlenet_kernels::average_pool::average_pool;
use googlenet_kernels::conv::{
    Activation, ConvGeometry, ConvPart, ConvWeights, Int8ConvPart, Int8ConvWeights, OutputSize,
};
use googlenet_kernels::isa::Isa;
use googlenet_kernels::lrn::{LrnParameters, LrnScales, lrn, lrn_u8};
use googlenet_kernels::map::{MapRowsMut, MapShape, MapView};
use googlenet_kernels::max_pool::{PoolElement, PoolGeometry, max_pool};
use googlenet_kernels::threads::CallingThread;
use googlenet_kernels::winograd::{TileSize, WinogradWeights};

fn main() {
    divan::main();
}

/// A convolution with 'same' padding.
#[derive(Clone)]
struct Shape {
    name: String,
    /// Pixels of the output on a side.
    side: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Shape {
    fn new(name: &str, side: usize, (inputs, outputs): (usize, usize), kernel: usize) -> Self {
        Self { name: name.into(), side, inputs, outputs, kernel, stride: 1 }
    }

    fn geometry(&self) -> ConvGeometry {
        ConvGeometry {
            kernel: (self.kernel, self.kernel),
            stride: self.stride,
            padding: self.kernel / 2,
            input_channels: self.inputs,
        }
    }

    fn maps(&self) -> [MapShape; 2] {
        let map = |side, channels, border| MapShape { height: side, width: side, channels, border };
        [
            map(self.side * self.stride, self.inputs, self.kernel / 2),
            map(self.side, self.outputs, 0),
        ]
    }

    fn taps(&self) -> usize {
        self.kernel * self.kernel * self.inputs
    }

    fn multiply_adds(&self) -> ItemsCount {
        ItemsCount::new(self.side * self.side * self.outputs * self.taps())
    }
}

/// The convolutions; in a module the three 1x1 that read its input are one product.
fn convolutions() -> Vec<Shape> {
    let mut shapes = vec![
        Shape { stride: 2, ..Shape::new("conv1/7x7_s2", 112, (3, 64), 7) },
        Shape::new("conv2/3x3_reduce", 56, (64, 64), 1),
        Shape::new("conv2/3x3", 56, (64, 192), 3),
    ];
    let mut inputs = 192;
    for (name, numbers) in INCEPTIONS {
        let side = match name.as_bytes().get(10) {
            Some(b'3') => 28,
            Some(b'4') => 14,
            _ => 7,
        };
        let heads = numbers.o_1 + numbers.r_3 + numbers.r_5;
        let mut add = |part: &str, channels, kernel| {
            shapes.push(Shape::new(&format!("{name}/{part}"), side, channels, kernel));
        };
        add("1x1", (inputs, heads), 1);
        add("3x3", (numbers.r_3, numbers.o_3), 3);
        add("5x5", (numbers.r_5, numbers.o_5), 5);
        add("pool_proj", (inputs, numbers.pool), 1);
        inputs = numbers.outputs();
    }
    shapes.push(Shape::new("loss3/classifier", 1, (inputs, 1000), 1));
    shapes
}

fn winograd_convolutions() -> Vec<Shape> {
    convolutions().into_iter().filter(|shape| shape.kernel == 3).collect()
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 7919 % 251) as u8).collect()
}

#[divan::bench(args = convolutions())]
fn convolution(bencher: Bencher<'_, '_>, shape: &Shape) {
    let [from, to] = shape.maps();
    let (weights, bias) = (numbers(shape.taps() * shape.outputs), numbers(shape.outputs));
    let part = ConvPart { weights: &weights, bias: &bias };
    let packed =
        ConvWeights::pack(Isa::best(), shape.geometry(), &[part], OutputSize::of_width(shape.side));
    let (input, mut output) = (numbers(from.len()), vec![0.0; to.len()]);
    bencher.counter(shape.multiply_adds()).bench_local(|| {
        let mut rows = MapRowsMut::whole(to, &mut output);
        let window = rows.channels(0..to.channels);
        packed.run(MapView::new(from, &input), &mut [window], Activation::Relu, &CallingThread);
    });
}

/// The multiply-adds are those of the direct sums.
#[divan::bench(args = winograd_convolutions())]
fn winograd_2(bencher: Bencher<'_, '_>, shape: &Shape) {
    winograd(bencher, shape, TileSize::Two);
}

#[divan::bench(args = winograd_convolutions())]
fn winograd_4(bencher: Bencher<'_, '_>, shape: &Shape) {
    winograd(bencher, shape, TileSize::Four);
}

fn winograd(bencher: Bencher<'_, '_>, shape: &Shape, size: TileSize) {
    let [from, to] = shape.maps();
    let (weights, bias) = (numbers(shape.taps() * shape.outputs), numbers(shape.outputs));
    let part = ConvPart { weights: &weights, bias: &bias };
    let packed = WinogradWeights::pack(Isa::best(), size, shape.geometry(), part);
    let (input, mut output) = (numbers(from.len()), vec![0.0; to.len()]);
    bencher.counter(shape.multiply_adds()).bench_local(|| {
        let mut rows = MapRowsMut::whole(to, &mut output);
        let mut window = rows.channels(0..to.channels);
        packed.run(MapView::new(from, &input), &mut window, Activation::Relu, &CallingThread);
    });
}

#[divan::bench(args = convolutions())]
fn int8_convolution(bencher: Bencher<'_, '_>, shape: &Shape) {
    let [from, to] = shape.maps();
    let weights: Vec<i8> =
        bytes(shape.taps() * shape.outputs).into_iter().map(|byte| (byte / 2) as i8 - 62).collect();
    let (scale, bias) = (vec![1e-4; shape.outputs], numbers(shape.outputs));
    let part = Int8ConvPart { weights: &weights, scale: &scale, bias: &bias };
    let packed = Int8ConvWeights::pack(
        Isa::best(),
        shape.geometry(),
        &[part],
        OutputSize::of_width(shape.side),
    );
    let (input, mut output) = (bytes(from.len()), vec![0_u8; to.len()]);
    bencher.counter(shape.multiply_adds()).bench_local(|| {
        let mut rows = MapRowsMut::whole(to, &mut output);
        let window = rows.channels(0..to.channels);
        packed.run(MapView::new(from, &input), &mut [window], &CallingThread);
    });
}

/// Side of the input, channels, stride: the pools between the modules, and some inside them.
const POOLS: [[usize; 3]; 7] = [
    [112, 64, 2],
    [56, 192, 2],
    [28, 480, 2],
    [14, 832, 2],
    [28, 192, 1],
    [14, 512, 1],
    [7, 832, 1],
];

#[divan::bench(args = POOLS)]
fn max_pool_f32(bencher: Bencher<'_, '_>, pool: [usize; 3]) {
    pooling(bencher, pool, numbers(pool[0] * pool[0] * pool[1]));
}

#[divan::bench(args = POOLS)]
fn max_pool_u8(bencher: Bencher<'_, '_>, pool: [usize; 3]) {
    pooling(bencher, pool, bytes(pool[0] * pool[0] * pool[1]));
}

fn pooling<T: PoolElement + Default>(
    bencher: Bencher<'_, '_>,
    [side, channels, stride]: [usize; 3],
    input: Vec<T>,
) {
    let geometry = PoolGeometry { kernel: 3, stride, padding: usize::from(stride == 1) };
    let map = |side| MapShape { height: side, width: side, channels, border: 0 };
    let (from, to) = (map(side), map(side / stride));
    let mut output = vec![T::default(); to.len()];
    bencher.counter(ItemsCount::new(to.len())).bench_local(|| {
        let mut rows = MapRowsMut::whole(to, &mut output);
        let mut window = rows.channels(0..channels);
        max_pool(Isa::best(), geometry, MapView::new(from, &input), &mut window);
    });
}

const LRN: LrnParameters = LrnParameters { size: 5, alpha: 1e-4, beta: 0.75, bias: 1.0 };

#[divan::bench(args = [64, 192])]
fn lrn_f32(bencher: Bencher<'_, '_>, channels: usize) {
    let shape = MapShape { height: 56, width: 56, channels, border: 0 };
    let (input, mut output) = (numbers(shape.len()), vec![0.0; shape.len()]);
    bencher.counter(ItemsCount::new(shape.len())).bench_local(|| {
        let mut rows = MapRowsMut::whole(shape, &mut output);
        let input = MapView::new(shape, &input);
        lrn(Isa::best(), LRN, input, &mut rows.channels(0..channels));
    });
}

#[divan::bench(args = [64, 192])]
fn lrn_int8(bencher: Bencher<'_, '_>, channels: usize) {
    let shape = MapShape { height: 56, width: 56, channels, border: 0 };
    let (input, mut output) = (bytes(shape.len()), vec![0; shape.len()]);
    let scales = LrnScales { input: 14.0, output: 1.0 };
    bencher.counter(ItemsCount::new(shape.len())).bench_local(|| {
        let mut rows = MapRowsMut::whole(shape, &mut output);
        let input = MapView::new(shape, &input);
        lrn_u8(Isa::best(), LRN, scales, input, &mut rows.channels(0..channels));
    });
}

#[divan::bench]
fn average_pool_f32(bencher: Bencher<'_, '_>) {
    let shape = MapShape { height: 7, width: 7, channels: 1024, border: 0 };
    let (input, mut output) = (numbers(shape.len()), vec![0.0; 1024]);
    bencher
        .counter(ItemsCount::new(shape.len()))
        .bench_local(|| average_pool(MapView::new(shape, &input), &mut output));
}
