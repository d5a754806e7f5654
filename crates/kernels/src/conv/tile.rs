//! The loops of every convolution; [`conv`](super) has them in pseudocode.

use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

use super::ConvGeometry;
use super::chains::BlockCounts;
use super::order::{Order, Windows};
use super::packed::{PIXEL_VECTORS, Packed, VectorSlot};
use crate::map::{Destination, MapView};
use crate::simd::{Product, TilePixels, Vector};
use crate::threads::Parts;

/// What follows the sums of a convolution.
pub(super) trait Finish: Copy {
    /// What is written.
    fn element(self) -> Element;

    /// Writes the outputs of `lanes` channels of a vector, the convolution's `vector`-th.
    ///
    /// # Safety
    /// The machine has the instructions of `V`; `to` has `lanes` of its [elements](Finish::element), at most
    /// [`Vector::LANES`].
    unsafe fn write<V: Vector>(self, sums: V, vector: usize, to: *mut u8, lanes: usize);
}

/// An element of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// `u8`.
    Byte,
    /// `f32`.
    Float,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::Byte => size_of::<u8>(),
            Self::Float => size_of::<f32>(),
        }
    }
}

/// The type of an element.
pub(super) trait Output: Send {
    const ELEMENT: Element;
}

impl Output for u8 {
    const ELEMENT: Element = Element::Byte;
}

impl Output for f32 {
    const ELEMENT: Element = Element::Float;
}

/// A product that is ready to run: where its windows and its outputs are, all of them checked. The outputs are bytes or
/// f32; the loops are the same code for both, and only the [`Finish`] tells them apart.
pub(super) struct Work<'a, E> {
    pub(super) packed: &'a Packed,
    pub(super) geometry: ConvGeometry,
    /// First element of the first window of the first row.
    pub(super) input: *const E,
    /// Elements from one input row to the next.
    pub(super) input_row: usize,
    /// Elements between the windows of neighbouring pixels, and of neighbouring rows.
    pub(super) pixel_step: usize,
    pub(super) row_step: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
    /// For each part.
    pub(super) targets: Vec<Target>,
    /// What the outputs have.
    pub(super) element: Element,
    /// The input is read, and the outputs are written, for so long.
    pub(super) borrowed: PhantomData<(&'a [E], &'a mut [u8])>,
}

// SAFETY: threads read the input through it, and each writes other rows or channels: `run` says so. The elements of the
// outputs may be sent to them: `Output` says so.
unsafe impl<E: Sync> Sync for Work<'_, E> {}

/// Where a part, or a vector of its channels, is written. All distances are in bytes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// The first row's first pixel.
    first: *mut u8,
    row: usize,
    pixel: usize,
}

impl<'a, E> Work<'a, E> {
    /// The product that reads `input` and writes the rows of `outputs`, one for each part.
    ///
    /// # Panics
    /// When a window reads outside the input's border, or a destination has other rows or channels
    /// than its part.
    pub(super) fn new<O: Output>(
        packed: &'a Packed,
        input: MapView<'a, E>,
        outputs: &'a mut [Destination<'_, O>],
    ) -> Self {
        assert_eq!(outputs.len(), packed.channels.len(), "one destination for each part");
        let (rows, width) =
            outputs.first().map_or((0..0, 0), |output| (output.rows(), output.shape().width));
        for (output, &channels) in outputs.iter().zip(&packed.channels) {
            assert_eq!(output.rows(), rows, "the destinations have the same rows");
            assert_eq!(output.shape().width, width, "the destinations have the same width");
            assert_eq!(output.channel_count(), channels, "a destination has its part's channels");
        }
        let geometry = packed.geometry;
        let input_row = input.shape().row_len();
        let row_step = geometry.stride * input_row;
        let first = geometry.first(input.shape(), &rows, width) + rows.start * row_step;
        let target = |output: &mut Destination<'_, O>| {
            let (shape, bytes) = (output.shape(), size_of::<O>());
            Target {
                first: output.first().cast(),
                row: shape.row_len() * bytes,
                pixel: shape.channels * bytes,
            }
        };
        Self {
            packed,
            geometry,
            // Where there is no row, or no pixel in it, this is not read, and may be outside.
            input: input.values().as_ptr().wrapping_add(first),
            input_row,
            pixel_step: geometry.stride * geometry.input_channels,
            row_step,
            rows: if width == 0 { 0 } else { rows.len() },
            width,
            targets: outputs.iter_mut().map(target).collect(),
            element: O::ELEMENT,
            borrowed: PhantomData,
        }
    }

    /// How it is divided for so many threads.
    pub(super) fn parts(&self, threads: usize) -> Parts {
        Parts::new(self.packed.vectors.len().div_ceil(self.packed.block), self.rows, threads)
    }
}

