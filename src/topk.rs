//! The best classes of an answer.

use googlenet_engine::groups::ClassSet;
use googlenet_engine::model::Probabilities;

/// How many classes an answer lists, 1..=classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopK(usize);

impl TopK {
    /// What a request gets that does not ask, if the network has as many classes.
    pub const DEFAULT: usize = 5;

    /// `None` when `k` is 0 or more than `classes`.
    pub fn new(k: usize, classes: usize) -> Option<Self> {
        (1..=classes).contains(&k).then_some(Self(k))
    }

    /// The default for a network of `classes` classes, at least one.
    pub fn default_for(classes: usize) -> Self {
        Self(Self::DEFAULT.min(classes.max(1)))
    }

    /// How many.
    pub fn get(self) -> usize {
        self.0
    }
}

/// A class with its probability, in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Index in the network's output.
    pub class: usize,
    /// Its probability.
    pub probability: f32,
}

/// The `k` most probable classes of at least `min_probability`, best first; of equals, the lower
/// index first. With `within`, only classes in it.
pub fn top_k(
    probabilities: &Probabilities,
    k: TopK,
    min_probability: f32,
    within: Option<&ClassSet>,
) -> Vec<Prediction> {
    let mut classes: Vec<Prediction> = probabilities
        .as_slice()
        .iter()
        .enumerate()
        .map(|(class, &probability)| Prediction { class, probability })
        .filter(|p| p.probability >= min_probability)
        .filter(|p| within.is_none_or(|set| set.contains(p.class)))
        .collect();
    let better = |a: &Prediction, b: &Prediction| {
        b.probability.total_cmp(&a.probability).then(a.class.cmp(&b.class))
    };
    if classes.len() > k.0 {
        classes.select_nth_unstable_by(k.0 - 1, better);
        classes.truncate(k.0);
    }
    classes.sort_unstable_by(better);
    classes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_the_head_of_a_stable_sort(
            values in prop::collection::vec(0u8..20, 1..60),
            k in 1usize..60,
            min in 0u8..20,
        ) {
            let values: Vec<f32> = values.iter().map(|v| f32::from(*v) / 20.0).collect();
            let min = f32::from(min) / 20.0;
            let k = k.min(values.len());
            let mut expected: Vec<(usize, f32)> = values.iter().copied().enumerate().collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            expected.truncate(k);
            expected.retain(|e| e.1 >= min);
            let answer = Probabilities::new(values.clone()).unwrap();
            let top = top_k(&answer, TopK::new(k, values.len()).unwrap(), min, None);
            let top: Vec<(usize, f32)> = top.iter().map(|p| (p.class, p.probability)).collect();
            prop_assert_eq!(top, expected);
        }
    }

    #[test]
    fn k_is_between_one_and_the_classes() {
        assert_eq!(TopK::new(0, 10), None);
        assert_eq!(TopK::new(11, 10), None);
        assert!(TopK::new(10, 10).is_some());
        assert_eq!(TopK::default_for(3), TopK(3));
    }
}
