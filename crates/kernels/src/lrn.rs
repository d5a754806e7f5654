//! Local response normalization across channels (Krizhevsky et al., 2012, section 3.3; ONNX `LRN`):
//! `y = x / (bias + alpha / size * sum of x^2 over the window of channels)^beta`.

use std::ops::Range;

use super::isa::Isa;
use super::map::{Destination, MapView};
use super::simd::{Vector, dispatch};

/// Parameters of ONNX's `LRN`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrnParameters {
    /// Channels of a window, odd, at most [`LrnParameters::LARGEST`].
    pub size: usize,
    /// Weight of the squares.
    pub alpha: f32,
    /// Power of the sum.
    pub beta: f32,
    /// Added to the sum.
    pub bias: f32,
}

impl LrnParameters {
    /// The largest window that there is a kernel for.
    pub const LARGEST: usize = 2 * HALO + 1;
}

/// The scales of the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrnScales {
    /// Of the input.
    pub input: f32,
    /// Of the output.
    pub output: f32,
}

/// Squares of the channels around a chunk.
const HALO: usize = 15;
/// Channels whose squares are taken at once.
const CHUNK: usize = 256;
/// Pixels whose squares are taken before the first window is summed: a vector that is read across two that were only
/// just written would wait for both.
const PIXELS: usize = 8;

/// Writes the rows of `output`, in f32.
///
/// # Panics
/// When input and output differ in size, or the window is even or too large.
pub fn lrn(
    isa: Isa,
    parameters: LrnParameters,
    input: MapView<'_, f32>,
    output: &mut Destination<'_, f32>,
) {
    check(parameters, input.shape().channels, output.channel_count());
    let what = Normalisation { parameters, input_scale: 1.0, scale: 1.0 };
    dispatch!(
        isa,
        rows_of_floats(
            what: Normalisation = what,
            input: MapView<'_, f32> = input,
            output: &mut Destination<'_, f32> = output,
        )
    );
}

/// Writes the rows of `output`, from bytes to bytes: rounded to nearest, ties to even.
///
/// # Panics
/// When input and output differ in size, or the window is even or too large.
pub fn lrn_u8(
    isa: Isa,
    parameters: LrnParameters,
    scales: LrnScales,
    input: MapView<'_, u8>,
    output: &mut Destination<'_, u8>,
) {
    check(parameters, input.shape().channels, output.channel_count());
    let what = Normalisation {
        parameters,
        input_scale: scales.input,
        scale: scales.input / scales.output,
    };
    dispatch!(
        isa,
        rows_of_bytes(
            what: Normalisation = what,
            input: MapView<'_, u8> = input,
            output: &mut Destination<'_, u8> = output,
        )
    );
}

/// What is done to each channel.
#[derive(Clone, Copy)]
struct Normalisation {
    parameters: LrnParameters,
    /// The value of an element is its number times this.
    input_scale: f32,
    /// By what it is multiplied beside the factor of its window.
    scale: f32,
}

/// An element of a map that can be normalised.
trait LrnElement: Copy {
    /// The number that it stands for, without its scale.
    fn number(self) -> f32;
    /// Reads `lanes <= V::LANES` elements as numbers, without their scale; the others are 0.
    ///
    /// # Safety
    /// The machine has the instructions of `V`; `from` has so many elements.
    unsafe fn load<V: Vector>(from: *const Self, lanes: usize) -> V;
    /// Writes them.
    ///
    /// # Safety
    /// The machine has the instructions of `V`; `to` has `lanes <= V::LANES` elements.
    unsafe fn store<V: Vector>(values: V, to: *mut Self, lanes: usize);
}