/// Some rows of a product.
pub(super) struct Layout<'a, E, F> {
    pub(super) work: &'a Work<'a, E>,
    /// The first of them, and how many there are.
    pub(super) first_row: usize,
    pub(super) rows: usize,
    pub(super) finish: F,
}

/// Some vectors of output channels.
pub(super) struct Block<'a, W> {
    /// The first of its vectors among all.
    pub(super) first: usize,
    pub(super) weights: *const W,
    pub(super) bias: *const f32,
    pub(super) targets: &'a [(Target, usize)],
    pub(super) weights_bytes: usize,
    /// Cache lines that a tile asks for.
    pub(super) asks: usize,
    /// How the steps are chained, where they are.
    pub(super) chains: BlockCounts,
    /// Where the taps of each step of the chains stand, behind the first of a window.
    pub(super) behind: &'a [usize],
}

/// The weights that a tile asks memory for while it computes, a cache line a step or a chain.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub(super) first: *const u8,
    /// Bytes from one to the next; 0 where there is nothing to ask for.
    pub(super) step: usize,
}

impl<W> Block<'_, W> {
    const LINE: usize = 64;

    /// What the `tile`-th tile asks for: its share of the next block's weights, which follow this one's. Behind the last
    /// block lies what was packed next, often the weights that are read next.
    fn ahead(&self, tile: usize) -> Ahead {
        let (own, asked) = (self.weights_bytes, tile * self.asks * Self::LINE);
        let first = self.weights.cast::<u8>();
        if asked < own {
            Ahead { first: first.wrapping_add(own + asked), step: Self::LINE }
        } else {
            Ahead { first, step: 0 }
        }
    }
}

/// Runs a part of a product: some blocks of channels, some rows. `bias` has a value for each lane of each
/// vector.
///
/// # Safety
/// The machine has the instructions of `P`; the product was packed for its frame, from weights of its type,
/// and in chains if it has any; no other thread runs the same rows of the same blocks.
#[inline(always)]
pub(super) unsafe fn run<P: Product, R: Order<P>, F: Finish>(
    work: &Work<'_, P::Element>,
    (blocks, rows): (Range<usize>, Range<usize>),
    bias: &[f32],
    finish: F,
) {
    const { assert!(P::FRAME.vectors <= 2, "`map` is compiled for one vector and for two") }
    let (packed, lanes) = (work.packed, P::FRAME.lanes);
    assert_eq!(packed.frame, P::FRAME, "the weights were packed for this product");
    assert_eq!(bias.len(), packed.vectors.len() * lanes, "a bias for each lane");
    assert_eq!(finish.element(), work.element, "the outputs are what is written");
    assert!(rows.end <= work.rows, "rows {rows:?} are of the product");
    assert_eq!(packed.chains.is_some(), R::CHAINS, "the weights were packed in this order");
    let layout = Layout { work, first_row: rows.start, rows: rows.len(), finish };
    if layout.rows == 0 {
        return;
    }
    let mut behind = Vec::new();
    for index in blocks {
        let vectors = packed.vectors_of(index);
        let first = vectors.start;
        let slots = &packed.vectors[vectors];
        let targets = targets_of(work, slots);
        let weights = packed.weights_of(index);
        let chains = chains_of(packed, index, work.input_row, &mut behind);
        // SAFETY: the weights have those of this block from there on, the bias has its lanes.
        unsafe {
            let block = Block {
                first,
                weights: packed.weights.first::<P::Weight>().add(weights.start),
                bias: bias.as_ptr().add(first * lanes),
                targets: &targets[..slots.len()],
                weights_bytes: weights.len() * size_of::<P::Weight>(),
                asks: if R::CHAINS { chains.total() } else { P::FRAME.steps(packed.geometry) },
                chains,
                behind: &behind,
            };
            if !R::CHAINS && packed.block > P::FRAME.vectors {
                one_by_one::<P, R, F>(&layout, &block);
            } else if slots.len() == 1 {
                map::<P, R, F, 1>(&layout, &block);
            } else {
                map::<P, R, F, 2>(&layout, &block);
            }
        }
    }
}

