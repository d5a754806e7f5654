//! Through one inception module.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tract_onnx::prelude::OutletId;

use super::Trace;
use super::pooling::{Pool, shape};
use super::responses::{Linear, SameGeometry, transposed};
use crate::model::Activations;
use crate::plan::calibration::ActivationScales;
use crate::plan::operators::arithmetic::{Arithmetic, Float, FloatWeights, Int8, Scales};
use crate::plan::operators::inception::{Branches, Inception, InceptionShapes};
use crate::plan::operators::{MapElement, MapMemory};
use crate::plan::packing::{InceptionScales, Pack, Part};
use crate::plan::place_operators::Packed;
use crate::plan::recognition::{self, Convolution, FoundLayer};
use googlenet_kernels::conv::ConvGeometry;
use googlenet_kernels::isa::Isa;
use googlenet_kernels::map::{MapRowsMut, MapShape, MapView};
use googlenet_kernels::threads::Threads;
use googlenet_kernels::winograd::{TileSize, WinogradWeights};

/// A module on the way back.
pub(super) struct ModuleStep {
    /// Among all modules.
    pub(super) index: usize,
    operator: Operator,
    isa: Isa,
    shapes: InceptionShapes,
    /// The pool of branch 4.
    pool: Pool,
    /// Sizes of the kernels of branches 2 and 3.
    kernels: [usize; 2],
    scales: InceptionScales,
    /// Packed when they are needed for the first time.
    weights: OnceLock<Transposed>,
}

/// The module as it runs.
enum Operator {
    Float(Arc<Inception<Float>>),
    Int8(Arc<Inception<Int8>>),
}

/// Transposed weights, in f32.
struct Transposed {
    /// Of the three 1x1 convolutions of the input, which become one product again.
    heads: FloatWeights,
    o_3: FloatWeights,
    o_5: FloatWeights,
    pool: FloatWeights,
}

/// Where the ReLU of the reductions before the 3x3 and the 5x5 convolution let something pass: for each pixel the
/// channels of the one, then those of the other.
#[derive(Debug)]
pub(in crate::plan) struct Passed(Vec<bool>);

impl ModuleStep {
    /// None if a kernel is even, or the module runs otherwise than in one of our operators.
    pub(super) fn new(
        index: usize,
        module: &recognition::Inception,
        found: &FoundLayer,
        scales: &ActivationScales,
        packed: &Packed,
    ) -> Option<Self> {
        let operator = packed.get(&found.output)?.clone();
        let (operator, isa, shapes) = match operator.downcast::<Inception<Float>>() {
            Ok(float) => {
                let (isa, shapes) = (float.isa, float.shapes);
                (Operator::Float(float), isa, shapes)
            }
            Err(other) => {
                let int8 = other.downcast::<Inception<Int8>>().ok()?;
                let (isa, shapes) = (int8.isa, int8.shapes);
                (Operator::Int8(int8), isa, shapes)
            }
        };
        let kernels = [kernel(&module.o_3)?, kernel(&module.o_5)?];
        let scale = |outlet| match &operator {
            Operator::Float(_) => 1.0,
            Operator::Int8(_) => scales.at(outlet).unwrap_or(1.0),
        };
        let scales = InceptionScales {
            input: scale(found.input),
            reduced_3: scale(module.r_3.output),
            reduced_5: scale(module.r_5.output),
            output: scale(found.output),
        };
        let pool =
            Pool { geometry: module.window, output: (shapes.input.height, shapes.input.width) };
        let weights = OnceLock::new();
        Some(Self { index, operator, isa, shapes, pool, kernels, scales, weights })
    }

    /// What the ReLU inside let pass in the run that has just left its maps in `maps`.
    pub(super) fn passed(&self, maps: &MapMemory) -> Option<Passed> {
        match &self.operator {
            Operator::Float(_) => self.positive::<f32>(maps),
            Operator::Int8(_) => self.positive::<u8>(maps),
        }
    }

    fn positive<T: MapElement + PartialOrd>(&self, maps: &MapMemory) -> Option<Passed> {
        let [three, five] = [self.shapes.reduced_3, self.shapes.reduced_5];
        let read = |pixel: usize| (pixel / three.width, pixel % three.width);
        let pixels = three.height * three.width;
        maps.left(|branches: &Branches<T>| {
            let mut passed = Vec::with_capacity(pixels * (three.channels + five.channels));
            let is_positive = |value: &T| *value > T::default();
            for pixel in (0..pixels).map(read) {
                let of_3 = at(three, branches.reduced_3.values(), pixel);
                let of_5 = at(five, branches.reduced_5.values(), pixel);
                passed.extend(of_3.iter().chain(of_5).map(is_positive));
            }
            Passed(passed)
        })
    }

