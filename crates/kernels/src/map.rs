//! A feature map of one image, NHWC without the N, with a border around it for the padding of the
//! convolution that reads it.

use std::array::from_fn;
use std::ops::Range;

/// Sizes of a map: `[height + 2 * border, width + 2 * border, channels]`, channels contiguous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapShape {
    /// Rows, without the border.
    pub height: usize,
    /// Pixels of a row, without the border.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Pixels around the map on each side.
    pub border: usize,
}

impl MapShape {
    /// Elements, the border's included.
    ///
    /// # Panics
    /// When no memory is as large.
    #[allow(clippy::len_without_is_empty)] // a shape is not a container
    pub fn len(self) -> usize {
        self.height
            .checked_add(self.border)
            .and_then(|rows| rows.checked_add(self.border))
            .and_then(|rows| rows.checked_mul(self.row_len()))
            .expect("a map fits into memory")
    }

    /// Elements of a row, the border's included.
    ///
    /// # Panics
    /// When no memory is as large.
    pub fn row_len(self) -> usize {
        self.width
            .checked_add(self.border)
            .and_then(|pixels| pixels.checked_add(self.border))
            .and_then(|pixels| pixels.checked_mul(self.channels))
            .expect("a row fits into memory")
    }

    /// Index of the first channel of pixel `(row, column)` of the map itself.
    fn offset(self, row: usize, column: usize) -> usize {
        (row + self.border) * self.row_len() + (column + self.border) * self.channels
    }
}

/// A map that is read.
#[derive(Clone, Copy, Debug)]
pub struct MapView<'a, T> {
    shape: MapShape,
    values: &'a [T],
}

impl<'a, T> MapView<'a, T> {
    /// `values` has the map with its border.
    ///
    /// # Panics
    /// When `values` has another length than `shape`.
    pub fn new(shape: MapShape, values: &'a [T]) -> Self {
        assert_eq!(values.len(), shape.len(), "a map has as many values as its shape says");
        Self { shape, values }
    }

    /// Its sizes.
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// Everything, the border included.
    pub fn values(&self) -> &'a [T] {
        self.values
    }

    /// The pixels of a row, without its border.
    pub(super) fn row(&self, row: usize) -> &'a [T] {
        let start = self.shape.offset(row, 0);
        &self.values[start..start + self.shape.width * self.shape.channels]
    }

    /// The channels of pixel `(row, column)`.
    pub(super) fn pixel(&self, row: usize, column: usize) -> &'a [T] {
        let start = self.shape.offset(row, column);
        &self.values[start..start + self.shape.channels]
    }
}

/// Some rows of a map that is being written; several threads write different rows.
#[derive(Debug)]
pub struct MapRowsMut<'a, T> {
    shape: MapShape,
    rows: Range<usize>,
    /// The padded rows of `rows`, no more.
    values: &'a mut [T],
}

impl<'a, T> MapRowsMut<'a, T> {
    /// All rows of a map; `values` has the border too.
    ///
    /// # Panics
    /// When `values` has another length than `shape`.
    pub fn whole(shape: MapShape, values: &'a mut [T]) -> Self {
        assert_eq!(values.len(), shape.len(), "a map has as many values as its shape says");
        let border = shape.border * shape.row_len();
        let inner = shape.height * shape.row_len();
        Self { shape, rows: 0..shape.height, values: &mut values[border..border + inner] }
    }

    /// Which rows of the map these are.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Sizes of the whole map.
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// The rows before `row` and those from it on.
    ///
    /// # Panics
    /// When `row` is not among them.
    pub fn split_at(self, row: usize) -> (Self, Self) {
        let Self { shape, rows, values } = self;
        assert!(rows.contains(&row) || row == rows.end, "row {row} is not in {rows:?}");
        let (before, after) = values.split_at_mut((row - rows.start) * shape.row_len());
        (
            Self { shape, rows: rows.start..row, values: before },
            Self { shape, rows: row..rows.end, values: after },
        )
    }

