//! Steps of bytes chained so that the 16 bits in which they are added hold every sum.
//!
//! `vpmaddubsw` multiplies bytes `0..=255` by weights `-128..=127` and adds two neighbours in 16 bits. Where the
//! positive weights among all that are added sum to at most 128, and the negative ones to at least -128,
//! the sum is within `255 * -128..=255 * 128`, which 16 bits hold.
//!
//! A step that is beyond that by itself is split into two of the same taps, the second with what is left.
//! Such weights are few in a trained network (FBGEMM calls them outliers): most often only one of a block's two vectors
//! has any, and the second step is then of that vector alone. Then the steps, the largest first, are each put into the
//! first chain that has room for it: integers may be added in any order.
//!
//! So the weights of a block of two vectors are
//!
//! ```text
//! shared    chains of 4 steps, then of 3, 2, 1    a step is [vector 0][vector 1]
//! alone[0]  chains of 4 steps, then of 3, 2, 1    a step is [vector 0]
//! alone[1]  chains of 4 steps, then of 3, 2, 1    a step is [vector 1]
//! ```
//!
//! with `[lanes][4 taps]` for each vector of a step, and [`StepTaps`] says for each step, in the same order, where in the
//! window its taps stand. Blocks of one vector have shared chains only.

use std::ops::Range;

use super::packed::{Arranged, Packed};
use crate::lines::Lines;

/// What the positive weights of a chain may sum to, and the negative ones without their sign.
const ROOM: u8 = 128;

/// Weights of a step for one output channel.
const GROUP: usize = 4;

/// Vectors of a block whose steps can also be chained for each vector alone.
pub(super) const ALONE: usize = 2;

/// Steps of a chain, at most: longer ones would save next to nothing.
pub(super) const LONGEST_CHAIN: usize = 4;

/// The order of the steps.
pub(super) struct Chains {
    /// For each block of output channels.
    pub(super) blocks: Vec<BlockChains>,
    /// The taps of each step, those of a block together, chain by chain.
    pub(super) steps: Vec<StepTaps>,
}

/// The chains of one block.
#[derive(Clone, Debug)]
pub(super) struct BlockChains {
    /// Its weights among all.
    pub(super) weights: Range<usize>,
    /// Its steps among all.
    pub(super) steps: Range<usize>,
    pub(super) counts: BlockCounts,
}

/// How many chains a block has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockCounts {
    /// Of all its vectors.
    pub(super) shared: ChainCounts,
    /// Of one of its vectors alone.
    pub(super) alone: [ChainCounts; ALONE],
}

impl BlockCounts {
    pub(super) fn total(self) -> usize {
        self.alone.iter().chain([&self.shared]).flat_map(|counts| counts.0).sum()
    }
}

/// How many chains there are of one step, of two and so on. The longest come first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChainCounts(pub(super) [usize; LONGEST_CHAIN]);

/// The first tap of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepTaps {
    /// Row of the kernel.
    pub(super) row: u32,
    /// Tap in the run.
    pub(super) tap: u32,
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
    /// `[vectors][lanes][4]`, of all vectors of the block or of one.
    weights: Vec<i8>,
    taken: Taken,
}

/// What the positive and the negative weights of each pair sum to, without their sign.
struct Taken(Vec<u8>);

impl Taken {
    fn by(weights: &[i8]) -> Self {
        let positive = |weight: i8| if weight < 0 { 0 } else { weight.unsigned_abs() };
        let negative = |weight: i8| if weight < 0 { weight.unsigned_abs() } else { 0 };
        let mut taken = vec![0; weights.len()];
        for (taken, pair) in taken.chunks_exact_mut(2).zip(weights.chunks_exact(2)) {
            // At most 128 each where the step is within the room, and no other is chained.
            taken[0] = positive(pair[0]) + positive(pair[1]);
            taken[1] = negative(pair[0]).saturating_add(negative(pair[1]));
        }
        Self(taken)
    }

    fn most(&self) -> u8 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    fn has_room_for(&self, other: &Self) -> bool {
        // It does not end early: so the compiler compares whole vectors.
        let sums = self.0.iter().zip(&other.0).map(|(a, b)| a.saturating_add(*b));
        sums.fold(0, u8::max) <= ROOM
    }

    fn add(&mut self, other: &Self) {
        for (sum, other) in self.0.iter_mut().zip(&other.0) {
            *sum += other;
        }
    }
}

/// Packs steps of four taps in chains of at most `longest`.
pub(super) fn chained(arranged: Arranged<i8>, longest: usize) -> Packed {
    assert_eq!((arranged.frame.taps, arranged.frame.group), (GROUP, GROUP), "steps of four taps");
    assert!(arranged.block <= ALONE, "a block has as many vectors as a tile");
    let mut chains = Chains { blocks: Vec::new(), steps: Vec::new() };
    let mut weights = Vec::with_capacity(arranged.weights.len() / 4 * 5);
    for block in 0..arranged.blocks() {
        let (first_weight, first_step) = (weights.len(), chains.steps.len());
        let mut add = |steps| {
            let mut counts = ChainCounts::default();
            for chain in first_fit(steps, longest) {
                counts.0[chain.len() - 1] += 1;
                for step in chain {
                    chains.steps.push(step.taps);
                    weights.extend_from_slice(&step.weights);
                }
            }
            counts
        };
        let BlockSteps { shared, alone } = steps_of(&arranged, block);
        let counts = BlockCounts { shared: add(shared), alone: alone.map(add) };
        let (weights, steps) = (first_weight..weights.len(), first_step..chains.steps.len());
        chains.blocks.push(BlockChains { weights, steps, counts });
    }
    arranged.pack_as(Lines::new(&weights), Some(chains))
}

