//! The share of each square, channel and branch in a logit, or in the difference of two.

use std::cmp::Ordering;

use googlenet_engine::model::{Activations, Branch, Classifier, Seen};

use super::products::{ROWS, products};

/// Most channels that [`LastMap::channels`] lists.
pub const MOST_EXPLAINED_CHANNELS: usize = 50;

/// The last map of one image, and what makes logits of it.
#[derive(Clone, Copy, Debug)]
pub struct LastMap<'a> {
    classifier: &'a Classifier,
    map: &'a Activations,
    logits: &'a [f32],
}

/// A class, or a class compared with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The class.
    pub class: usize,
    /// The class that its logit is compared with: then everything is the difference of the two.
    pub against: Option<usize>,
}

/// How a logit, or the difference of two, comes about: the sum of the grid, bias and residual.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What the network computed.
    pub logit: f32,
    /// The part that no photo changes.
    pub bias: f32,
    /// What is left: rounding. In int8 it is larger, because the network rounds the means and the weights.
    pub residual: f32,
    /// The share of each square.
    pub grid: Grid,
}

/// A value for each square of the last map.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Squares of a row.
    pub columns: usize,
    /// Row by row from the top.
    pub values: Vec<f32>,
}

impl Grid {
    /// The rows from the top.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks(self.columns.max(1))
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.values.iter().map(|&value| f64::from(value)).sum()
    }
}

/// What a square adds to the logit of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassShare {
    /// Index in the network's output.
    pub class: usize,
    /// What it adds.
    pub value: f32,
}

/// What a channel of the last map adds to a logit: `weight * mean`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelShare {
    /// Its index.
    pub channel: usize,
    /// The branch of the module that it comes from, if the map is a module's output.
    pub branch: Option<Branch>,
    /// Of the class, or its difference to the other's.
    pub weight: f32,
    /// Over all squares.
    pub mean: f32,
    /// What it adds.
    pub contribution: f32,
}

impl<'a> LastMap<'a> {
    /// What was `seen` of an image; none if the last map was not asked for, or is not the classifier's.
    pub fn of(classifier: &'a Classifier, seen: &'a Seen) -> Option<Self> {
        let (map, logits) = (seen.last_map.as_ref()?, seen.logits.as_deref()?);
        let fits = (map.height, map.width) == classifier.size
            && map.channels == classifier.channels()
            && logits.len() == classifier.classes();
        fits.then_some(Self { classifier, map, logits })
    }

