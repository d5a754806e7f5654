//! Local response normalization across channels (Krizhevsky et al., 2012, section 3.3; ONNX `LRN`):
//! `y = x / (bias + alpha / size * sum of x^2 over the window of channels)^beta`.

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

/// What one unit of the bytes is worth.
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
    for row in output.rows() {
        for column in 0..output.shape().width {
            let (from, to) = (input.pixel(row, column), output.pixel_mut(row, column));
            dispatch!(
                isa,
                pixel(parameters: LrnParameters = parameters, from: &[f32] = from, to: &mut [f32] = to)
            );
        }
    }
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
    for row in output.rows() {
        for column in 0..output.shape().width {
            let (from, to) = (input.pixel(row, column), output.pixel_mut(row, column));
            dispatch!(
                isa,
                pixel_u8(
                    parameters: LrnParameters = parameters,
                    scales: LrnScales = scales,
                    from: &[u8] = from,
                    to: &mut [u8] = to,
                )
            );
        }
    }
}

fn check(parameters: LrnParameters, input: usize, output: usize) {
    assert_eq!(input, output, "a normalisation keeps the channels");
    assert!(
        parameters.size % 2 == 1 && parameters.size <= LrnParameters::LARGEST,
        "a window is odd and not too large: {parameters:?}"
    );
}

/// Squares of channels `start - half .. end + half`, 0 where there is no channel.
type Squares = [f32; CHUNK + 2 * HALO + 16];

/// # Safety
/// The machine has the instructions of `V`; `from` and `to` have the same length.
#[inline(always)]
unsafe fn pixel<V: Vector>(parameters: LrnParameters, from: &[f32], to: &mut [f32]) {
    let half = parameters.size / 2;
    let mut squares: Squares = [0.0; CHUNK + 2 * HALO + 16];
    for start in (0..from.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(from.len());
        let (first, last) = (start.saturating_sub(half), (end + half).min(from.len()));
        squares.fill(0.0);
        let shift = first + half - start;
        for (square, value) in squares[shift..].iter_mut().zip(&from[first..last]) {
            *square = value * value;
        }
        for channel in (start..end).step_by(V::LANES) {
            let lanes = V::LANES.min(end - channel);
            // SAFETY: `lanes` channels follow `channel`; the squares have room for a whole vector
            // behind the last one.
            unsafe {
                let power = power::<V>(parameters, &squares, channel - start);
                let value = V::load_some(from.as_ptr().add(channel), lanes);
                value.div(power).store_some(to.as_mut_ptr().add(channel), lanes);
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`; `from` and `to` have the same length.
#[inline(always)]
unsafe fn pixel_u8<V: Vector>(
    parameters: LrnParameters,
    scales: LrnScales,
    from: &[u8],
    to: &mut [u8],
) {
    let half = parameters.size / 2;
    let mut squares: Squares = [0.0; CHUNK + 2 * HALO + 16];
    for start in (0..from.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(from.len());
        let (first, last) = (start.saturating_sub(half), (end + half).min(from.len()));
        squares.fill(0.0);
        let shift = first + half - start;
        for (square, &value) in squares[shift..].iter_mut().zip(&from[first..last]) {
            let value = f32::from(value) * scales.input;
            *square = value * value;
        }
        for channel in (start..end).step_by(V::LANES) {
            let lanes = V::LANES.min(end - channel);
            // SAFETY: `lanes` channels follow `channel`; the squares have room for a whole vector
            // behind the last one.
            unsafe {
                let power = power::<V>(parameters, &squares, channel - start);
                let value = V::load_bytes(from.as_ptr().add(channel), lanes);
                let value = value.mul(V::splat(scales.input / scales.output));
                value.div(power).store_bytes(to.as_mut_ptr().add(channel), lanes);
            }
        }
    }
}

/// `(bias + alpha / size * sum)^beta` of the windows of a vector of channels.
///
/// # Safety
/// The machine has the instructions of `V`; `at` is at most the chunk's last channel.
#[inline(always)]
unsafe fn power<V: Vector>(parameters: LrnParameters, squares: &Squares, at: usize) -> V {
    debug_assert!(at + parameters.size - 1 + V::LANES <= squares.len());
    // SAFETY: `at < CHUNK`, so a vector at any of the window's places ends within the squares.
    unsafe {
        let first = squares.as_ptr().add(at);
        let mut sum = V::load(first);
        for tap in 1..parameters.size {
            sum = sum.add(V::load(first.add(tap)));
        }
        let alpha = V::splat(parameters.alpha / parameters.size as f32);
        let base = V::splat(parameters.bias).add(alpha.mul(sum));
        if parameters.beta == 0.75 {
            // x^0.75 = sqrt(x) * sqrt(sqrt(x))
            let root = base.sqrt();
            return root.mul(root.sqrt());
        }
        let mut values = [0.0; 16];
        base.store_some(values.as_mut_ptr(), V::LANES);
        V::load(values.map(|value: f32| value.powf(parameters.beta)).as_ptr())
    }
}
