//! Weights too large for products that are added in 16 bits, split so that no sum saturates.
//!
//! `vpmaddubsw` multiplies bytes `0..=255` by weights `-128..=127` and adds two neighbours in 16 bits. Where the
//! positive weights among those that are added sum to at most 128, and the negative ones to at least -128,
//! the sum is within `255 * -128..=255 * 128`, which 16 bits hold. Of the weights of a trained network few
//! pairs are beyond that (FBGEMM calls such weights outliers, and multiplies them apart too).

use super::packed::{Arranged, RestGroup, Rests};
use crate::lines::Lines;
use crate::simd::Limit;

/// What the positive weights may sum to, and the negative ones without their sign.
const ROOM: i16 = 128;

/// Leaves in `arranged` what is within the limit, and returns the rest.
pub(super) fn split(limit: Limit, arranged: &mut Arranged<i8>) -> Rests {
    let frame = arranged.frame;
    let (run, steps) = (arranged.geometry.run(), arranged.geometry.run().div_ceil(frame.taps));
    let of_vector = frame.steps(arranged.geometry) * frame.step();
    let (mut of_vectors, mut groups, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for start in (0..arranged.vectors.len()).step_by(arranged.block) {
        let vectors = arranged.block.min(arranged.vectors.len() - start);
        let own = &mut arranged.weights[start * of_vector..][..vectors * of_vector];
        for vector in 0..vectors {
            let begin = groups.len();
            for (step, of_step) in
                own.chunks_exact_mut(frame.step()).skip(vector).step_by(vectors).enumerate()
            {
                let (row, tap) = (step / steps, (step % steps * frame.taps).min(run - frame.taps));
                let rest = take_beyond(limit, of_step, frame.lanes);
                for (group, rest) in rest.chunks_exact(frame.lanes * frame.group).enumerate() {
                    let mut rest = rest.to_vec();
                    while rest.iter().any(|&weight| weight != 0) {
                        let beyond = take_beyond(Limit::Pairs, &mut rest, frame.lanes);
                        groups.push(RestGroup { row, tap: tap + group * frame.group });
                        weights.extend_from_slice(&rest);
                        rest = beyond;
                    }
                }
            }
            of_vectors.push(begin..groups.len());
        }
    }
    Rests { of_vectors, groups, weights: Lines::new(&weights) }
}

/// Takes what is beyond the limit out of the weights of a step, `[groups][lanes][4]`.
fn take_beyond(limit: Limit, weights: &mut [i8], lanes: usize) -> Vec<i8> {
    let of_group = lanes * 4;
    let together = match limit {
        Limit::Pairs => of_group,
        Limit::PairsOfTwoGroups => 2 * of_group,
    };
    let mut beyond = vec![0; weights.len()];
    for (weights, beyond) in
        weights.chunks_exact_mut(together).zip(beyond.chunks_exact_mut(together))
    {
        for pair in (0..of_group).step_by(2) {
            let (mut above, mut below) = (ROOM, ROOM);
            for first in (pair..together).step_by(of_group) {
                for at in [first, first + 1] {
                    let weight = i16::from(weights[at]);
                    let kept = weight.clamp(-below, above);
                    if kept > 0 {
                        above -= kept
                    } else {
                        below += kept
                    }
                    // Both are between 0 and `weight`, which is an i8.
                    weights[at] = kept as i8;
                    beyond[at] = (weight - kept) as i8;
                }
            }
        }
    }
    beyond
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

    proptest! {
        /// For any weights: what is kept and what is left, at its taps, are the weights; and no sum of
        /// products that is taken in 16 bits leaves them, whatever the bytes.
        #[test]
        fn nothing_is_lost_and_nothing_saturates(
            weights in proptest::collection::vec(weight(), 2 * 11 * 13),
            (two_groups, pixel) in any::<(bool, bool)>(),
        ) {
            let geometry =
                ConvGeometry { kernel: (2, 1), stride: 1, padding: 0, input_channels: 11 };
            let (taps, limit) =
                if two_groups { (8, Limit::PairsOfTwoGroups) } else { (4, Limit::Pairs) };
            let frame = Frame { lanes: 8, vectors: 2, pixels: TilePixels::Four, taps, group: 4 };
            let output = if pixel { OutputSize::Pixel } else { OutputSize::Map };
            let whole = Arranged::new(frame, geometry, &[(&weights, 13)], output);
            let mut kept = Arranged::new(frame, geometry, &[(&weights, 13)], output);
            let rests = split(limit, &mut kept);

            let mut sum: Vec<i16> = kept.weights.iter().map(|&w| i16::from(w)).collect();
            // SAFETY: a group has 4 weights for each of 8 lanes.
            let of_groups = unsafe {
                std::slice::from_raw_parts(rests.weights.first::<i8>(), rests.groups.len() * 32)
            };
            for (vector, range) in rests.of_vectors.iter().enumerate() {
                let (block, vectors) = (vector / kept.block * kept.block, kept.block);
                let vectors = vectors.min(kept.vectors.len() - block);
                for group in range.clone() {
                    let RestGroup { row, tap } = rests.groups[group];
                    let steps = 11_usize.div_ceil(taps);
                    let step = (0..steps)
                        .find(|step| {
                            let first = (step * taps).min(11 - taps);
                            (first..first + taps).step_by(4).any(|first| first == tap)
                        })
                        .expect("the rest's taps are a group of a step");
                    let first = (step * taps).min(11 - taps);
                    let at = block * frame.steps(geometry) * frame.step()
                        + ((row * steps + step) * vectors + vector - block) * frame.step()
                        + (tap - first) / 4 * 32;
                    let rest = &of_groups[group * 32..][..32];
                    prop_assert!(within(rest, 1), "{rest:?}");
                    for (sum, &rest) in sum[at..].iter_mut().zip(rest) {
                        *sum += i16::from(rest);
                    }
                }
            }
            let whole: Vec<i16> = whole.weights.iter().map(|&w| i16::from(w)).collect();
            prop_assert_eq!(sum, whole);
            for step in kept.weights.chunks_exact(frame.step()) {
                if two_groups {
                    prop_assert!(within(step, 2), "{step:?}");
                } else {
                    prop_assert!(within(step, 1), "{step:?}");
                }
            }
        }
    }

    /// Whether no sum of pairs of `groups` groups of 8 lanes leaves 16 bits, for any bytes.
    fn within(weights: &[i8], groups: usize) -> bool {
        (0..32).step_by(2).all(|pair| {
            let added = (0..groups).flat_map(|group| [group * 32 + pair, group * 32 + pair + 1]);
            let added: Vec<i32> = added.map(|at| i32::from(weights[at]) * 255).collect();
            let most: i32 = added.iter().filter(|&&product| product > 0).sum();
            let least: i32 = added.iter().filter(|&&product| product < 0).sum();
            i16::try_from(most).is_ok() && i16::try_from(least).is_ok()
        })
    }
}
