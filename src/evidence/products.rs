//! Scalar products of rows of weights with the squares of a map.

/// Rows of weights that share each load of a square.
pub(super) const ROWS: usize = 2;
/// Squares that share each load of a weight.
const SQUARES: usize = 4;
/// Values that are multiplied side by side: a vector of SSE2 or NEON, so that all sums stay in registers.
const LANES: usize = 4;

/// The scalar products of `rows` with each of `squares`, all of one length; `take` gets them with the index of their
/// square.
pub(super) fn products(
    rows: [&[f32]; ROWS],
    squares: &[&[f32]],
    mut take: impl FnMut(usize, [f32; ROWS]),
) {
    let mut groups = squares.chunks_exact(SQUARES);
    let mut index = 0;
    for group in &mut groups {
        let sums = tile(rows, [group[0], group[1], group[2], group[3]]);
        for square in 0..SQUARES {
            take(index, sums.map(|of_row| of_row[square]));
            index += 1;
        }
    }
    for square in groups.remainder() {
        take(index, tile(rows, [square; SQUARES]).map(|of_row| of_row[0]));
        index += 1;
    }
}

/// Each lane sums every fourth product, so that the sums do not wait for each other.
fn tile(rows: [&[f32]; ROWS], squares: [&[f32]; SQUARES]) -> [[f32; SQUARES]; ROWS] {
    let steps = rows[0].len() / LANES;
    let weights = rows.map(|row| &row.as_chunks::<LANES>().0[..steps]);
    let values = squares.map(|square| &square.as_chunks::<LANES>().0[..steps]);
    let mut sums = [[[0.0_f32; LANES]; SQUARES]; ROWS];
    for step in 0..steps {
        for row in 0..ROWS {
            let weights = weights[row][step];
            for square in 0..SQUARES {
                let values = values[square][step];
                for lane in 0..LANES {
                    sums[row][square][lane] += weights[lane] * values[lane];
                }
            }
        }
    }
    let mut totals = sums.map(|of_row| of_row.map(|lanes| lanes.iter().sum::<f32>()));
    for (totals, row) in totals.iter_mut().zip(rows) {
        for (total, square) in totals.iter_mut().zip(squares) {
            let rest = row[steps * LANES..].iter().zip(&square[steps * LANES..]);
            *total += rest.map(|(weight, value)| weight * value).sum::<f32>();
        }
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
            let row = |from: usize| -> Vec<f32> {
                (0..length).map(|i| f32::from(value(i + from))).collect()
            };
            let rows = [row(0), row(5)];
            let squares: Vec<Vec<f32>> = (0..count)
                .map(|s| (0..length).map(|i| f32::from(value(i + 7 * s + 3))).collect())
                .collect();
            let views: Vec<&[f32]> = squares.iter().map(Vec::as_slice).collect();
            let mut found = Vec::new();
            products([&rows[0], &rows[1]], &views, |index, sums| found.push((index, sums)));
            // Products and sums of small whole numbers are exact.
            let product = |row: &Vec<f32>, square: &Vec<f32>| -> f32 {
                row.iter().zip(square).map(|(a, b)| a * b).sum()
            };
            let expected: Vec<(usize, [f32; 2])> = squares
                .iter()
                .map(|square| [product(&rows[0], square), product(&rows[1], square)])
                .enumerate()
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