    /// How the logit of a class comes about.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn evidence(&self, compared: Compared) -> Evidence {
        let squares: Vec<&[f32]> = self.map.pixels().collect();
        let mut values = vec![0.0; squares.len()];
        let part = self.part();
        let weights = self.weights(compared);
        products([&weights; ROWS], &squares, |square, [sum, _]| values[square] = sum * part);
        let grid = Grid { columns: self.map.width, values };
        let (logit, bias) =
            (difference(self.logits, compared), difference(self.classifier.bias(), compared));
        let residual = (f64::from(logit) - f64::from(bias) - grid.sum()) as f32;
        Evidence { logit, bias, residual, grid }
    }

    /// For each square, row by row, the `most` classes whose logits it adds most to, that with the most first.
    pub fn squares(&self, most: usize) -> Vec<Vec<ClassShare>> {
        let squares: Vec<&[f32]> = self.map.pixels().collect();
        let mut best = vec![Vec::with_capacity(most + 1); squares.len()];
        if most == 0 {
            return best;
        }
        let (part, classes) = (self.part(), self.classifier.classes());
        for first in (0..classes).step_by(ROWS) {
            // Behind the last class it comes once more, and is not taken.
            let pair: [usize; ROWS] = std::array::from_fn(|row| (first + row).min(classes - 1));
            let rows = pair.map(|class| self.classifier.weights(class));
            products(rows, &squares, |square, sums| {
                for (class, sum) in (first..classes).zip(sums) {
                    insert(&mut best[square], most, ClassShare { class, value: sum * part });
                }
            });
        }
        best
    }

    /// The `most` channels that add most to a logit or take most from it, that with the largest contribution, of either
    /// sign, first.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn channels(&self, compared: Compared, most: usize) -> Vec<ChannelShare> {
        let mut shares = self.shares(compared);
        let larger = |a: &ChannelShare, b: &ChannelShare| -> Ordering {
            let (a_size, b_size) = (a.contribution.abs(), b.contribution.abs());
            b_size.total_cmp(&a_size).then(a.channel.cmp(&b.channel))
        };
        shares.sort_unstable_by(larger);
        shares.truncate(most);
        shares
    }

    /// What the channels of each branch add to a logit; none if the last map is not a module's output.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn branches(&self, compared: Compared) -> Option<[(Branch, f32); 4]> {
        let ranges = self.classifier.ranges()?;
        let shares = self.shares(compared);
        Some(ranges.map(|(branch, channels)| {
            let sum: f64 = shares[channels].iter().map(|s| f64::from(s.contribution)).sum();
            (branch, sum as f32)
        }))
    }

    fn shares(&self, compared: Compared) -> Vec<ChannelShare> {
        let mut means = vec![0.0_f64; self.map.channels];
        for square in self.map.pixels() {
            means.iter_mut().zip(square).for_each(|(mean, &value)| *mean += f64::from(value));
        }
        let part = f64::from(self.part());
        let mut branches = vec![None; self.map.channels];
        for (branch, channels) in self.classifier.ranges().into_iter().flatten() {
            branches[channels].fill(Some(branch));
        }
        let weights = self.weights(compared);
        let shares = means.iter().zip(weights).zip(branches).enumerate();
        shares
            .map(|(channel, ((sum, weight), branch))| {
                let mean = sum * part;
                let contribution = (mean * f64::from(weight)) as f32;
                ChannelShare { channel, branch, weight, mean: mean as f32, contribution }
            })
            .collect()
    }

    /// The part of a mean that one square is.
    fn part(&self) -> f32 {
        let (rows, columns) = self.classifier.size;
        1.0 / (rows * columns) as f32
    }

    fn weights(&self, Compared { class, against }: Compared) -> Vec<f32> {
        let weights = self.classifier.weights(class);
        match against {
            None => weights.to_vec(),
            Some(other) => {
                weights.iter().zip(self.classifier.weights(other)).map(|(a, b)| a - b).collect()
            }
        }
    }
}

/// Puts `share` among the `most` best, if it is one.
fn insert(best: &mut Vec<ClassShare>, most: usize, share: ClassShare) {
    if best.len() == most && best.last().is_some_and(|last| share.value <= last.value) {
        return;
    }
    let place = best.partition_point(|other| other.value >= share.value);
    best.insert(place, share);
    best.truncate(most);
}

fn difference(values: &[f32], Compared { class, against }: Compared) -> f32 {
    values[class] - against.map_or(0.0, |other| values[other])
}

#[cfg(test)]
mod tests {
    use googlenet_engine::model::Probabilities;

    use super::*;

    const CLASSES: usize = 5;
    const CHANNELS: usize = 12;

    fn classifier() -> Classifier {
        let weights = (0..CLASSES * CHANNELS).map(|i| (i * 37 % 23) as f32 / 8.0 - 1.0);
        let bias = (0..CLASSES).map(|class| class as f32 / 4.0);
        let (weights, bias) = (weights.collect::<Vec<_>>(), bias.collect::<Vec<_>>());
        Classifier::new((2, 3), Some([1, 5, 4, 2]), weights, bias).unwrap()
    }

