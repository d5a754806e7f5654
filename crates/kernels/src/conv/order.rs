//! The two orders in which a tile adds its steps: along the runs, and in chains.

use std::array::from_fn;

use super::tile::{Block, Finish, Layout};
use crate::simd::{Product, each_pixel};

/// Where the windows of a tile's pixels begin: those of a strip stand `offsets` behind its first.
pub(super) struct Windows<E, const PIXELS: usize, const STRIP: usize> {
    pub(super) first: [*const E; PIXELS],
    pub(super) offsets: [usize; STRIP],
}

/// The order in which the steps of a tile are taken.
pub(super) trait Order {
    /// Whether it is that of the chains.
    const CHAINS: bool;

    /// Adds all steps.
    ///
    /// # Safety
    /// As [`tile`](super::tile); the product was packed in this order.
    unsafe fn add<
        P: Product,
        F: Finish,
        const PIXELS: usize,
        const STRIP: usize,
        const VECTORS: usize,
    >(
        layout: &Layout<'_, P::Element, F::Output, F>,
        block: &Block<'_, P::Weight, F::Output>,
        windows: &Windows<P::Element, PIXELS, STRIP>,
        sums: &mut [[P::Sums; VECTORS]; PIXELS],
    );
}

/// The order in which the taps stand in memory.
pub(super) struct InRuns;

impl Order for InRuns {
    const CHAINS: bool = false;

    #[inline(always)]
    unsafe fn add<
        P: Product,
        F: Finish,
        const PIXELS: usize,
        const STRIP: usize,
        const VECTORS: usize,
    >(
        layout: &Layout<'_, P::Element, F::Output, F>,
        block: &Block<'_, P::Weight, F::Output>,
        windows: &Windows<P::Element, PIXELS, STRIP>,
        sums: &mut [[P::Sums; VECTORS]; PIXELS],
    ) {
        let offsets = windows.offsets;
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

impl Order for InChains {
    const CHAINS: bool = true;

    #[inline(always)]
    unsafe fn add<
        P: Product,
        F: Finish,
        const PIXELS: usize,
        const STRIP: usize,
        const VECTORS: usize,
    >(
        _: &Layout<'_, P::Element, F::Output, F>,
        block: &Block<'_, P::Weight, F::Output>,
        windows: &Windows<P::Element, PIXELS, STRIP>,
        sums: &mut [[P::Sums; VECTORS]; PIXELS],
    ) {
        let [singles, pairs, triples] = block.chains.map_or([0; 3], |chains| chains.of_length);
        let steps = Steps { weights: block.weights, behind: block.behind.as_ptr() };
        // SAFETY: the block has these chains.
        unsafe {
            let steps = chain::<P, 3, _, _, _>(windows, steps, triples, sums);
            let steps = chain::<P, 2, _, _, _>(windows, steps, pairs, sums);
            chain::<P, 1, _, _, _>(windows, steps, singles, sums);
        }
    }
}

/// The steps of the chains that are not done yet.
struct Steps<W> {
    weights: *const W,
    behind: *const usize,
}

/// Adds the next `chains` chains of `N` steps each.
///
/// # Safety
/// As [`tile`](super::tile); there are so many.
#[inline(always)]
unsafe fn chain<
    P: Product,
    const N: usize,
    const PIXELS: usize,
    const STRIP: usize,
    const VECTORS: usize,
>(
    windows: &Windows<P::Element, PIXELS, STRIP>,
    steps: Steps<P::Weight>,
    chains: usize,
    sums: &mut [[P::Sums; VECTORS]; PIXELS],
) -> Steps<P::Weight> {
    let Steps { mut weights, mut behind } = steps;
    let (first, offsets) = (windows.first, windows.offsets);
    for _ in 0..chains {
        // SAFETY: there are N more steps, whose taps stand in the window, and their weights for each of VECTORS.
        unsafe {
            let taps: [usize; N] = from_fn(|step| *behind.add(step));
            behind = behind.add(N);
            let of_steps: [[P::Weights; N]; VECTORS] = from_fn(|vector| {
                from_fn(|step| P::weights(weights.add((step * VECTORS + vector) * P::FRAME.step())))
            });
            weights = weights.add(N * VECTORS * P::FRAME.step());
            each_pixel!(PIXELS, PIXEL => {
                let window = first[PIXEL / STRIP].wrapping_add(offsets[PIXEL % STRIP]);
                let taps: [P::Taps; N] = taps.map(|tap| P::taps(window.wrapping_add(tap)));
                for (sum, weights) in sums[PIXEL].iter_mut().zip(of_steps) {
                    *sum = P::chain(*sum, taps, weights);
                }
            });
        }
    }
    Steps { weights, behind }
}
