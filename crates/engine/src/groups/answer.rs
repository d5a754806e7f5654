//! What the probabilities of classes say of groups.

use super::{ClassSet, Group, Groups};
use crate::model::Probabilities;

/// The probability from which on an answer is sure, in 0.5..=0.999.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SureAt(f32);

impl SureAt {
    /// What a request gets that does not ask.
    pub const DEFAULT: Self = Self(0.9);

    /// `None` outside 0.5..=0.999. In double precision, in which what is just outside stays outside.
    pub fn new(probability: f64) -> Option<Self> {
        (0.5..=0.999).contains(&probability).then_some(Self(probability as f32))
    }
}

/// A group with its probability, in 0..=1.
#[derive(Clone, Copy, Debug)]
pub struct GroupProbability<'a> {
    /// The group.
    pub group: &'a Group,
    /// The sum over its classes.
    pub probability: f32,
}

/// The narrowest thing that the network is sure of.
#[derive(Clone, Copy, Debug)]
pub enum Sure<'a> {
    /// A class.
    Class {
        /// Index in the network's output.
        class: usize,
        /// Its probability.
        probability: f32,
    },
    /// A group that is shown.
    Group(GroupProbability<'a>),
}

impl Group {
    /// The sum over its classes. They are added in one order, so that no group has less than one that lies in it.
    pub fn probability(&self, probabilities: &Probabilities) -> f32 {
        let values = probabilities.as_slice();
        sum(self.classes.iter().filter_map(|&class| values.get(class)))
    }
}

/// Zero of nothing: `Iterator::sum` would begin with -0.
fn sum<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    values.fold(0.0, |sum, &value| sum + f64::from(value)).min(1.0) as f32
}

impl Groups {
    /// The shown groups, the most probable first; of equals, the one with fewer classes. With `within`, those all of
    /// whose classes are in it.
    pub fn shown(
        &self,
        probabilities: &Probabilities,
        within: Option<&ClassSet>,
    ) -> Vec<GroupProbability<'_>> {
        let lies_within = |group: &Group| {
            within.is_none_or(|set| group.classes.iter().all(|&class| set.contains(class)))
        };
        let shown = self.as_slice().iter().filter(|group| group.is_shown && lies_within(group));
        let mut shown: Vec<_> = shown
            .map(|group| GroupProbability { group, probability: group.probability(probabilities) })
            .collect();
        // Stable: of those that are equal in both, the upper one comes first.
        shown.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.size().cmp(&b.size())));
        shown
    }

    /// The class or shown group with the fewest classes whose probability is at least `at`; of equals, the most
    /// probable.
    /// With `within`, only classes in it, and groups all of whose classes are in it.
    pub fn sure(
        &self,
        probabilities: &Probabilities,
        SureAt(at): SureAt,
        within: Option<&ClassSet>,
    ) -> Option<Sure<'_>> {
        let classes = probabilities.as_slice().iter().copied().enumerate();
        let best = classes
            .filter(|(class, probability)| {
                *probability >= at && within.is_none_or(|set| set.contains(*class))
            })
            // The last of equals would be taken.
            .rev()
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((class, probability)) = best {
            return Some(Sure::Class { class, probability });
        }
        let shown = self.shown(probabilities, within);
        let sure = shown.into_iter().filter(|group| group.probability >= at);
        sure.min_by_key(GroupProbability::size).map(Sure::Group)
    }
}

impl GroupProbability<'_> {
    fn size(&self) -> usize {
        self.group.classes.len()
    }
}

