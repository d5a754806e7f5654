//! Tiles to and from the transformed space, a vector of channels at once.
#![allow(clippy::needless_range_loop)] // rows and columns change places: their indices say so

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;

use super::TileSize;
use crate::conv::Activation;
use crate::map::{Destination, MapView};
use crate::simd::Vector;

/// Pixels of the largest input tile on a side.
const MOST: usize = 6;

/// What follows the inverse transform.
pub(super) struct Output<'a> {
    /// Channels of the destination that are written.
    pub(super) channels: Range<usize>,
    /// One for each of them.
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation,
}

/// Maps of transformed tiles, `[products][tiles][channels]`, of which several threads write different tiles.
pub(super) struct Planes<'a> {
    first: *mut f32,
    /// Elements of a product's map.
    plane: usize,
    products: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is written through pointers alone, and each thread writes other tiles: `input_tiles` says so.
unsafe impl Sync for Planes<'_> {}

impl<'a> Planes<'a> {
    pub(super) fn new(values: &'a mut [f32], products: usize) -> Self {
        let (first, plane) = (values.as_mut_ptr(), values.len() / products);
        Self { first, plane, products, borrowed: PhantomData }
    }
}

/// Transforms the input of a row of tiles into the tiles of `to` from `first` on. The window of output
/// `(0, 0)` begins `shift` pixels behind the corner of the input with its border; what lies outside is 0.
///
/// # Safety
/// The machine has the instructions of `V`; no other thread writes these tiles.
#[inline(always)]
pub(super) unsafe fn input_tiles<V: Vector>(
    size: TileSize,
    row: usize,
    columns: usize,
    input: MapView<'_, f32>,
    shift: usize,
    to: &Planes<'_>,
    first: usize,
) {
    // SAFETY: as this function's.
    unsafe {
        match size {
            TileSize::Two => input_tiles_of::<V, 4>(row, columns, input, shift, to, first),
            TileSize::Four => input_tiles_of::<V, 6>(row, columns, input, shift, to, first),
        }
    }
}

/// # Safety
/// As [`input_tiles`].
#[inline(always)]
unsafe fn input_tiles_of<V: Vector, const SIDE: usize>(
    tile_row: usize,
    columns: usize,
    input: MapView<'_, f32>,
    shift: usize,
    to: &Planes<'_>,
    first: usize,
) {
    let shape = input.shape();
    let (height, width) = (shape.height + 2 * shape.border, shape.width + 2 * shape.border);
    let channels = shape.channels;
    let plane = to.plane;
    assert_eq!(to.products, SIDE * SIDE, "a plane for each product");
    assert!((first + columns) * channels <= plane, "a plane has the tiles");
    for tile_column in 0..columns {
        let mut pixels = [[ptr::null::<f32>(); SIDE]; SIDE];
        for (y, line) in pixels.iter_mut().enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                let row = tile_row * (SIDE - 2) + shift + y;
                let column = tile_column * (SIDE - 2) + shift + x;
                if row < height && column < width {
                    let first = row * shape.row_len() + column * channels;
                    *pixel = input.values()[first..first + channels].as_ptr();
                }
            }
        }
        for channel in (0..channels).step_by(V::LANES) {
            let lanes = V::LANES.min(channels - channel);
            // SAFETY: each pixel is null or has `channels` elements, of which `lanes` follow
            // `channel`; so does each tile of each of the SIDE * SIDE planes of `to`.
            unsafe {
                let zero = V::splat(0.0);
                let mut values = [[zero; SIDE]; SIDE];
                for y in 0..SIDE {
                    for x in 0..SIDE {
                        let pixel = pixels[y][x];
                        if !pixel.is_null() {
                            values[y][x] = load(pixel.add(channel), lanes);
                        }
                    }
                    values[y] = input_line(values[y]);
                }
                let to = to.first.add((first + tile_column) * channels + channel);
                for x in 0..SIDE {
                    let mut column = [zero; SIDE];
                    for y in 0..SIDE {
                        column[y] = values[y][x];
                    }
                    let column = input_line(column);
                    for y in 0..SIDE {
                        store(column[y], to.add((y * SIDE + x) * plane), lanes);
                    }
                }
            }
        }
    }
}

/// Transforms a row of tiles of `from`, `[products][tiles][channels]`, from `first` on, back, and writes the
/// pixels that `output` has.
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn output_tiles<V: Vector>(
    size: TileSize,
    row: usize,
    columns: usize,
    from: &[f32],
    first: usize,
    what: Output<'_>,
    output: &mut Destination<'_, f32>,
) {
    // SAFETY: as this function's.
    unsafe {
        match size {
            TileSize::Two => output_tiles_of::<V, 4, 2>(row, columns, from, first, &what, output),
            TileSize::Four => output_tiles_of::<V, 6, 4>(row, columns, from, first, &what, output),
        }
    }
}

