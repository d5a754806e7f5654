//! The loop: for each block of output channels, for each tile of pixels, along the runs in quads.

use std::array::from_fn;

use super::pack::{Int8ConvWeights, Place};
use crate::map::{Destination, MapView};
use crate::simd::{DotVector, each_pixel};
use crate::window::ConvGeometry;

/// Vectors of output channels in a tile of one pixel, for outputs that are one pixel wide.
pub(super) const PIXEL_VECTORS: usize = 8;

/// What an int8 convolution writes: bytes for the next one, or f32.
pub trait Int8Output: Copy + Sized + private::Write {
    /// See [`Int8ConvWeights::run`].
    #[doc(hidden)]
    fn run(
        weights: &Int8ConvWeights,
        input: MapView<'_, u8>,
        outputs: &mut [Destination<'_, Self>],
    );
}

impl Int8Output for u8 {
    fn run(weights: &Int8ConvWeights, input: MapView<'_, u8>, outputs: &mut [Destination<'_, u8>]) {
        super::run_to_bytes(weights, input, outputs);
    }
}

impl Int8Output for f32 {
    fn run(
        weights: &Int8ConvWeights,
        input: MapView<'_, u8>,
        outputs: &mut [Destination<'_, f32>],
    ) {
        super::run_to_floats(weights, input, outputs);
    }
}

mod private {
    use super::DotVector;

    /// Ends a tile.
    pub trait Write: Sized {
        /// # Safety
        /// As [`DotVector::store_bytes`].
        #[allow(private_bounds, private_interfaces)]
        unsafe fn write<V: DotVector>(
            sums: V::Sums,
            scale: *const f32,
            bias: *const f32,
            to: *mut Self,
            lanes: usize,
        );
    }

    impl Write for u8 {
        #[inline(always)]
        #[allow(private_bounds, private_interfaces)]
        unsafe fn write<V: DotVector>(
            sums: V::Sums,
            scale: *const f32,
            bias: *const f32,
            to: *mut u8,
            lanes: usize,
        ) {
            // SAFETY: as the caller's.
            unsafe { V::store_bytes(sums, scale, bias, to, lanes) }
        }
    }

    impl Write for f32 {
        #[inline(always)]
        #[allow(private_bounds, private_interfaces)]
        unsafe fn write<V: DotVector>(
            sums: V::Sums,
            scale: *const f32,
            bias: *const f32,
            to: *mut f32,
            lanes: usize,
        ) {
            // SAFETY: as the caller's.
            unsafe { V::store_floats(sums, scale, bias, to, lanes) }
        }
    }
}

/// Where everything is.
struct Layout {
    geometry: ConvGeometry,
    /// First element of the first window of the first row.
    input: *const u8,
    /// Elements from one input row to the next.
    input_row: usize,
    /// Elements between the windows of neighbouring pixels, and of neighbouring rows.
    pixel_step: usize,
    row_step: usize,
    rows: usize,
    width: usize,
}

/// Where a vector of output channels is written.
struct Target<O> {
    /// The first row's first pixel.
    first: *mut O,
    row: usize,
    pixel: usize,
    lanes: usize,
}

impl<O> Clone for Target<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Target<O> {}

/// Some vectors of output channels.
struct Block<'a, O> {
    weights: *const i8,
    scale: *const f32,
    bias: *const f32,
    targets: &'a [Target<O>],
}

