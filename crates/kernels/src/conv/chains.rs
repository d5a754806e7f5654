//! Steps of bytes chained so that the 16 bits in which they are added hold every sum.
//!
//! `vpmaddubsw` multiplies bytes `0..=255` by weights `-128..=127` and adds two neighbours in 16 bits. Where the
//! positive weights among all that are added sum to at most 128, and the negative ones to at least -128,
//! the sum is within `255 * -128..=255 * 128`, which 16 bits hold.
//!
//! A step that is beyond that by itself is split into two of the same taps, the second with what is left.
//! Such weights are few in a trained network (FBGEMM calls them outliers). Then the steps of a block,
//! the largest first, are each put into the first chain that has room for it: integers may be added in any order.

use super::packed::{Arranged, Packed};
use crate::lines::Lines;

/// What the positive weights of a chain may sum to, and the negative ones without their sign.
const ROOM: u8 = 128;

/// Weights of a step for one output channel.
const GROUP: usize = 4;

/// The order of the steps.
pub(super) struct Chains {
    /// For each block of output channels.
    pub(super) blocks: Vec<BlockChains>,
    /// The taps of each step, those of a block together, the longest chains first.
    pub(super) steps: Vec<StepTaps>,
}

/// The chains of one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockChains {
    /// Its first step among all.
    pub(super) first: usize,
    /// How many chains there are of one, two and three steps.
    pub(super) of_length: [usize; 3],
}

/// The first tap of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepTaps {
    /// Row of the kernel.
    pub(super) row: u32,
    /// Tap in the run.
    pub(super) tap: u32,
}

impl BlockChains {
    pub(super) fn steps(&self) -> usize {
        self.of_length.iter().zip(1..).map(|(chains, steps)| chains * steps).sum()
    }
}

impl Chains {
    /// Memory of the order.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.blocks.as_slice()) + size_of_val(self.steps.as_slice())
    }
}

/// A step of one block: what it multiplies, and how much room that takes.
struct Step {
    taps: StepTaps,
    /// `[vectors][lanes][4]`.
    weights: Vec<i8>,
    taken: Taken,
}

/// What the positive and the negative weights of each pair sum to, without their sign.
struct Taken(Vec<u8>);

impl Taken {
    fn by(weights: &[i8]) -> Self {
        let pairs = weights.chunks_exact(2);
        Self(pairs.flat_map(|pair| [sum(pair, |w| w > 0), sum(pair, |w| w < 0)]).collect())
    }

    fn most(&self) -> u8 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    fn has_room_for(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| u16::from(*a) + u16::from(*b) <= ROOM.into())
    }

    fn add(&mut self, other: &Self) {
        for (sum, other) in self.0.iter_mut().zip(&other.0) {
            *sum += other;
        }
    }
}

/// The sum of a pair's weights of one sign, at most 254 for a pair that was not split.
fn sum(pair: &[i8], of_sign: impl Fn(i8) -> bool) -> u8 {
    let weights = pair.iter().filter(|&&weight| of_sign(weight));
    weights.fold(0, |sum: u8, weight| sum.saturating_add(weight.unsigned_abs()))
}

/// Packs steps of four taps in chains of at most `longest`, which is at most 3.
pub(super) fn chained(arranged: Arranged<i8>, longest: usize) -> Packed {
    assert_eq!((arranged.frame.taps, arranged.frame.group), (GROUP, GROUP), "steps of four taps");
    let mut chains = Chains { blocks: Vec::new(), steps: Vec::new() };
    let mut weights = Vec::with_capacity(arranged.weights.len() / 4 * 5);
    for block in 0..arranged.blocks() {
        let steps = steps_of(&arranged, block);
        let mut of_block = first_fit(steps, longest);
        // A stable sort: what is packed depends on nothing but the weights.
        of_block.sort_by_key(|chain| std::cmp::Reverse(chain.len()));
        let of_length = [1, 2, 3].map(|n| of_block.iter().filter(|c| c.len() == n).count());
        chains.blocks.push(BlockChains { first: chains.steps.len(), of_length });
        for step in of_block.into_iter().flatten() {
            chains.steps.push(step.taps);
            weights.extend_from_slice(&step.weights);
        }
    }
    arranged.pack_as(Lines::new(&weights), Some(chains))
}

/// The steps of a block, each within what 16 bits hold.
fn steps_of(arranged: &Arranged<i8>, block: usize) -> Vec<Step> {
    let run = arranged.geometry.run();
    let in_run = run.div_ceil(GROUP);
    let (vectors, weights) = arranged.block(block);
    let mut steps = Vec::new();
    for (index, weights) in weights.chunks_exact(vectors * arranged.frame.step()).enumerate() {
        let (row, step) = (index / in_run, index % in_run);
        let tap = (step * GROUP).min(run - GROUP);
        // Kernels are far smaller than 2^32 taps: their weights are in memory.
        let taps = StepTaps { row: row as u32, tap: tap as u32 };
        let mut weights = weights.to_vec();
        while weights.iter().any(|&weight| weight != 0) {
            let beyond = take_beyond(&mut weights);
            steps.push(Step { taps, taken: Taken::by(&weights), weights });
            weights = beyond;
        }
    }
    steps
}

