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
            if rows.len() == 3 && columns.len() == 3 {
                let taps: [&[T]; 9] = std::array::from_fn(|tap| {
                    input.pixel(rows.start + tap / 3, columns.start + tap % 3)
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

/// The usual window, in one pass.
#[inline(always)]
fn nine<T: PoolElement>(taps: [&[T]; 9], to: &mut [T]) {
    let taps = taps.map(|tap| &tap[..to.len()]);
    for (channel, to) in to.iter_mut().enumerate() {
        let of_row = |row: usize| {
            taps[3 * row][channel]
                .larger(taps[3 * row + 1][channel])
                .larger(taps[3 * row + 2][channel])
        };
        *to = of_row(0).larger(of_row(1)).larger(of_row(2));
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