/// # Safety
/// As [`run`].
#[inline(always)]
pub(super) unsafe fn run_bytes<V: DotVector>(
    weights: &Int8ConvWeights,
    input: MapView<'_, u8>,
    outputs: &mut [Destination<'_, u8>],
) {
    // SAFETY: as the caller's.
    unsafe { run::<V, u8>(weights, input, outputs) }
}

/// # Safety
/// As [`run`].
#[inline(always)]
pub(super) unsafe fn run_floats<V: DotVector>(
    weights: &Int8ConvWeights,
    input: MapView<'_, u8>,
    outputs: &mut [Destination<'_, f32>],
) {
    // SAFETY: as the caller's.
    unsafe { run::<V, f32>(weights, input, outputs) }
}

/// See [`Int8ConvWeights::run`].
///
/// # Safety
/// The machine has the instructions of `V`, and `weights` were packed for them.
#[inline(always)]
unsafe fn run<V: DotVector, O: Int8Output>(
    weights: &Int8ConvWeights,
    input: MapView<'_, u8>,
    outputs: &mut [Destination<'_, O>],
) {
    assert_eq!(outputs.len(), weights.channels.len(), "one destination for each part");
    let Some(output) = outputs.first() else { return };
    let (rows, width) = (output.rows(), output.shape().width);
    for (output, &channels) in outputs.iter().zip(&weights.channels) {
        assert_eq!(output.rows(), rows, "the destinations have the same rows");
        assert_eq!(output.shape().width, width, "the destinations have the same width");
        assert_eq!(output.channel_count(), channels, "a destination has its part's channels");
    }
    let geometry = weights.geometry;
    let first = geometry.first(input.shape(), &rows, width);
    if rows.is_empty() || width == 0 {
        return;
    }
    let input_row = input.shape().row_len();
    let layout = Layout {
        geometry,
        // SAFETY: `first` has shown that the windows of `rows` lie within the input.
        input: unsafe {
            input.values().as_ptr().add(first + rows.start * geometry.stride * input_row)
        },
        input_row,
        pixel_step: geometry.stride * geometry.input_channels,
        row_step: geometry.stride * input_row,
        rows: rows.len(),
        width,
    };
    let places = &weights.places;
    let firsts: Vec<(*mut O, usize, usize)> = outputs
        .iter_mut()
        .map(|output| (output.first(), output.shape().row_len(), output.shape().channels))
        .collect();
    let target = |place: &Place| {
        let (first, row, pixel) = firsts[place.part];
        // SAFETY: `places` holds channels of the part, and the window has them all.
        Target { first: unsafe { first.add(place.channel) }, row, pixel, lanes: place.lanes }
    };
    let quads = geometry.kernel.0 * geometry.run().div_ceil(4);
    for (start, places) in
        (0..places.len()).step_by(weights.block).zip(places.chunks(weights.block))
    {
        let mut targets = [target(&places[0]); PIXEL_VECTORS];
        for (slot, place) in targets.iter_mut().zip(places) {
            *slot = target(place);
        }
        // SAFETY: `pack` has put `quads` vectors of weights, one of scales and one of biases for each
        // place there.
        unsafe {
            let block = Block {
                weights: weights.weights.as_ptr().cast::<i8>().add(start * quads * V::LANES * 4),
                scale: weights.scale.as_ptr().add(start * V::LANES),
                bias: weights.bias.as_ptr().add(start * V::LANES),
                targets: &targets[..places.len()],
            };
            match places.len() {
                1 => map::<V, O, 1>(&layout, &block),
                2 => map::<V, O, 2>(&layout, &block),
                3 => map::<V, O, 3>(&layout, &block),
                4 => map::<V, O, 4>(&layout, &block),
                5 => map::<V, O, 5>(&layout, &block),
                6 => map::<V, O, 6>(&layout, &block),
                7 => map::<V, O, 7>(&layout, &block),
                _ => map::<V, O, PIXEL_VECTORS>(&layout, &block),
            }
        }
    }
}

/// One block of channels for all pixels.
///
/// # Safety
/// As [`run`]; the block has `VECTORS` vectors.
#[inline(always)]
unsafe fn map<V: DotVector, O: Int8Output, const VECTORS: usize>(
    layout: &Layout,
    block: &Block<'_, O>,
) {
    let mut row = 0;
    // SAFETY: every tile lies within the rows and the width.
    unsafe {
        if VECTORS > V::TILE_VECTORS {
            for row in 0..layout.rows {
                for column in 0..layout.width {
                    tile::<V, O, 1, VECTORS>(layout, block, row, column, 0);
                }
            }
            return;
        }
        // Where a row is 7 pixels, two rows are a tile.
        if V::TILE_PIXELS >= 14 && layout.width == 7 {
            while row + 2 <= layout.rows {
                tile::<V, O, 14, VECTORS>(layout, block, row, 0, layout.row_step);
                row += 2;
            }
        }
        for row in row..layout.rows {
            let mut column = 0;
            while V::TILE_PIXELS >= 14 && column + 14 <= layout.width {
                tile::<V, O, 14, VECTORS>(layout, block, row, column, 7 * layout.pixel_step);
                column += 14;
            }
            while V::TILE_PIXELS >= 7 && column + 7 <= layout.width {
                tile::<V, O, 7, VECTORS>(layout, block, row, column, 0);
                column += 7;
            }
            while V::TILE_PIXELS >= 4 && column + 4 <= layout.width {
                tile::<V, O, 4, VECTORS>(layout, block, row, column, 0);
                column += 4;
            }
            while column + 2 <= layout.width {
                tile::<V, O, 2, VECTORS>(layout, block, row, column, 0);
                column += 2;
            }
            while column < layout.width {
                tile::<V, O, 1, VECTORS>(layout, block, row, column, 0);
                column += 1;
            }
        }
    }
}

/// `PIXELS` pixels by `VECTORS` vectors of channels, in registers. The eighth pixel and those behind
/// it stand `second_seven` elements of the input behind the first seven.
///
/// # Safety
/// As [`run`]; the pixels from `(row, column)` on lie within the map.
#[inline(always)]
unsafe fn tile<V: DotVector, O: Int8Output, const PIXELS: usize, const VECTORS: usize>(
    layout: &Layout,
    block: &Block<'_, O>,
    row: usize,
    column: usize,
    second_seven: usize,
) {
    // SAFETY: `geometry.first` has shown that all windows lie within the input, and a run has at least
    // 4 elements; the weights have `quads` vectors for each of VECTORS; the targets have all rows and
    // the width.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; PIXELS];
        let first = layout.input.add(row * layout.row_step + column * layout.pixel_step);
        let mut weights = block.weights;
        let run = layout.geometry.run();
        // Addresses are one of two pointers and one of seven offsets: all of them fit into registers.
        let offsets: [usize; 7] = from_fn(|pixel| pixel * layout.pixel_step);
        for ky in 0..layout.geometry.kernel.0 {
            let line = first.add(ky * layout.input_row);
            let mut at = 0;
            loop {
                let (one, two) = (line.wrapping_add(at), line.wrapping_add(at + second_seven));
                let vectors: [V::Weights; VECTORS] =
                    from_fn(|vector| V::weights(weights.add(vector * V::LANES * 4)));
                weights = weights.add(VECTORS * V::LANES * 4);
                each_pixel!(PIXELS, PIXEL => {
                    let from = if PIXEL < 7 { one } else { two };
                    let four = V::four(from.wrapping_add(offsets[PIXEL % 7]));
                    for (sum, vector) in sums[PIXEL].iter_mut().zip(vectors) {
                        *sum = V::dot(*sum, four, vector);
                    }
                });
                // The last quad ends with the run.
                at += 4;
                if at + 4 > run {
                    if at >= run {
                        break;
                    }
                    at = run - 4;
                }
            }
        }
        let two_rows = PIXELS == 14 && layout.width == 7;
        for (pixel, sums) in sums.into_iter().enumerate() {
            let (row, column) =
                if two_rows { (row + pixel / 7, pixel % 7) } else { (row, column + pixel) };
            for (vector, (sum, target)) in sums.into_iter().zip(block.targets).enumerate() {
                let to = target.first.add(row * target.row + column * target.pixel);
                let (scale, bias) =
                    (block.scale.add(vector * V::LANES), block.bias.add(vector * V::LANES));
                O::write::<V>(sum, scale, bias, to, target.lanes);
            }
        }
    }
}
