//! The largest value of each window.

use super::isa::Isa;
use super::map::{Destination, MapView};

/// Windows of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolGeometry {
    /// Height and width of a window.
    pub kernel: usize,
    /// Pixels between windows.
    pub stride: usize,
    /// Pixels before the first row and column.
    pub padding: usize,
}

/// An element that has a largest.
pub trait PoolElement: Copy + Send + Sync + 'static {
    /// The larger one.
    fn larger(self, other: Self) -> Self;
}

impl PoolElement for f32 {
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

impl PoolElement for u8 {
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Writes the rows of `output`: for each channel the largest value of the window. Windows are clipped
/// at the map's edge, as if the padding were smaller than every value; the input's border is not read.
///
/// # Panics
/// When a window lies wholly outside the input, or the channels differ.
pub fn max_pool<T: PoolElement>(
    isa: Isa,
    geometry: PoolGeometry,
    input: MapView<'_, T>,
    output: &mut Destination<'_, T>,
) {
    super::simd::dispatch_plain!(
        isa,
        pool::<T>(
            geometry: PoolGeometry = geometry,
            input: MapView<'_, T> = input,
            output: &mut Destination<'_, T> = output,
        )
    );
}

/// Plain code over contiguous channels: the compiler makes vectors of it.
#[inline(always)]
fn pool<T: PoolElement>(
    geometry: PoolGeometry,
    input: MapView<'_, T>,
    output: &mut Destination<'_, T>,
) {
    let shape = input.shape();
    assert_eq!(shape.channels, output.channel_count(), "a pool keeps the channels");
    for row in output.rows() {
        let rows = window(geometry, row, shape.height);
        for column in 0..output.shape().width {
            let columns = window(geometry, column, shape.width);
            let to = output.pixel_mut(row, column);
            if geometry.kernel == 3 {
                // A clipped window's last row and column count twice: the largest stays the same.
                let taps = std::array::from_fn(|tap| {
                    let (y, x) = (rows.start + tap / 3, columns.start + tap % 3);
                    input.pixel(y.min(rows.end - 1), x.min(columns.end - 1))
                });
                nine(taps, to);
                continue;
            }
            to.copy_from_slice(input.pixel(rows.start, columns.start));
            for y in rows.clone() {
                for x in columns.clone() {
                    for (to, &value) in to.iter_mut().zip(input.pixel(y, x)) {
                        *to = to.larger(value);
                    }
                }
            }
        }
    }
}

/// The usual window, in one pass: so many channels at once that they are whole vectors.
#[inline(always)]
fn nine<T: PoolElement>(taps: [&[T]; 9], to: &mut [T]) {
    const CHANNELS: usize = 64;
    let (whole, rest) = to.as_chunks_mut::<CHANNELS>();
    let chunks = taps.map(|tap| tap.as_chunks::<CHANNELS>().0);
    for (chunk, to) in whole.iter_mut().enumerate() {
        let mut largest = chunks[0][chunk];
        for tap in &chunks[1..] {
            for (largest, &value) in largest.iter_mut().zip(&tap[chunk]) {
                *largest = largest.larger(value);
            }
        }
        *to = largest;
    }
    let begin = whole.len() * CHANNELS;
    for (channel, to) in rest.iter_mut().enumerate() {
        *to = taps[0][begin + channel];
        for tap in &taps[1..] {
            *to = to.larger(tap[begin + channel]);
        }
    }
}

/// The part of a window that lies within `0..size`.
fn window(geometry: PoolGeometry, index: usize, size: usize) -> std::ops::Range<usize> {
    let start = index * geometry.stride;
    let end = (start + geometry.kernel).saturating_sub(geometry.padding).min(size);
    let start = start.saturating_sub(geometry.padding);
    assert!(start < end, "the window {index} of {geometry:?} has a pixel of {size}");
    start..end
}