/// # Safety
/// As [`output_tiles`].
#[inline(always)]
unsafe fn output_tiles_of<V: Vector, const SIDE: usize, const OUTPUTS: usize>(
    tile_row: usize,
    columns: usize,
    from: &[f32],
    first_tile: usize,
    what: &Output<'_>,
    output: &mut Destination<'_, f32>,
) {
    let channels = what.channels.len();
    let plane = from.len() / (SIDE * SIDE);
    assert!((first_tile + columns) * channels <= plane, "a plane for each product has the tiles");
    assert_eq!(what.bias.len(), channels, "a bias for each channel");
    assert!(what.channels.end <= output.channel_count(), "the destination has the channels");
    for tile_column in 0..columns {
        let pixels: [[Option<*mut f32>; OUTPUTS]; OUTPUTS] =
            output.tile((tile_row * OUTPUTS, tile_column * OUTPUTS));
        for channel in (0..channels).step_by(V::LANES) {
            let lanes = V::LANES.min(channels - channel);
            // SAFETY: each tile of each plane of `from`, the bias, and each pixel that there is
            // have `channels` elements, of which `lanes` follow `channel`.
            unsafe {
                let zero = V::splat(0.0);
                let first = from.as_ptr().add((first_tile + tile_column) * channels + channel);
                let mut values = [[zero; SIDE]; OUTPUTS];
                for x in 0..SIDE {
                    let mut column = [zero; SIDE];
                    for y in 0..SIDE {
                        column[y] = load(first.add((y * SIDE + x) * plane), lanes);
                    }
                    let column: [V; OUTPUTS] = output_line(column);
                    for y in 0..OUTPUTS {
                        values[y][x] = column[y];
                    }
                }
                let bias = load::<V>(what.bias.as_ptr().add(channel), lanes);
                for y in 0..OUTPUTS {
                    let line: [V; OUTPUTS] = output_line(values[y]);
                    for x in 0..OUTPUTS {
                        let mut value = line[x].add(bias);
                        if what.activation == Activation::Relu {
                            value = value.max(zero);
                        }
                        if let Some(pixel) = pixels[y][x] {
                            store(value, pixel.add(what.channels.start + channel), lanes);
                        }
                    }
                }
            }
        }
    }
}

/// A row or a column of an input tile, transformed: `B^T` in the paper.
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn input_line<V: Vector, const SIDE: usize>(d: [V; SIDE]) -> [V; SIDE] {
    let mut t = d;
    // SAFETY: as this function's.
    unsafe {
        if SIDE == 4 {
            t[0] = minus(d[0], d[2]);
            t[1] = d[1].add(d[2]);
            t[2] = minus(d[2], d[1]);
            t[3] = minus(d[1], d[3]);
        } else {
            let times = |factor: f32| V::splat(factor);
            // d4 - 4 d2 and d3 - 4 d1, d4 - d2 and 2 (d3 - d1)
            let (even, odd) =
                (d[4].add_product(d[2], times(-4.0)), d[3].add_product(d[1], times(-4.0)));
            let (even_2, odd_2) = (minus(d[4], d[2]), minus(d[3], d[1]).mul(times(2.0)));
            t[0] = d[4].add_product(d[2], times(-5.0)).add_product(d[0], times(4.0));
            t[1] = even.add(odd);
            t[2] = minus(even, odd);
            t[3] = even_2.add(odd_2);
            t[4] = minus(even_2, odd_2);
            t[MOST - 1] = d[MOST - 1].add_product(d[3], times(-5.0)).add_product(d[1], times(4.0));
        }
    }
    t
}

/// A row or a column of a product's tile, transformed back: `A^T` in the paper.
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn output_line<V: Vector, const SIDE: usize, const OUTPUTS: usize>(
    m: [V; SIDE],
) -> [V; OUTPUTS] {
    // SAFETY: as this function's.
    unsafe {
        let mut y = [V::splat(0.0); OUTPUTS];
        if SIDE == 4 {
            y[0] = m[0].add(m[1]).add(m[2]);
            y[1] = minus(minus(m[1], m[2]), m[3]);
        } else {
            let times = |factor: f32| V::splat(factor);
            let (sum_1, difference_1) = (m[1].add(m[2]), minus(m[1], m[2]));
            let (sum_2, difference_2) = (m[3].add(m[4]), minus(m[3], m[4]));
            y[0] = m[0].add(sum_1).add(sum_2);
            y[1] = difference_1.add_product(difference_2, times(2.0));
            y[2] = sum_1.add_product(sum_2, times(4.0));
            y[OUTPUTS - 1] = difference_1.add_product(difference_2, times(8.0)).add(m[MOST - 1]);
        }
        y
    }
}

/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn minus<V: Vector>(a: V, b: V) -> V {
    // SAFETY: as this function's. The product by -1 is exact.
    unsafe { a.add_product(b, V::splat(-1.0)) }
}

/// # Safety
/// The machine has the instructions of `V`; `lanes` elements can be read.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
    // SAFETY: as this function's.
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_some(from, lanes) } }
}

/// # Safety
/// The machine has the instructions of `V`; `lanes` elements can be written.
#[inline(always)]
unsafe fn store<V: Vector>(value: V, to: *mut f32, lanes: usize) {
    // SAFETY: as this function's. A constant number of lanes is a plain store.
    unsafe {
        if lanes == V::LANES { value.store_some(to, V::LANES) } else { value.store_some(to, lanes) }
    }
}