impl LrnElement for f32 {
    #[inline(always)]
    fn number(self) -> f32 {
        self
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self, lanes: usize) -> V {
        // SAFETY: as the caller's.
        unsafe { V::load_some(from, lanes) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(values: V, to: *mut Self, lanes: usize) {
        // SAFETY: as the caller's.
        unsafe { values.store_some(to, lanes) }
    }
}

impl LrnElement for u8 {
    #[inline(always)]
    fn number(self) -> f32 {
        self.into()
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self, lanes: usize) -> V {
        // SAFETY: as the caller's.
        unsafe { V::load_bytes(from, lanes) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(values: V, to: *mut Self, lanes: usize) {
        // SAFETY: as the caller's.
        unsafe { values.store_bytes(to, lanes) }
    }
}

fn check(parameters: LrnParameters, input: usize, output: usize) {
    assert_eq!(input, output, "a normalisation keeps the channels");
    assert!(
        parameters.size % 2 == 1 && parameters.size <= LrnParameters::LARGEST,
        "a window is odd and not too large: {parameters:?}"
    );
}

/// # Safety
/// As [`rows`].
#[inline(always)]
unsafe fn rows_of_floats<V: Vector>(
    what: Normalisation,
    input: MapView<'_, f32>,
    output: &mut Destination<'_, f32>,
) {
    // SAFETY: as this function's.
    unsafe { rows::<V, f32>(what, input, output) }
}

/// # Safety
/// As [`rows`].
#[inline(always)]
unsafe fn rows_of_bytes<V: Vector>(
    what: Normalisation,
    input: MapView<'_, u8>,
    output: &mut Destination<'_, u8>,
) {
    // SAFETY: as this function's.
    unsafe { rows::<V, u8>(what, input, output) }
}

/// # Safety
/// The machine has the instructions of `V`; input and output have the same channels.
#[inline(always)]
unsafe fn rows<V: Vector, T: LrnElement>(
    what: Normalisation,
    input: MapView<'_, T>,
    output: &mut Destination<'_, T>,
) {
    let channels = input.shape().channels;
    let mut squares = [[0.0; SQUARES]; PIXELS];
    for row in output.rows() {
        for first in (0..output.shape().width).step_by(PIXELS) {
            let pixels = PIXELS.min(output.shape().width - first);
            for start in (0..channels).step_by(CHUNK) {
                let chunk = start..channels.min(start + CHUNK);
                for (pixel, squares) in squares[..pixels].iter_mut().enumerate() {
                    let from = input.pixel(row, first + pixel);
                    take_squares(what, from, &chunk, squares);
                }
                for (pixel, squares) in squares[..pixels].iter().enumerate() {
                    let from = input.pixel(row, first + pixel);
                    let to = output.pixel_mut(row, first + pixel);
                    // SAFETY: as this function's; the squares are those of the chunk.
                    unsafe { divide::<V, T>(what, from, &chunk, squares, to) };
                }
            }
        }
    }
}

/// Squares of channels `start - half .. end + half` of a chunk, 0 where there is no channel, and room for a vector.
const SQUARES: usize = CHUNK + 2 * HALO + 16;

#[inline(always)]
fn take_squares<T: LrnElement>(
    what: Normalisation,
    from: &[T],
    chunk: &Range<usize>,
    squares: &mut [f32; SQUARES],
) {
    let half = what.parameters.size / 2;
    let (first, last) = (chunk.start.saturating_sub(half), (chunk.end + half).min(from.len()));
    let (before, rest) = squares.split_at_mut(first + half - chunk.start);
    let (within, behind) = rest.split_at_mut(last - first);
    before.fill(0.0);
    for (square, &value) in within.iter_mut().zip(&from[first..last]) {
        let value = value.number() * what.input_scale;
        *square = value * value;
    }
    // What is read behind the last window is of no channel, but for the half window that may be.
    behind[..half].fill(0.0);
}

/// # Safety
/// The machine has the instructions of `V`; `from` and `to` have the same length, and the chunk is of it.
#[inline(always)]
unsafe fn divide<V: Vector, T: LrnElement>(
    what: Normalisation,
    from: &[T],
    chunk: &Range<usize>,
    squares: &[f32; SQUARES],
    to: &mut [T],
) {
    for channel in chunk.clone().step_by(V::LANES) {
        let lanes = V::LANES.min(chunk.end - channel);
        // SAFETY: `lanes` channels follow `channel`; the squares have room for a whole vector behind the last one.
        unsafe {
            let factor = factor::<V>(what.parameters, squares, channel - chunk.start);
            let value: V = T::load(from.as_ptr().add(channel), lanes);
            let value = value.mul(V::splat(what.scale)).mul(factor);
            T::store(value, to.as_mut_ptr().add(channel), lanes);
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`; `first` has `size - 1` elements and a vector.
#[inline(always)]
unsafe fn of_window<V: Vector>(first: *const f32, size: usize) -> V {
    // SAFETY: as this function's.
    unsafe {
        let mut sum = V::load(first);
        for tap in 1..size {
            sum = sum.add(V::load(first.add(tap)));
        }
        sum
    }
}

/// `(bias + alpha / size * sum)^-beta` of the windows of a vector of channels.
///
/// # Safety
/// The machine has the instructions of `V`; `at` is at most the chunk's last channel.
#[inline(always)]
unsafe fn factor<V: Vector>(parameters: LrnParameters, squares: &[f32; SQUARES], at: usize) -> V {
    debug_assert!(at + parameters.size - 1 + V::LANES <= squares.len());
    // SAFETY: `at < CHUNK`, so a vector at any of the window's places ends within the squares.
    unsafe {
        let first = squares.as_ptr().add(at);
        // The same sum, without a loop where the window is the paper's.
        let sum = match parameters.size {
            5 => of_window::<V>(first, 5),
            size => of_window::<V>(first, size),
        };
        let alpha = V::splat(parameters.alpha / parameters.size as f32);
        let base = V::splat(parameters.bias).add(alpha.mul(sum));
        if parameters.beta == 0.75 && parameters.alpha >= 0.0 && parameters.bias > 0.0 {
            // With r = 1 / sqrt(x): x^-0.75 = r * sqrt(r). One root has a unit of its own to itself; a second
            // and a division would take turns with it.
            let root = base.inverse_sqrt();
            return root.mul(root.sqrt());
        }
        let mut values = [0.0; 16];
        base.store_some(values.as_mut_ptr(), V::LANES);
        V::load(values.map(|value: f32| value.powf(-parameters.beta)).as_ptr())
    }
}