impl ClassSet {
    /// The probability of all other classes.
    pub fn elsewhere(&self, probabilities: &Probabilities) -> f32 {
        let classes = probabilities.as_slice().iter().enumerate();
        sum(classes.filter(|(class, _)| !self.contains(*class)).map(|(_, value)| value))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::groups::{GroupTree, WithinError};

    fn imagenet() -> Groups {
        let labels = include_str!("../../../../models/synset_words.txt");
        Groups::new(GroupTree::wordnet(), labels.lines().map(|line| &line[..9])).unwrap()
    }

    fn group<'a>(groups: &'a Groups, label: &str) -> &'a Group {
        groups.as_slice().iter().find(|group| group.is_shown && group.label == label).unwrap()
    }

    /// `values`, and the rest on the first class.
    fn with(values: &[(usize, f32)]) -> Probabilities {
        let mut all = vec![0.0; 1000];
        values.iter().for_each(|&(class, value)| all[class] = value);
        all[0] += 1.0 - values.iter().map(|(_, value)| value).sum::<f32>();
        Probabilities::new(all).unwrap()
    }

    #[test]
    fn imagenet_has_its_groups() {
        let groups = imagenet();
        assert_eq!((groups.classes(), groups.as_slice().len()), (1000, 860));
        for (label, classes) in
            [("animal", 398), ("dog", 118), ("bird", 59), ("snake", 17), ("vehicle", 67)]
        {
            assert_eq!(group(&groups, label).classes.len(), classes, "{label}");
        }
        let root = &groups.as_slice()[0];
        assert_eq!((root.label.as_str(), root.classes.len()), ("entity", 1000));
        // The Egyptian cat.
        let above: Vec<&str> = groups.above(285).map(|group| group.label.as_str()).collect();
        assert_eq!(above, ["domestic cat"]);
        assert!((0..1000).all(|class| groups.above(class).count() > 0));
        assert!(groups.as_slice().iter().all(|group| !group.is_shown || group.classes.len() > 1));
    }

    #[test]
    fn the_narrowest_is_sure() {
        let groups = imagenet();
        let at = |at| SureAt::new(at).unwrap();
        // Ringneck snake, night snake and hammer.
        let snake = with(&[(53, 0.5), (60, 0.45), (587, 0.05)]);
        let Some(Sure::Group(sure)) = groups.sure(&snake, SureAt::DEFAULT, None) else { panic!() };
        assert_eq!(sure.group.label, "snake");
        assert!((sure.probability - 0.95).abs() < 1e-6);
        assert!(matches!(groups.sure(&snake, at(0.5), None), Some(Sure::Class { class: 53, .. })));
        assert!(groups.sure(&snake, at(0.96), None).is_none());
        let within = groups.within("dog, n03481172").unwrap();
        assert!(groups.sure(&snake, at(0.5), Some(&within)).is_none());
        assert!((within.elsewhere(&snake) - 0.95).abs() < 1e-6);
        let all = groups.within("n00001740").unwrap();
        assert!(all.elsewhere(&snake).is_sign_positive());
        let tie = with(&[(151, 0.5), (150, 0.5)]);
        assert!(matches!(groups.sure(&tie, at(0.5), None), Some(Sure::Class { class: 150, .. })));
        for outside in [0.49, 0.9991, f64::NAN, -1.0] {
            assert_eq!(SureAt::new(outside), None);
        }
    }

    #[test]
    fn within_takes_ids_and_shown_names() {
        let groups = imagenet();
        let classes = |names: &str| {
            groups.within(names).map(|set| (0..1000).filter(|&class| set.contains(class)).count())
        };
        assert_eq!(classes("dog"), Ok(118));
        assert_eq!(classes("dog,n02121808 , n02124075"), Ok(118 + 5));
        assert_eq!(classes("n00001740"), Ok(1000), "an id of a group that is not shown");
        for unknown in ["entity", "Dog", "tench", "n00000000", ""] {
            let names = format!("dog,{unknown}");
            assert_eq!(classes(&names), Err(WithinError::Unknown(unknown.into())));
        }
        assert_eq!(classes(" "), Err(WithinError::Count));
        assert_eq!(classes(&["dog"; 100].join(",")), Ok(118));
        assert_eq!(classes(&["dog"; 101].join(",")), Err(WithinError::Count));
    }

    #[test]
    fn classes_without_ids_have_no_groups() {
        let ids = ["", "n99999999", "n02085620", "n02084071"];
        let groups = Groups::new(GroupTree::wordnet(), ids.into_iter()).unwrap();
        let above =
            |class| groups.above(class).map(|group| group.label.as_str()).collect::<Vec<_>>();
        assert!(above(0).is_empty() && above(1).is_empty());
        assert_eq!((above(2), above(3)), (vec!["toy dog"], vec!["dog"]));
        assert_eq!(group(&groups, "dog").classes, [2, 3], "a class may be a group of the tree");
        assert!(groups.as_slice().iter().all(|group| !group.classes.is_empty()));
        assert!(groups.within("n99999999").unwrap().contains(1));
        assert!(groups.within("bird").is_err());
        let none = Groups::new(GroupTree::wordnet(), ["", ""].into_iter()).unwrap();
        let answer = Probabilities::new(vec![0.2, 0.8]).unwrap();
        assert!(none.shown(&answer, None).is_empty());
        assert!(none.sure(&answer, SureAt::DEFAULT, None).is_none());
    }

    #[test]
    fn there_is_a_bound() {
        let mut tree = String::from("n00000000 - - a\n");
        (1..1100).for_each(|id| writeln!(tree, "n{id:08} n{:08} - a", id - 1).unwrap());
        let tree = GroupTree::parse(&tree).unwrap();
        assert!(Groups::new(&tree, std::iter::repeat_n("n00001099", 900)).is_ok());
        assert!(Groups::new(&tree, std::iter::repeat_n("n00001099", 1000)).is_err());
    }

    /// Parents of each group among the groups before it, parents of each class, and the weights of the classes.
    type Family = (Vec<Vec<usize>>, Vec<Vec<usize>>, Vec<u16>);

    fn family() -> impl Strategy<Value = Family> {
        (1usize..12, 1usize..20).prop_flat_map(|(groups, classes)| {
            let above = |most: usize| prop::collection::vec(0..most.max(1), 0..3.min(most + 1));
            (
                (0..groups).map(above).collect::<Vec<_>>(),
                prop::collection::vec(above(groups), classes),
                prop::collection::vec(0u16..100, classes),
            )
        })
    }

    fn id(place: usize) -> String {
        format!("n{place:08}")
    }

    /// Ids of groups are their places, those of classes their indices behind 100.
    fn groups_of((groups, classes, _): &Family) -> Groups {
        let parents = |places: &[usize]| match places {
            [] => "-".to_owned(),
            places => places.iter().copied().map(id).collect::<Vec<_>>().join(","),
        };
        let mut text = String::new();
        for (place, above) in groups.iter().enumerate() {
            writeln!(text, "{} {} * group {place}", id(place), parents(above)).unwrap();
        }
        let ids: Vec<String> = (0..classes.len()).map(|class| id(100 + class)).collect();
        for (id, above) in ids.iter().zip(classes) {
            writeln!(text, "{id} {}", parents(above)).unwrap();
        }
        Groups::new(&GroupTree::parse(&text).unwrap(), ids.iter().map(String::as_str)).unwrap()
    }

    /// Whether a group is at or above one of `places`, by trying every way.
    fn leads_to(places: &[usize], group: usize, groups: &[Vec<usize>]) -> bool {
        places.iter().any(|&place| place == group || leads_to(&groups[place], group, groups))
    }

    fn answer(weights: &[u16]) -> Probabilities {
        let total = weights.iter().map(|weight| f32::from(*weight)).sum::<f32>().max(1.0);
        let values = weights.iter().map(|weight| f32::from(*weight) / total);
        Probabilities::new(values.collect::<Vec<_>>()).unwrap()
    }

    proptest! {
        #[test]
        fn a_group_is_the_sum_over_the_set_of_its_classes(family in family()) {
            let bound = groups_of(&family);
            let (groups, classes, weights) = &family;
            let answer = answer(weights);
            let sum = |is_in: &dyn Fn(usize) -> bool| -> f64 {
                let values = answer.as_slice().iter().enumerate();
                values.filter(|(class, _)| is_in(*class)).map(|(_, &value)| f64::from(value)).sum()
            };
            let is_under = |class: usize, group| leads_to(&classes[class], group, groups);
            let has_a_class = |group: &usize| (0..classes.len()).any(|class| is_under(class, *group));
            let expected: Vec<String> = (0..groups.len()).filter(has_a_class).map(id).collect();
            let found: Vec<&str> = bound.as_slice().iter().map(|group| group.id.as_str()).collect();
            prop_assert_eq!(found, expected);
            for group in bound.as_slice() {
                let place = group.id[1..].parse().unwrap();
                let expected = sum(&|class| is_under(class, place));
                let probability = group.probability(&answer);
                prop_assert!((f64::from(probability) - expected).abs() < 1e-6);
                for parent in &group.parents {
                    prop_assert!(bound.as_slice()[*parent].probability(&answer) >= probability);
                }
                let set = bound.within(&group.id).unwrap();
                let outside = f64::from(set.elsewhere(&answer));
                prop_assert!((outside + expected - sum(&|_| true)).abs() < 1e-6);
                let shown = bound.shown(&answer, Some(&set));
                prop_assert!(shown.iter().any(|shown| shown.group.id == group.id));
                prop_assert!(shown.iter().all(|shown| shown.probability <= probability));
            }
        }

        #[test]
        fn the_root_is_all_and_nothing_narrower_is_sure(
            chosen in prop::collection::vec((0usize..1000, 1u16..1000), 1..6),
            at in 0.5f64..0.999,
        ) {
            let groups = imagenet();
            let mut weights = vec![0; 1000];
            chosen.iter().for_each(|(class, weight)| weights[*class] = *weight);
            let answer = answer(&weights);
            prop_assert!((groups.as_slice()[0].probability(&answer) - 1.0).abs() < 1e-6);
            let shown = groups.shown(&answer, None);
            prop_assert!(shown.is_sorted_by(|a, b| a.probability >= b.probability));
            let at = SureAt::new(at).unwrap();
            let enough = shown.iter().filter(|group| group.probability >= at.0);
            let fewest = enough.map(GroupProbability::size).min();
            let best = answer.as_slice().iter().copied().fold(0.0, f32::max);
            match groups.sure(&answer, at, None) {
                Some(Sure::Class { class, probability }) => {
                    prop_assert!(probability >= at.0 && probability == best);
                    prop_assert_eq!(answer.as_slice()[class], best);
                }
                Some(Sure::Group(sure)) => {
                    prop_assert!(best < at.0 && sure.probability >= at.0);
                    prop_assert_eq!(Some(sure.size()), fewest);
                }
                None => prop_assert!(best < at.0 && fewest.is_none()),
            }
        }
    }
}
