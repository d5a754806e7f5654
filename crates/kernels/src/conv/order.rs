//! The two orders in which a tile adds its steps: along the runs, and in chains.
//!
//! ```text
//! InRuns                                 InChains
//! for each row of the kernel             for each chain, of all vectors, then of the first, then of the second alone
//!   for each step along the run            links = first(step 0)                   products in 16 bits
//!     sums = step(sums)    32 bits         for each other step of the chain
//!                                            links = next(links)                  added in 16 bits
//!                                          sums = widen(sums, links)              added in 32 bits
//! ```
//!
//! Each line is done for all pixels and vectors of the tile. The taps of a run lie side by side; those of a chain stand
//! where `Block::behind` says. `N`, the steps of a chain, is a constant so that links stay in registers.

use std::array::from_fn;

use super::chains::{ALONE, ChainCounts};
use super::tile::{Ahead, Block, Finish, Layout};
use crate::simd::{Chained, Product, Stepped, each_pixel, prefetch};

/// Where the windows of a tile's pixels begin: those of a strip stand `offsets` behind its first.
pub(super) struct Windows<E, const PIXELS: usize, const STRIP: usize> {
    pub(super) first: [*const E; PIXELS],
    pub(super) offsets: [usize; STRIP],
}

/// The order in which the steps of a tile are taken.
pub(super) trait Order<P: Product> {
    /// Whether it is that of the chains.
    const CHAINS: bool;

    /// Adds all steps, and asks for the weights `ahead`.
    ///
    /// # Safety
    /// As [`tile`](super::tile); the product was packed in this order.
    unsafe fn add<F: Finish, const PIXELS: usize, const STRIP: usize, const VECTORS: usize>(
        layout: &Layout<'_, P::Element, F>,
        block: &Block<'_, P::Weight>,
        windows: &Windows<P::Element, PIXELS, STRIP>,
        ahead: Ahead,
        sums: &mut [[P::Sums; VECTORS]; PIXELS],
    );
}

/// The order in which the taps stand in memory.
pub(super) struct InRuns;

impl<P: Stepped> Order<P> for InRuns {
    const CHAINS: bool = false;

    #[inline(always)]
    unsafe fn add<F: Finish, const PIXELS: usize, const STRIP: usize, const VECTORS: usize>(
        layout: &Layout<'_, P::Element, F>,
        block: &Block<'_, P::Weight>,
        windows: &Windows<P::Element, PIXELS, STRIP>,
        ahead: Ahead,
        sums: &mut [[P::Sums; VECTORS]; PIXELS],
    ) {
        let offsets = windows.offsets;
        let Ahead { first: mut next, step } = ahead;
        let mut weights = block.weights;
        let run = layout.work.geometry.run();
        for ky in 0..layout.work.geometry.kernel.0 {
            let lines = windows.first.map(|first| first.wrapping_add(ky * layout.work.input_row));
            let mut tap = 0;
            loop {
                // SAFETY: `geometry.first` has shown that all windows lie within the input, and a run has a step;
                // the weights have FRAME.steps for each of VECTORS.
                unsafe {
                    let vectors: [P::Weights; VECTORS] =
                        from_fn(|vector| P::weights(weights.add(vector * P::FRAME.step())));
                    weights = weights.add(VECTORS * P::FRAME.step());
                    prefetch(next);
                    next = next.wrapping_add(step);
                    each_pixel!(PIXELS, PIXEL => {
                        let from = lines[PIXEL / STRIP].wrapping_add(tap);
                        let taps = P::taps(from.wrapping_add(offsets[PIXEL % STRIP]));
                        for (sum, vector) in sums[PIXEL].iter_mut().zip(vectors) {
                            *sum = P::step(*sum, taps, vector);
                        }
                    });
                }
                // The last step ends with the run.
                tap += P::FRAME.taps;
                if tap + P::FRAME.taps > run {
                    if tap >= run {
                        break;
                    }
                    tap = run - P::FRAME.taps;
                }
            }
        }
    }
}

/// The order of the chains.
pub(super) struct InChains;

impl<P: Chained> Order<P> for InChains {
    const CHAINS: bool = true;

    #[inline(always)]
    unsafe fn add<F: Finish, const PIXELS: usize, const STRIP: usize, const VECTORS: usize>(
        _: &Layout<'_, P::Element, F>,
        block: &Block<'_, P::Weight>,
        windows: &Windows<P::Element, PIXELS, STRIP>,
        ahead: Ahead,
        sums: &mut [[P::Sums; VECTORS]; PIXELS],
    ) {
        let steps = Steps { weights: block.weights, behind: block.behind.as_ptr(), ahead };
        // SAFETY: the block has these chains.
        unsafe {
            let steps = chains::<P, _, _, _>(windows, steps, block.chains.shared, sums);
            if VECTORS == ALONE {
                let steps = alone::<P, 0, _, _, _>(windows, steps, block.chains.alone, sums);
                alone::<P, 1, _, _, _>(windows, steps, block.chains.alone, sums);
            }
        }
    }
}