    /// The pixels of a row, without its border.
    ///
    /// # Panics
    /// When `row` is not among these rows.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(self.rows.contains(&row), "row {row} is not in {:?}", self.rows);
        let side = self.shape.border * self.shape.channels;
        let first = (row - self.rows.start) * self.shape.row_len() + side;
        &mut self.values[first..first + self.shape.width * self.shape.channels]
    }

    /// A window of the channels of these rows.
    ///
    /// # Panics
    /// When the map has fewer channels.
    pub fn channels(&mut self, channels: Range<usize>) -> Destination<'_, T> {
        assert!(
            channels.start <= channels.end && channels.end <= self.shape.channels,
            "channels {channels:?} are not in {:?}",
            self.shape
        );
        Destination { shape: self.shape, rows: self.rows(), channels, values: self.values }
    }
}

/// Where a kernel writes: a window of the channels of some rows.
#[derive(Debug)]
pub struct Destination<'a, T> {
    shape: MapShape,
    rows: Range<usize>,
    channels: Range<usize>,
    values: &'a mut [T],
}

impl<T> Destination<'_, T> {
    /// Which rows of the map.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// How many channels the window has.
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Sizes of the whole map.
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// Its rows in groups of `size`, which begin at multiples of it.
    pub(super) fn in_rows_of(&mut self, size: usize) -> Vec<Destination<'_, T>> {
        let Self { shape, rows, channels, values } = self;
        let mut groups = Vec::with_capacity(rows.len() / size + 2);
        let mut left: &mut [T] = values;
        let mut start = rows.start;
        while start < rows.end {
            let end = ((start / size + 1) * size).min(rows.end);
            let (values, rest) = left.split_at_mut((end - start) * shape.row_len());
            let channels = channels.clone();
            groups.push(Destination { shape: *shape, rows: start..end, channels, values });
            (left, start) = (rest, end);
        }
        groups
    }

    /// The window of pixel `(row, column)` of the map.
    pub(super) fn pixel_mut(&mut self, row: usize, column: usize) -> &mut [T] {
        let window = self.window(row, column);
        &mut self.values[window]
    }

    /// Where the window of a pixel is among the values.
    fn window(&self, row: usize, column: usize) -> Range<usize> {
        assert!(self.rows.contains(&row), "row {row} is not in {:?}", self.rows);
        let row = row - self.rows.start;
        let pixel = row * self.shape.row_len() + (column + self.shape.border) * self.shape.channels;
        pixel + self.channels.start..pixel + self.channels.end
    }

    /// The windows of a square of pixels from `(row, column)` on, through pointers that are good together; none
    /// for pixels that the destination does not have.
    pub(super) fn tile<const SIDE: usize>(
        &mut self,
        (row, column): (usize, usize),
    ) -> [[Option<*mut T>; SIDE]; SIDE] {
        let (first, len) = (self.values.as_mut_ptr(), self.values.len());
        from_fn(|y| {
            from_fn(|x| {
                let (row, column) = (row + y, column + x);
                let is_here = self.rows.contains(&row) && column < self.shape.width;
                let window = is_here.then(|| self.window(row, column))?;
                assert!(window.end <= len, "a window is among the values");
                Some(first.wrapping_add(window.start))
            })
        })
    }

    /// The window's first channel of pixel `(rows.start, 0)`; the rows of the destination follow at
    /// [`MapShape::row_len`], the pixels at [`MapShape::channels`].
    pub(super) fn first(&mut self) -> *mut T {
        let [[first]] = self.tile((self.rows.start, 0));
        first.unwrap_or(self.values.as_mut_ptr())
    }
}

/// Writes `value` into the border.
///
/// # Panics
/// When `values` has another length than `shape`.
pub fn fill_border<T: Copy>(shape: MapShape, values: &mut [T], value: T) {
    assert_eq!(values.len(), shape.len(), "a map has as many values as its shape says");
    let (row_len, side) = (shape.row_len(), shape.border * shape.channels);
    let inner = shape.border..shape.border + shape.height;
    for (index, row) in values.chunks_exact_mut(row_len).enumerate() {
        if inner.contains(&index) {
            row[..side].fill(value);
            row[row_len - side..].fill(value);
        } else {
            row.fill(value);
        }
    }
}