    /// From the gradient at the output to that at `input`, the map that the module read.
    pub(super) fn back(
        &self,
        gradient: &[f32],
        trace: &Trace,
        input: &Activations,
        threads: &dyn Threads,
    ) -> Vec<f32> {
        let weights = self.weights.get_or_init(|| self.transposed(threads));
        let InceptionShapes { reduced_3, reduced_5, output, begin, .. } = self.shapes;
        let [o_1, begin_5, begin_pool] = begin;
        // A part of the output's gradient, where the output is above 0, with the border that its kernel needs.
        let part = |channels: Range<usize>, border: usize| {
            let to = MapShape { channels: channels.len(), border, ..output };
            let mut values = vec![0.0; to.len()];
            let mut rows = MapRowsMut::whole(to, &mut values);
            copy_alive(gradient, &trace.output, channels, &mut rows);
            (to, values)
        };
        let own = o_1..o_1 + reduced_3.channels;
        let joined_channels = own.end + reduced_5.channels;
        let joined = MapShape { channels: joined_channels, border: 0, ..output };
        let mut of_heads = vec![0.0; joined.len()];
        let (three, of_3) = part(o_1..begin_5, self.kernels[0] / 2);
        let (five, of_5) = part(begin_5..begin_pool, self.kernels[1] / 2);
        let mut rows = MapRowsMut::whole(joined, &mut of_heads);
        run(&weights.o_3, MapView::new(three, &of_3), &mut rows, own.clone(), threads);
        run(&weights.o_5, MapView::new(five, &of_5), &mut rows, own.end..joined_channels, threads);
        self.mask_heads(gradient, trace, &mut of_heads, joined_channels);
        let to = shape(input);
        let mut at_input = vec![0.0; to.len()];
        let mut rows = MapRowsMut::whole(to, &mut at_input);
        run(&weights.heads, MapView::new(joined, &of_heads), &mut rows, 0..to.channels, threads);
        let (pool, of_pool) = part(begin_pool..output.channels, 0);
        let mut at_pooled = vec![0.0; to.len()];
        let mut rows = MapRowsMut::whole(to, &mut at_pooled);
        run(&weights.pool, MapView::new(pool, &of_pool), &mut rows, 0..to.channels, threads);
        self.pool.back(self.isa, input, &at_pooled, &mut at_input);
        at_input
    }

    /// Fills in the gradient of branch 1, and drops that of the reductions where their ReLU let nothing pass.
    fn mask_heads(&self, gradient: &[f32], trace: &Trace, of_heads: &mut [f32], channels: usize) {
        let (o_1, output) = (self.shapes.begin[0], self.shapes.output.channels);
        let reduced = channels - o_1;
        let pixels = of_heads.chunks_exact_mut(channels).enumerate();
        for (pixel, to) in pixels {
            let written = &trace.output.values[pixel * output..][..o_1];
            let gradient = &gradient[pixel * output..][..o_1];
            for ((to, written), gradient) in to.iter_mut().zip(written).zip(gradient) {
                *to = if *written > 0.0 { *gradient } else { 0.0 };
            }
            let passed = &trace.passed.0[pixel * reduced..][..reduced];
            for (to, passed) in to[o_1..].iter_mut().zip(passed) {
                *to = if *passed { *to } else { 0.0 };
            }
        }
    }

    fn transposed(&self, threads: &dyn Threads) -> Transposed {
        match &self.operator {
            Operator::Float(module) => self.transposed_of(module, threads),
            Operator::Int8(module) => self.transposed_of(module, threads),
        }
    }

    fn transposed_of<A: Linear>(&self, module: &Inception<A>, threads: &dyn Threads) -> Transposed {
        let InceptionShapes { input, reduced_3, reduced_5, output, begin, .. } = self.shapes;
        let InceptionScales { input: x, reduced_3: r_3, reduced_5: r_5, output: y } = self.scales;
        let [begin_3, begin_5, begin_pool] = begin;
        let ask = |weights: &A::Weights, kernel, inputs, outputs: &[usize], scales: &[f32]| {
            transposed::<A>(weights, SameGeometry { kernel, inputs }, outputs, scales, threads)
        };
        let pack = |kernel: usize, from: usize, to: usize, weights: Vec<f32>| {
            self.pack(kernel, from, to, weights)
        };
        let heads = [begin_3, reduced_3.channels, reduced_5.channels];
        let of_heads = ask(&module.heads, 1, input.channels, &heads, &[y / x, r_3 / x, r_5 / x]);
        let mut joined = Vec::with_capacity(input.channels * heads.iter().sum::<usize>());
        for channel in 0..input.channels {
            for (weights, outputs) in of_heads.iter().zip(heads) {
                joined.extend_from_slice(&weights[channel * outputs..][..outputs]);
            }
        }
        let one = |weights: Vec<Vec<f32>>| weights.into_iter().flatten().collect::<Vec<f32>>();
        let [three, five] = self.kernels;
        let (o_3, o_5, o_pool) =
            (begin_5 - begin_3, begin_pool - begin_5, output.channels - begin_pool);
        let of_3 = one(ask(&module.o_3, three, reduced_3.channels, &[o_3], &[y / r_3]));
        let of_5 = one(ask(&module.o_5, five, reduced_5.channels, &[o_5], &[y / r_5]));
        let of_pool = one(ask(&module.pool, 1, input.channels, &[o_pool], &[y / x]));
        Transposed {
            heads: pack(1, heads.iter().sum(), input.channels, joined),
            o_3: pack(three, o_3, reduced_3.channels, of_3),
            o_5: pack(five, o_5, reduced_5.channels, of_5),
            pool: pack(1, o_pool, input.channels, of_pool),
        }
    }

