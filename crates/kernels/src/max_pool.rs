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
    match (geometry.kernel, geometry.stride) {
        (3, 1) => threes::<T, 1>(geometry, input, output),
        (3, 2) => threes::<T, 2>(geometry, input, output),
        _ => windows(geometry, input, output),
    }
}

/// Windows of any size, one after another.
#[inline(always)]
fn windows<T: PoolElement>(
    geometry: PoolGeometry,
    input: MapView<'_, T>,
    output: &mut Destination<'_, T>,
) {
    let shape = input.shape();
    for row in output.rows() {
        let rows = window(geometry, row, shape.height);
        for column in 0..output.shape().width {
            let columns = window(geometry, column, shape.width);
            let to = output.pixel_mut(row, column);
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

/// Windows of 3x3: whole vectors of channels first, then those that are left.
#[inline(always)]
fn threes<T: PoolElement, const STRIDE: usize>(
    geometry: PoolGeometry,
    input: MapView<'_, T>,
    output: &mut Destination<'_, T>,
) {
    let width = output.shape().width;
    if width == 0 {
        return;
    }
    // The windows between them have pixels too.
    window(geometry, 0, input.shape().width);
    window(geometry, width - 1, input.shape().width);
    for row in output.rows() {
        let rows = window(geometry, row, input.shape().height);
        // A clipped window's last row counts twice: the largest stays the same.
        let rows = [0, 1, 2].map(|y| input.row((rows.start + y).min(rows.end - 1)));
        let channels = input.shape().channels;
        let mut line = Line { rows, channels, padding: geometry.padding, output, row };
        // As many as fill four registers, in f32 and in bytes.
        let done = if size_of::<T>() == 1 { line.channels_from::<256, STRIDE>(0) } else { 0 };
        let done = line.channels_from::<64, STRIDE>(done);
        let done = line.channels_from::<16, STRIDE>(done);
        line.channels_from::<1, STRIDE>(done);
    }
}

/// A row of windows of 3x3.
struct Line<'a, 'b, T> {
    /// The rows of the input that the windows have, without their border.
    rows: [&'a [T]; 3],
    channels: usize,
    padding: usize,
    output: &'a mut Destination<'b, T>,
    row: usize,
}

impl<T: PoolElement> Line<'_, '_, T> {
    /// The channels from `first` on, `CHANNELS` at a time, and where those begin that are left. The largest value of a
    /// column of three is found once, for all windows that it is in.
    #[inline(always)]
    fn channels_from<const CHANNELS: usize, const STRIDE: usize>(&mut self, first: usize) -> usize {
        let mut channel = first;
        while channel + CHANNELS <= self.channels {
            let mut left = self.column::<CHANNELS>(0, channel);
            let mut middle = self.column::<CHANNELS>(1, channel);
            for column in 0..self.output.shape().width {
                let right = self.column::<CHANNELS>(column * STRIDE + 2, channel);
                let to = &mut self.output.pixel_mut(self.row, column)[channel..][..CHANNELS];
                to.copy_from_slice(&larger(larger(left, middle), right));
                (left, middle) = if STRIDE == 1 {
                    (middle, right)
                } else {
                    (right, self.column::<CHANNELS>((column + 1) * STRIDE + 1, channel))
                };
            }
            channel += CHANNELS;
        }
        channel
    }

    /// The largest of three pixels above each other, `x` columns behind where the first window begins; beyond the edge,
    /// those of the edge, which the window has too.
    #[inline(always)]
    fn column<const CHANNELS: usize>(&self, x: usize, channel: usize) -> [T; CHANNELS] {
        let last = self.rows[0].len() - self.channels;
        let first = (x.saturating_sub(self.padding) * self.channels).min(last) + channel;
        let [up, middle, down] = self.rows;
        let of = |row: &[T]| -> [T; CHANNELS] {
            *row[first..]
                .first_chunk()
                .expect("CHANNELS channels follow `channel`, the caller asks")
        };
        larger(larger(of(up), of(middle)), of(down))
    }
}

#[inline(always)]
fn larger<T: PoolElement, const CHANNELS: usize>(
    mut values: [T; CHANNELS],
    others: [T; CHANNELS],
) -> [T; CHANNELS] {
    for (value, other) in values.iter_mut().zip(others) {
        *value = value.larger(other);
    }
    values
}

/// The part of a window that lies within `0..size`.
fn window(geometry: PoolGeometry, index: usize, size: usize) -> std::ops::Range<usize> {
    let start = index * geometry.stride;
    let end = (start + geometry.kernel).saturating_sub(geometry.padding).min(size);
    let start = start.saturating_sub(geometry.padding);
    assert!(start < end, "the window {index} of {geometry:?} has a pixel of {size}");
    start..end
}