/// Takes out of each pair of weights what is beyond the room of a chain.
fn take_beyond(weights: &mut [i8]) -> Vec<i8> {
    let mut beyond = vec![0; weights.len()];
    for (pair, beyond) in weights.chunks_exact_mut(2).zip(beyond.chunks_exact_mut(2)) {
        let [first, second] = [i16::from(pair[0]), i16::from(pair[1])];
        let room = i16::from(ROOM);
        let kept = second.clamp(-room - first.min(0), room - first.max(0));
        // Both are between 0 and the weight, which is an i8.
        (pair[1], beyond[1]) = (kept as i8, (second - kept) as i8);
    }
    beyond
}

/// Steps that are added in 16 bits.
struct Chain {
    taken: Taken,
    steps: Vec<Step>,
}

/// Puts each step, the largest first, into the first chain that has room.
fn first_fit(mut steps: Vec<Step>, longest: usize) -> Vec<Vec<Step>> {
    steps.sort_by_key(|step| std::cmp::Reverse(step.taken.most()));
    let (mut open, mut full): (Vec<Chain>, Vec<Vec<Step>>) = (Vec::new(), Vec::new());
    for step in steps {
        let fitting = open.iter().position(|chain| chain.taken.has_room_for(&step.taken));
        let index = fitting.unwrap_or_else(|| {
            open.push(Chain { taken: Taken(vec![0; step.taken.0.len()]), steps: Vec::new() });
            open.len() - 1
        });
        let chain = &mut open[index];
        chain.taken.add(&step.taken);
        chain.steps.push(step);
        if chain.steps.len() == longest {
            full.push(open.remove(index).steps);
        }
    }
    full.extend(open.into_iter().map(|chain| chain.steps));
    full
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conv::{ConvGeometry, OutputSize};
    use crate::simd::{Frame, TilePixels};

    /// Small weights, large ones, the largest, and both signs.
    fn weight() -> impl Strategy<Value = i8> {
        prop_oneof![-40_i8..40, any::<i8>(), Just(127), Just(-127), Just(-128)]
    }

    /// All pairs within the room, all pairs beyond it, or any.
    fn weights(count: usize) -> impl Strategy<Value = Vec<i8>> {
        prop_oneof![
            proptest::collection::vec(weight(), count),
            proptest::collection::vec(-30_i8..30, count),
            Just(vec![127; count]),
            Just(vec![-128; count]),
        ]
    }

    proptest! {
        /// For any weights: the steps of each tap sum to its weights, every step is in one chain, and no sum
        /// of products that is taken in 16 bits leaves them, whatever the bytes.
        #[test]
        fn nothing_is_lost_and_nothing_saturates(
            weights in weights(2 * 11 * 13),
            (longest, width) in (1_usize..4, 1_usize..3),
        ) {
            let geometry =
                ConvGeometry { kernel: (2, 1), stride: 1, padding: 0, input_channels: 11 };
            let frame =
                Frame { lanes: 8, vectors: 1, pixels: TilePixels::Five, taps: 4, group: 4 };
            let arrange =
                || Arranged::new(frame, geometry, &[(&weights, 13)], OutputSize::of_width(width));
            let arranged = arrange();
            let packed = chained(arrange(), longest);
            let chains = packed.chains.as_ref().expect("chained weights have chains");
            let mut at = packed.weights.first::<i8>();
            for (block, of_block) in chains.blocks.iter().enumerate() {
                let (vectors, expected) = arranged.block(block);
                let mut sums = vec![0_i32; expected.len()];
                let of_step = vectors * 32;
                let mut taps = chains.steps[of_block.first..][..of_block.steps()].iter();
                for length in (1..=3).rev() {
                    prop_assert!(length <= longest || of_block.of_length[length - 1] == 0);
                    for _ in 0..of_block.of_length[length - 1] {
                        // SAFETY: the weights have as many steps as the chains together.
                        let chain = unsafe { std::slice::from_raw_parts(at, length * of_step) };
                        at = at.wrapping_add(chain.len());
                        prop_assert!(within(chain, of_step), "{chain:?}");
                        for (weights, taps) in chain.chunks(of_step).zip(taps.by_ref()) {
                            let step = (taps.tap as usize).div_ceil(4) + taps.row as usize * 3;
                            let sums = &mut sums[step * of_step..];
                            for (sum, &weight) in sums.iter_mut().zip(weights) {
                                *sum += i32::from(weight);
                            }
                        }
                    }
                }
                let expected: Vec<i32> = expected.iter().map(|&weight| weight.into()).collect();
                prop_assert_eq!(sums, expected);
            }
        }
    }

    /// Whether no sum of a chain's pairs leaves 16 bits, for any bytes.
    fn within(chain: &[i8], of_step: usize) -> bool {
        (0..of_step).step_by(2).all(|pair| {
            let added = chain.chunks(of_step).flat_map(|step| [step[pair], step[pair + 1]]);
            let added: Vec<i32> = added.map(|weight| i32::from(weight) * 255).collect();
            let most: i32 = added.iter().filter(|&&product| product > 0).sum();
            let least: i32 = added.iter().filter(|&&product| product < 0).sum();
            i16::try_from(most).is_ok() && i16::try_from(least).is_ok()
        })
    }
}