/// The steps of the chains that are not done yet.
#[derive(Clone, Copy)]
struct Steps<W> {
    weights: *const W,
    behind: *const usize,
    ahead: Ahead,
}

/// Adds the chains of one vector alone.
///
/// # Safety
/// As [`tile`](super::tile); that many chains are left in `steps`.
#[inline(always)]
unsafe fn alone<
    P: Chained,
    const VECTOR: usize,
    const PIXELS: usize,
    const STRIP: usize,
    const VECTORS: usize,
>(
    windows: &Windows<P::Element, PIXELS, STRIP>,
    steps: Steps<P::Weight>,
    counts: [ChainCounts; ALONE],
    sums: &mut [[P::Sums; VECTORS]; PIXELS],
) -> Steps<P::Weight> {
    let mut own: [[P::Sums; 1]; PIXELS] = from_fn(|pixel| [sums[pixel][VECTOR]]);
    // SAFETY: as this function's.
    let steps = unsafe { chains::<P, _, _, 1>(windows, steps, counts[VECTOR], &mut own) };
    each_pixel!(PIXELS, PIXEL => sums[PIXEL][VECTOR] = own[PIXEL][0]);
    steps
}

/// Adds the next chains, the longest first.
///
/// # Safety
/// As [`tile`](super::tile); that many chains are left in `steps`.
#[inline(always)]
unsafe fn chains<P: Chained, const PIXELS: usize, const STRIP: usize, const VECTORS: usize>(
    windows: &Windows<P::Element, PIXELS, STRIP>,
    steps: Steps<P::Weight>,
    ChainCounts([ones, twos, threes, fours]): ChainCounts,
    sums: &mut [[P::Sums; VECTORS]; PIXELS],
) -> Steps<P::Weight> {
    // SAFETY: as this function's.
    unsafe {
        let steps = chains_of::<P, 4, _, _, _>(windows, steps, fours, sums);
        let steps = chains_of::<P, 3, _, _, _>(windows, steps, threes, sums);
        let steps = chains_of::<P, 2, _, _, _>(windows, steps, twos, sums);
        chains_of::<P, 1, _, _, _>(windows, steps, ones, sums)
    }
}

/// Adds the next `count` chains of `N` steps each.
///
/// # Safety
/// As [`tile`](super::tile); that many chains are left in `steps`.
#[inline(always)]
unsafe fn chains_of<
    P: Chained,
    const N: usize,
    const PIXELS: usize,
    const STRIP: usize,
    const VECTORS: usize,
>(
    windows: &Windows<P::Element, PIXELS, STRIP>,
    mut steps: Steps<P::Weight>,
    count: usize,
    sums: &mut [[P::Sums; VECTORS]; PIXELS],
) -> Steps<P::Weight> {
    let (first, offsets) = (windows.first, windows.offsets);
    for _ in 0..count {
        prefetch(steps.ahead.first);
        steps.ahead.first = steps.ahead.first.wrapping_add(steps.ahead.step);
        // SAFETY: there are N more steps, whose taps stand in the window, and their weights for each of VECTORS.
        unsafe {
            let taps = |step: usize, pixel: usize| {
                let window = first[pixel / STRIP].wrapping_add(offsets[pixel % STRIP]);
                P::taps(window.wrapping_add(*steps.behind.add(step)))
            };
            let weights = |step: usize| -> [P::Weights; VECTORS] {
                let of_step = steps.weights.add(step * VECTORS * P::FRAME.step());
                from_fn(|vector| P::weights(of_step.add(vector * P::FRAME.step())))
            };
            let of_first = weights(0);
            let mut links: [[P::Links; VECTORS]; PIXELS] = from_fn(|pixel| {
                let taps = taps(0, pixel);
                of_first.map(|weights| P::first(taps, weights))
            });
            for step in 1..N {
                let of_step = weights(step);
                each_pixel!(PIXELS, PIXEL => {
                    let taps = taps(step, PIXEL);
                    for (links, weights) in links[PIXEL].iter_mut().zip(of_step) {
                        *links = P::next(*links, taps, weights);
                    }
                });
            }
            each_pixel!(PIXELS, PIXEL => {
                for (sums, links) in sums[PIXEL].iter_mut().zip(links[PIXEL]) {
                    *sums = P::widen(*sums, links);
                }
            });
            steps.weights = steps.weights.add(N * VECTORS * P::FRAME.step());
            steps.behind = steps.behind.add(N);
        }
    }
    steps
}