/// Where the vectors of a block are written, and how many channels each has; the first again where there are fewer.
#[inline(always)]
fn targets_of<E>(work: &Work<'_, E>, slots: &[VectorSlot]) -> [(Target, usize); PIXEL_VECTORS] {
    let target = |slot: &VectorSlot| {
        let target = work.targets[slot.part];
        // SAFETY: a slot has channels of its part, and the window has them all.
        let first = unsafe { target.first.add(slot.channel * work.element.bytes()) };
        (Target { first, ..target }, slot.lanes)
    };
    from_fn(|index| target(slots.get(index).unwrap_or(&slots[0])))
}

/// How the steps of a block are chained, if they are. Writes where the taps of its chains stand.
fn chains_of(
    packed: &Packed,
    block: usize,
    input_row: usize,
    behind: &mut Vec<usize>,
) -> BlockCounts {
    let Some(chains) = &packed.chains else { return BlockCounts::default() };
    let of_block = &chains.blocks[block];
    let steps = &chains.steps[of_block.steps.clone()];
    behind.clear();
    behind.extend(steps.iter().map(|step| step.row as usize * input_row + step.tap as usize));
    of_block.counts
}

/// One block of channels, more than a tile has, for one pixel after the other.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn one_by_one<P: Product, R: Order<P>, F: Finish>(
    layout: &Layout<'_, P::Element, F>,
    block: &Block<'_, P::Weight>,
) {
    // SAFETY: the block has as many vectors as targets.
    unsafe {
        match block.targets.len() {
            1 => pixels::<P, R, F, 1, 1>(layout, block, 0),
            2 => pixels::<P, R, F, 1, 2>(layout, block, 0),
            3 => pixels::<P, R, F, 1, 3>(layout, block, 0),
            4 => pixels::<P, R, F, 1, 4>(layout, block, 0),
            5 => pixels::<P, R, F, 1, 5>(layout, block, 0),
            6 => pixels::<P, R, F, 1, 6>(layout, block, 0),
            7 => pixels::<P, R, F, 1, 7>(layout, block, 0),
            _ => pixels::<P, R, F, 1, PIXEL_VECTORS>(layout, block, 0),
        }
    }
}

/// One block of channels for all pixels.
///
/// # Safety
/// As [`run`]; the block has `VECTORS` vectors.
#[inline(always)]
unsafe fn map<P: Product, R: Order<P>, F: Finish, const VECTORS: usize>(
    layout: &Layout<'_, P::Element, F>,
    block: &Block<'_, P::Weight>,
) {
    let mut done = 0;
    // SAFETY: every tile lies within the rows and the width.
    unsafe {
        if P::FRAME.pixels == TilePixels::TwoStripsOfSeven {
            strips_of_seven::<P, R, F, VECTORS>(layout, block);
            done = layout.work.width / 7 * 7;
        }
        match P::FRAME.pixels {
            TilePixels::Three => pixels::<P, R, F, 3, VECTORS>(layout, block, done),
            TilePixels::Five => pixels::<P, R, F, 5, VECTORS>(layout, block, done),
            TilePixels::Six => pixels::<P, R, F, 6, VECTORS>(layout, block, done),
            TilePixels::Four | TilePixels::TwoStripsOfSeven => {
                pixels::<P, R, F, 4, VECTORS>(layout, block, done)
            }
        }
    }
}