    /// What a network with this classifier computes.
    fn seen(classifier: &Classifier) -> Seen {
        let values: Vec<f32> = (0..6 * CHANNELS).map(|i| (i * 29 % 17) as f32 / 4.0).collect();
        let logit = |class: usize| -> f32 {
            let squares = values.chunks(CHANNELS);
            let sum: f32 = squares
                .map(|square| {
                    square.iter().zip(classifier.weights(class)).map(|(a, b)| a * b).sum::<f32>()
                })
                .sum();
            sum / 6.0 + classifier.bias()[class]
        };
        Seen {
            probabilities: Probabilities::new(vec![0.2; CLASSES]).unwrap(),
            logits: Some((0..CLASSES).map(logit).collect()),
            last_map: Some(Activations {
                height: 2,
                width: 3,
                channels: CHANNELS,
                values: values.into(),
            }),
            maps: Vec::new(),
            times: Vec::new(),
            gradients: Vec::new(),
        }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-4
    }

    #[test]
    fn the_sums_are_the_logit_and_the_difference_of_two() {
        let classifier = classifier();
        let seen = seen(&classifier);
        let last = LastMap::of(&classifier, &seen).unwrap();
        let alone = |class| last.evidence(Compared { class, against: None });
        for class in 0..CLASSES {
            let Evidence { logit, bias, residual, grid } = alone(class);
            assert!(residual.abs() <= 1e-4, "{residual}");
            assert!(near(grid.sum() + f64::from(bias + residual), logit.into()));
            let branches = last.branches(Compared { class, against: None }).unwrap();
            let sum: f32 = branches.iter().map(|(_, value)| value).sum();
            assert!(near((sum + bias).into(), logit.into()), "{branches:?}");
        }
        let compared = last.evidence(Compared { class: 3, against: Some(1) });
        assert!(near(compared.grid.sum(), alone(3).grid.sum() - alone(1).grid.sum()));
        assert!(near(compared.logit.into(), (alone(3).logit - alone(1).logit).into()));
        let nothing = last.evidence(Compared { class: 2, against: Some(2) });
        assert_eq!((nothing.logit, nothing.grid.values), (0.0, vec![0.0; 6]));
    }

    #[test]
    fn a_square_names_the_classes_that_it_adds_most_to() {
        let classifier = classifier();
        let seen = seen(&classifier);
        let last = LastMap::of(&classifier, &seen).unwrap();
        let grids: Vec<Grid> = (0..CLASSES)
            .map(|class| last.evidence(Compared { class, against: None }).grid)
            .collect();
        for (square, best) in last.squares(3).into_iter().enumerate() {
            let mut all: Vec<ClassShare> = (0..CLASSES)
                .map(|class| ClassShare { class, value: grids[class].values[square] })
                .collect();
            all.sort_by(|a, b| b.value.total_cmp(&a.value));
            assert_eq!(best, all[..3], "{square}");
        }
        assert!(last.squares(0).iter().all(Vec::is_empty));
        assert_eq!(last.squares(9)[0].len(), CLASSES);
    }

    #[test]
    fn the_largest_channels_come_first_with_their_branch() {
        let classifier = classifier();
        let seen = seen(&classifier);
        let last = LastMap::of(&classifier, &seen).unwrap();
        let compared = Compared { class: 1, against: None };
        let all = last.channels(compared, CHANNELS);
        assert!(all.is_sorted_by(|a, b| a.contribution.abs() >= b.contribution.abs()));
        let sum: f64 = all.iter().map(|share| f64::from(share.contribution)).sum();
        assert!(near(sum, last.evidence(compared).grid.sum()));
        for share in &all {
            let branch = match share.channel {
                0 => Branch::One,
                1..6 => Branch::Three,
                6..10 => Branch::Five,
                _ => Branch::Pool,
            };
            assert_eq!(share.branch, Some(branch));
            assert_eq!(share.weight, classifier.weights(1)[share.channel]);
        }
        assert_eq!(last.channels(compared, 2), all[..2]);
    }

    #[test]
    fn another_map_is_not_explained() {
        let classifier = classifier();
        let mut other = seen(&classifier);
        other.last_map.as_mut().unwrap().width = 2;
        assert!(LastMap::of(&classifier, &other).is_none());
        other.last_map = None;
        assert!(LastMap::of(&classifier, &other).is_none());
    }
}
