//! Scalar products of rows of weights with the squares of a map.

/// Values that are multiplied side by side: two vectors of SSE2 or NEON, one of AVX2.
const LANES: usize = 8;
/// Squares that share each load of a weight.
const SQUARES: usize = 4;

/// The scalar product of `weights` and each of `squares`, all of one length; `take` gets it with the index of its
/// square.
pub(super) fn products(weights: &[f32], squares: &[&[f32]], mut take: impl FnMut(usize, f32)) {
    let mut groups = squares.chunks_exact(SQUARES);
    let mut index = 0;
    for group in &mut groups {
        let sums = four(weights, [group[0], group[1], group[2], group[3]]);
        for sum in sums {
            take(index, sum);
            index += 1;
        }
    }
    for square in groups.remainder() {
        take(index, four(weights, [square; SQUARES])[0]);
        index += 1;
    }
}

/// Each lane sums every eighth product, so that the sums do not wait for each other.
fn four(weights: &[f32], squares: [&[f32]; SQUARES]) -> [f32; SQUARES] {
    let mut sums = [[0.0_f32; LANES]; SQUARES];
    let (weights, rest) = weights.as_chunks::<LANES>();
    let parts = squares.map(|square| square.as_chunks::<LANES>());
    let [a, b, c, d] = parts.map(|(whole, _)| whole);
    for ((((w, a), b), c), d) in weights.iter().zip(a).zip(b).zip(c).zip(d) {
        for lane in 0..LANES {
            sums[0][lane] += w[lane] * a[lane];
            sums[1][lane] += w[lane] * b[lane];
            sums[2][lane] += w[lane] * c[lane];
            sums[3][lane] += w[lane] * d[lane];
        }
    }
    let mut totals = sums.map(|lanes| lanes.iter().sum::<f32>());
    for (total, (_, tail)) in totals.iter_mut().zip(parts) {
        *total += rest.iter().zip(tail).map(|(w, x)| w * x).sum::<f32>();
    }
    totals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn are_those_of_a_plain_loop(
            length in 0_usize..40, count in 0_usize..11, seed in any::<u32>(),
        ) {
            let value = |index: usize| (index as u32).wrapping_mul(seed) as i8;
            let weights: Vec<f32> = (0..length).map(|i| f32::from(value(i))).collect();
            let squares: Vec<Vec<f32>> = (0..count)
                .map(|s| (0..length).map(|i| f32::from(value(i + 7 * s + 3))).collect())
                .collect();
            let views: Vec<&[f32]> = squares.iter().map(Vec::as_slice).collect();
            let mut found = Vec::new();
            products(&weights, &views, |index, sum| found.push((index, sum)));
            // Products and sums of small whole numbers are exact.
            let expected: Vec<(usize, f32)> = squares
                .iter()
                .map(|square| square.iter().zip(&weights).map(|(a, b)| a * b).sum())
                .enumerate()
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