    /// Packs weights `[to][from][kernel][kernel]`.
    fn pack(&self, kernel: usize, from: usize, to: usize, weights: Vec<f32>) -> FloatWeights {
        let convolution = Convolution {
            geometry: geometry(kernel, from),
            weights: weights.into(),
            bias: vec![0.0; to],
            relu: false,
            // Nobody asks which tensor it writes.
            output: OutletId::new(0, 0),
        };
        let scales = Scales { input: 1.0, output: 1.0 };
        let part = Part { convolution: &convolution, scales };
        Float::pack(self.isa, &[part], self.shapes.output.width)
    }

    /// Memory of the transposed weights, in bytes.
    pub(super) fn weights_bytes(&self) -> u64 {
        let InceptionShapes { input, reduced_3, reduced_5, output, begin, .. } = self.shapes;
        let [begin_3, begin_5, begin_pool] = begin;
        let of = |kernel: usize, from: usize, to: usize| {
            let tile = WinogradWeights::tile(geometry(kernel, from), to, output.width);
            let taps = match tile {
                None => kernel * kernel,
                Some(TileSize::Two) => 16,
                Some(TileSize::Four) => 36,
            };
            (taps * from * to * size_of::<f32>()) as u64
        };
        of(1, begin_3 + reduced_3.channels + reduced_5.channels, input.channels)
            + of(self.kernels[0], begin_5 - begin_3, reduced_3.channels)
            + of(self.kernels[1], begin_pool - begin_5, reduced_5.channels)
            + of(1, output.channels - begin_pool, input.channels)
    }

    /// Memory of a [`Trace`], in bytes.
    pub(super) fn trace_bytes(&self) -> u64 {
        let InceptionShapes { reduced_3, reduced_5, output, .. } = self.shapes;
        let values = output.channels * size_of::<f32>() + reduced_3.channels + reduced_5.channels;
        (output.height * output.width * values) as u64
    }

    /// Memory of the gradients on the way through the module, and of the maps that it read, in bytes.
    pub(super) fn run_bytes(&self) -> u64 {
        let InceptionShapes { input, output, .. } = self.shapes;
        // Borders make a map of 7x7 pixels up to 2.5 times as large.
        let channels = 4 * input.channels + 4 * output.channels;
        (input.height * input.width * channels * size_of::<f32>()) as u64
    }
}

/// The kernel of a convolution that has one of odd size, with as many pixels before its middle as behind it.
fn kernel(convolution: &Convolution) -> Option<usize> {
    let ConvGeometry { kernel: (height, width), stride, padding, .. } = convolution.geometry;
    let fits = height == width && height % 2 == 1 && padding == height / 2 && stride == 1;
    fits.then_some(height)
}

fn geometry(kernel: usize, input_channels: usize) -> ConvGeometry {
    ConvGeometry { kernel: (kernel, kernel), stride: 1, padding: kernel / 2, input_channels }
}

/// The channels of a pixel.
fn at<T>(shape: MapShape, values: &[T], (row, column): (usize, usize)) -> &[T] {
    let pixel = (row + shape.border) * shape.row_len() + (column + shape.border) * shape.channels;
    &values[pixel..][..shape.channels]
}

/// Copies `channels` of `gradient`, 0 where `output` is.
fn copy_alive(
    gradient: &[f32],
    output: &Activations,
    channels: Range<usize>,
    to: &mut MapRowsMut<'_, f32>,
) {
    let of_row = output.width * output.channels;
    for row in 0..output.height {
        let pixels = to.row_mut(row).chunks_exact_mut(channels.len().max(1)).enumerate();
        for (column, to) in pixels {
            let first = row * of_row + column * output.channels + channels.start;
            let written = &output.values[first..][..channels.len()];
            let gradient = &gradient[first..][..channels.len()];
            for ((to, written), gradient) in to.iter_mut().zip(written).zip(gradient) {
                *to = if *written > 0.0 { *gradient } else { 0.0 };
            }
        }
    }
}

fn run(
    weights: &FloatWeights,
    input: MapView<'_, f32>,
    output: &mut MapRowsMut<'_, f32>,
    channels: Range<usize>,
    threads: &dyn Threads,
) {
    Float::convolve(weights, input, &mut [output.channels(channels)], threads);
}