/// The steps of a block, each within what 16 bits hold.
#[derive(Default)]
struct BlockSteps {
    /// Of all its vectors.
    shared: Vec<Step>,
    /// Of one of them.
    alone: [Vec<Step>; ALONE],
}

impl BlockSteps {
    fn push(&mut self, taps: StepTaps, weights: Vec<i8>, vectors: usize) {
        let of_vector = weights.len() / vectors;
        let has_any = |weights: &[i8]| weights.iter().any(|&weight| weight != 0);
        let mut with_any =
            weights.chunks_exact(of_vector).enumerate().filter(|(_, of)| has_any(of));
        let (steps, weights) = match (with_any.next(), with_any.next()) {
            (Some((vector, own)), None) if vectors == ALONE => {
                (&mut self.alone[vector], own.to_vec())
            }
            _ => (&mut self.shared, weights),
        };
        steps.push(Step { taps, taken: Taken::by(&weights), weights });
    }
}

fn steps_of(arranged: &Arranged<i8>, block: usize) -> BlockSteps {
    let run = arranged.geometry.run();
    let in_run = run.div_ceil(GROUP);
    let (vectors, weights) = arranged.block(block);
    let mut steps = BlockSteps::default();
    for (index, weights) in weights.chunks_exact(vectors * arranged.frame.step()).enumerate() {
        let (row, step) = (index / in_run, index % in_run);
        let tap = (step * GROUP).min(run - GROUP);
        // Kernels are far smaller than 2^32 taps: their weights are in memory.
        let taps = StepTaps { row: row as u32, tap: tap as u32 };
        let mut weights = weights.to_vec();
        while weights.iter().any(|&weight| weight != 0) {
            let beyond = take_beyond(&mut weights);
            steps.push(taps, weights, vectors);
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

/// Puts each step, the largest first, into the first chain that has room. The longest chains come first.
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
    // A stable sort: what is packed depends on nothing but the weights.
    full.sort_by_key(|chain| std::cmp::Reverse(chain.len()));
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

    /// As those of a trained network: few are large.
    fn outlier() -> impl Strategy<Value = i8> {
        prop_oneof![30 => -20_i8..20, 1 => any::<i8>()]
    }

    /// All pairs within the room, all pairs beyond it, few of them, or any; of so many channels, the first of which may
    /// have none.
    fn weights(taps: usize) -> impl Strategy<Value = (usize, Vec<i8>)> {
        (1_usize..70, 0_usize..20).prop_flat_map(move |(channels, without)| {
            let count = taps * channels;
            let weights = prop_oneof![
                proptest::collection::vec(weight(), count),
                proptest::collection::vec(outlier(), count),
                proptest::collection::vec(-30_i8..30, count),
                Just(vec![127; count]),
                Just(vec![-128; count]),
                Just(vec![0; count]),
            ];
            weights.prop_map(move |mut weights| {
                weights.iter_mut().take(taps * without.saturating_sub(10)).for_each(|w| *w = 0);
                (channels, weights)
            })
        })
    }

    proptest! {
        /// For any weights: the steps of each tap sum to its weights, every step is in one chain, and no sum
        /// of products that is taken in 16 bits leaves them, whatever the bytes.
        #[test]
        fn nothing_is_lost_and_nothing_saturates(
            (channels, weights) in weights(2 * 11),
            longest in 1..=LONGEST_CHAIN,
        ) {
            let geometry =
                ConvGeometry { kernel: (2, 1), stride: 1, padding: 0, input_channels: 11 };
            let frame =
                Frame { lanes: 8, vectors: 2, pixels: TilePixels::Three, taps: 4, group: 4 };
            let arrange =
                || Arranged::new(frame, geometry, &[(&weights, channels)], OutputSize::Map);
            let arranged = arrange();
            let packed = chained(arrange(), longest);
            let chains = packed.chains.as_ref().expect("chained weights have chains");
            for (block, of_block) in chains.blocks.iter().enumerate() {
                let (vectors, expected) = arranged.block(block);
                let mut sums = vec![0_i32; expected.len()];
                let mut taps = chains.steps[of_block.steps.clone()].iter();
                // SAFETY: these are the block's weights.
                let mut weights = unsafe {
                    let first = packed.weights.first::<i8>().add(of_block.weights.start);
                    std::slice::from_raw_parts(first, of_block.weights.len())
                };
                let BlockCounts { shared, alone } = of_block.counts;
                let groups = [(shared, 0..vectors), (alone[0], 0..1), (alone[1], 1..2)];
                for (ChainCounts(counts), of_vectors) in groups {
                    let of_step = of_vectors.len() * 32;
                    for (index, &count) in counts.iter().enumerate().rev() {
                        prop_assert!(index < longest || count == 0);
                        for _ in 0..count {
                            let (chain, rest) = weights.split_at((index + 1) * of_step);
                            weights = rest;
                            prop_assert!(within(chain, of_step), "{chain:?}");
                            for (weights, taps) in chain.chunks(of_step).zip(taps.by_ref()) {
                                let step = (taps.tap as usize).div_ceil(4) + taps.row as usize * 3;
                                let first = step * vectors * 32 + of_vectors.start * 32;
                                for (sum, &weight) in sums[first..].iter_mut().zip(weights) {
                                    *sum += i32::from(weight);
                                }
                            }
                        }
                    }
                }
                prop_assert!(taps.next().is_none() && weights.is_empty());
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
