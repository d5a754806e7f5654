//! The loop: for each block of output channels, for each tile of pixels, along the runs.

use std::array::from_fn;

use super::pack::{ConvWeights, Place};
use super::{Activation, ConvGeometry};
use crate::map::{Destination, MapView};
use crate::simd::{Vector, each_pixel};

/// Vectors of output channels in a tile of one pixel, for outputs that are one pixel wide.
pub(super) const PIXEL_VECTORS: usize = 8;

/// Where everything is.
struct Layout {
    geometry: ConvGeometry,
    /// First element of the first window of the first row.
    input: *const f32,
    /// Elements from one input row to the next.
    input_row: usize,
    /// Elements between the windows of neighbouring pixels, and of neighbouring rows.
    pixel_step: usize,
    row_step: usize,
    rows: usize,
    width: usize,
    relu: bool,
}

/// Where a vector of output channels is written.
#[derive(Clone, Copy)]
struct Target {
    /// The first row's first pixel.
    first: *mut f32,
    row: usize,
    pixel: usize,
    lanes: usize,
}

/// Some vectors of output channels.
struct Block<'a> {
    weights: *const f32,
    bias: *const f32,
    targets: &'a [Target],
}

/// See [`ConvWeights::run`].
///
/// # Safety
/// The machine has the instructions of `V`, and `weights` were packed for them.
#[inline(always)]
pub(super) unsafe fn run<V: Vector>(
    weights: &ConvWeights,
    input: MapView<'_, f32>,
    outputs: &mut [Destination<'_, f32>],
    activation: Activation,
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
        relu: activation == Activation::Relu,
    };
    let places = &weights.places;
    let firsts: Vec<(*mut f32, usize, usize)> = outputs
        .iter_mut()
        .map(|output| (output.first(), output.shape().row_len(), output.shape().channels))
        .collect();
    let target = |place: &Place| {
        let (first, row, pixel) = firsts[place.part];
        // SAFETY: `places` holds channels of the part, and the window has them all.
        Target { first: unsafe { first.add(place.channel) }, row, pixel, lanes: place.lanes }
    };
    let taps = geometry.kernel.0 * geometry.run();
    for (start, places) in
        (0..places.len()).step_by(weights.block).zip(places.chunks(weights.block))
    {
        let mut targets = [target(&places[0]); PIXEL_VECTORS];
        for (slot, place) in targets.iter_mut().zip(places) {
            *slot = target(place);
        }
        // SAFETY: `pack` has put `taps` vectors of weights and one of bias for each place there.
        unsafe {
            let block = Block {
                weights: weights.weights.as_ptr().cast::<f32>().add(start * taps * V::LANES),
                bias: weights.bias.as_ptr().add(start * V::LANES),
                targets: &targets[..places.len()],
            };
            match places.len() {
                1 => map::<V, 1>(&layout, &block),
                2 => map::<V, 2>(&layout, &block),
                3 => map::<V, 3>(&layout, &block),
                4 => map::<V, 4>(&layout, &block),
                5 => map::<V, 5>(&layout, &block),
                6 => map::<V, 6>(&layout, &block),
                7 => map::<V, 7>(&layout, &block),
                _ => map::<V, PIXEL_VECTORS>(&layout, &block),
            }
        }
    }
}

/// One block of channels for all pixels.
///
/// # Safety
/// As [`run`]; the block has `VECTORS` vectors.
#[inline(always)]
unsafe fn map<V: Vector, const VECTORS: usize>(layout: &Layout, block: &Block<'_>) {
    let mut row = 0;
    // SAFETY: every tile lies within the rows and the width.
    unsafe {
        if VECTORS > V::TILE_VECTORS {
            for row in 0..layout.rows {
                for column in 0..layout.width {
                    tile::<V, 1, VECTORS>(layout, block, row, column, 1);
                }
            }
            return;
        }
        // Where a row is 7 pixels, two rows are a tile.
        if V::TILE_PIXELS >= 14 && layout.width == 7 {
            while row + 2 <= layout.rows {
                tile::<V, 14, VECTORS>(layout, block, row, 0, layout.row_step);
                row += 2;
            }
        }
        for row in row..layout.rows {
            let mut column = 0;
            while V::TILE_PIXELS >= 14 && column + 14 <= layout.width {
                tile::<V, 14, VECTORS>(layout, block, row, column, 7 * layout.pixel_step);
                column += 14;
            }
            while V::TILE_PIXELS >= 7 && column + 7 <= layout.width {
                tile::<V, 7, VECTORS>(layout, block, row, column, 0);
                column += 7;
            }
            while column + 4 <= layout.width {
                tile::<V, 4, VECTORS>(layout, block, row, column, 0);
                column += 4;
            }
            while column < layout.width {
                tile::<V, 1, VECTORS>(layout, block, row, column, 0);
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
unsafe fn tile<V: Vector, const PIXELS: usize, const VECTORS: usize>(
    layout: &Layout,
    block: &Block<'_>,
    row: usize,
    column: usize,
    second_seven: usize,
) {
    // SAFETY: `geometry.first` has shown that all windows lie within the input; the weights have
    // `taps` vectors for each of VECTORS; the targets have all rows and the width.
    unsafe {
        let bias: [V; VECTORS] = from_fn(|vector| V::load(block.bias.add(vector * V::LANES)));
        let mut sums = [bias; PIXELS];
        let first = layout.input.add(row * layout.row_step + column * layout.pixel_step);
        let mut weights = block.weights;
        let run = layout.geometry.run();
        // Addresses are one of two pointers and one of seven offsets: all of them fit into registers.
        let offsets: [usize; 7] = from_fn(|pixel| pixel * layout.pixel_step);
        for ky in 0..layout.geometry.kernel.0 {
            let line = first.add(ky * layout.input_row);
            for tap in 0..run {
                let (one, two) = (line.wrapping_add(tap), line.wrapping_add(tap + second_seven));
                let vectors: [V; VECTORS] =
                    from_fn(|vector| V::load(weights.add(vector * V::LANES)));
                weights = weights.add(VECTORS * V::LANES);
                each_pixel!(PIXELS, PIXEL => {
                    let from = if PIXEL < 7 { one } else { two };
                    let value = V::splat(*from.wrapping_add(offsets[PIXEL % 7]));
                    for (sum, vector) in sums[PIXEL].iter_mut().zip(vectors) {
                        *sum = sum.add_product(value, vector);
                    }
                });
            }
        }
        let two_rows = PIXELS == 14 && layout.width == 7;
        for (pixel, sums) in sums.into_iter().enumerate() {
            let (row, column) =
                if two_rows { (row + pixel / 7, pixel % 7) } else { (row, column + pixel) };
            for (sum, target) in sums.into_iter().zip(block.targets) {
                let sum = if layout.relu { sum.max(V::splat(0.0)) } else { sum };
                let to = target.first.add(row * target.row + column * target.pixel);
                sum.store_some(to, target.lanes);
            }
        }
    }
}