/// The columns that are whole strips of seven.
///
/// # Safety
/// As [`map`].
#[inline(always)]
unsafe fn strips_of_seven<P: Product, R: Order<P>, F: Finish, const VECTORS: usize>(
    layout: &Layout<'_, P::Element, F>,
    block: &Block<'_, P::Weight>,
) {
    let (in_row, end) = (layout.work.width / 7, layout.work.width / 7 * 7);
    let strips = layout.rows * in_row;
    let (mut row, mut column) = (0, 0);
    let mut next = |_| {
        let at = (row, column);
        column += 7;
        if column == end {
            (row, column) = (row + 1, 0);
        }
        at
    };
    // SAFETY: `strips` strips lie within the rows and the width.
    unsafe {
        for number in 0..strips / 2 {
            tile::<P, R, F, 14, 7, VECTORS>(layout, block, number, &mut next);
        }
        if strips % 2 == 1 {
            tile::<P, R, F, 7, 7, VECTORS>(layout, block, strips / 2, next);
        }
    }
}

/// The pixels from column `start` of each row on, `PIXELS` at a time.
///
/// # Safety
/// As [`map`]; `start` is at most the width.
#[inline(always)]
unsafe fn pixels<P: Product, R: Order<P>, F: Finish, const PIXELS: usize, const VECTORS: usize>(
    layout: &Layout<'_, P::Element, F>,
    block: &Block<'_, P::Weight>,
    start: usize,
) {
    let in_row = layout.work.width - start;
    let count = layout.rows * in_row;
    // SAFETY: `count` pixels lie within the rows and the width.
    unsafe {
        if count < PIXELS {
            for pixel in 0..count {
                let at = |_| (pixel / in_row, start + pixel % in_row);
                tile::<P, R, F, 1, 1, VECTORS>(layout, block, pixel, at);
            }
            return;
        }
        let (mut row, mut column) = (0, start);
        for (number, first) in (0..count).step_by(PIXELS).enumerate() {
            if first + PIXELS > count {
                let first = count - PIXELS;
                (row, column) = (first / in_row, start + first % in_row);
            }
            tile::<P, R, F, PIXELS, 1, VECTORS>(layout, block, number, |_| {
                let at = (row, column);
                column += 1;
                if column == layout.work.width {
                    (row, column) = (row + 1, start);
                }
                at
            });
        }
    }
}

/// The `number`-th tile: `PIXELS` pixels by `VECTORS` vectors of channels, in registers. `at` gives the row and the
/// column of the first pixel of each strip of `STRIP` neighbours, in turn.
///
/// # Safety
/// As [`map`]; the strips lie within the map.
#[inline(always)]
unsafe fn tile<
    P: Product,
    R: Order<P>,
    F: Finish,
    const PIXELS: usize,
    const STRIP: usize,
    const VECTORS: usize,
>(
    layout: &Layout<'_, P::Element, F>,
    block: &Block<'_, P::Weight>,
    number: usize,
    mut at: impl FnMut(usize) -> (usize, usize),
) {
    let work = layout.work;
    // Of PIXELS strips the first PIXELS / STRIP are used.
    let mut strips = [(0, 0); PIXELS];
    for (index, strip) in strips[..PIXELS / STRIP].iter_mut().enumerate() {
        *strip = at(index);
    }
    // SAFETY: the strips lie within the map, and so do their windows within the input; the targets have
    // all rows and the width.
    unsafe {
        let windows: Windows<_, PIXELS, STRIP> = Windows {
            first: strips.map(|(row, column)| {
                let row = layout.first_row + row;
                work.input.add(row * work.row_step + column * work.pixel_step)
            }),
            offsets: from_fn(|pixel| pixel * work.pixel_step),
        };
        let start: [P::Sums; VECTORS] =
            from_fn(|vector| P::start(block.bias.add(vector * P::FRAME.lanes)));
        let mut sums = [start; PIXELS];
        let ahead = block.ahead(number);
        R::add::<F, _, _, _>(layout, block, &windows, ahead, &mut sums);
        for (pixel, sums) in sums.into_iter().enumerate() {
            let (row, column) = strips[pixel / STRIP];
            let column = column + pixel % STRIP;
            let row = layout.first_row + row;
            for (vector, (sums, (target, lanes))) in sums.into_iter().zip(block.targets).enumerate()
            {
                let to = target.first.add(row * target.row + column * target.pixel);
                layout.finish.write(P::floats(sums), block.first + vector, to, *lanes);
            }
        }
    }
}
