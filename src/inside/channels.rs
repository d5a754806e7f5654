//! What the channels of a map are like for one photo.

use std::cmp::Ordering;

use googlenet_engine::model::Activations;

/// What a map is like.
#[derive(Clone, Debug, PartialEq)]
pub struct MapFacts {
    /// Share of the values that are 0, in 0..=1.
    pub zeros: f32,
    /// Channels that are 0 everywhere: for this photo, which does not say that they always are.
    pub silent: usize,
    /// By their index.
    pub channels: Vec<ChannelFacts>,
}

/// What a channel is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelFacts {
    /// Its index.
    pub channel: usize,
    /// Mean over the map.
    pub mean: f32,
    /// Largest value.
    pub max: f32,
}

/// Which channels come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Those of the smallest index.
    Index,
    /// Those of the largest mean.
    #[default]
    Mean,
    /// Those of the largest value.
    Max,
}

impl Sort {
    /// All.
    pub const ALL: [Self; 3] = [Self::Index, Self::Mean, Self::Max];

    /// As requests name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Mean => "mean",
            Self::Max => "max",
        }
    }
}

impl MapFacts {
    /// What `map` is like.
    pub fn of(map: &Activations) -> Self {
        let mut sums = vec![0.0_f32; map.channels];
        let mut largest = vec![0.0_f32; map.channels];
        let mut zeros = 0;
        for pixel in map.pixels() {
            for ((sum, largest), &value) in sums.iter_mut().zip(&mut largest).zip(pixel) {
                *sum += value;
                *largest = largest.max(value);
                zeros += usize::from(value == 0.0);
            }
        }
        let pixels = map.pixels().len().max(1) as f32;
        let channels = sums.into_iter().zip(largest).enumerate();
        let channels: Vec<ChannelFacts> = channels
            .map(|(channel, (sum, max))| ChannelFacts { channel, mean: sum / pixels, max })
            .collect();
        Self {
            zeros: zeros as f32 / map.values.len().max(1) as f32,
            // A module ends in a ReLU: nothing is negative.
            silent: channels.iter().filter(|channel| channel.max == 0.0).count(),
            channels,
        }
    }

    /// The first `count` channels; equal ones by their index.
    pub fn first(&self, sort: Sort, count: usize) -> Vec<ChannelFacts> {
        let by = |a: f32, b: f32| -> Ordering { b.total_cmp(&a) };
        let mut sorted = self.channels.clone();
        match sort {
            Sort::Index => {}
            Sort::Mean => sorted.sort_by(|a, b| by(a.mean, b.mean)),
            Sort::Max => sorted.sort_by(|a, b| by(a.max, b.max)),
        }
        sorted.truncate(count);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_channels_and_the_order() {
        // Channels: 0 is silent, 1 has the largest mean, 2 the largest value, 3 is as 1.
        let values = vec![0.0, 2.0, 5.0, 2.0, /**/ 0.0, 4.0, 0.0, 4.0];
        let map = Activations { height: 1, width: 2, channels: 4, values: values.into() };
        let facts = MapFacts::of(&map);
        assert_eq!((facts.zeros, facts.silent), (3.0 / 8.0, 1));
        let order = |sort, count| -> Vec<usize> {
            facts.first(sort, count).iter().map(|channel| channel.channel).collect()
        };
        assert_eq!(order(Sort::Index, 9), [0, 1, 2, 3]);
        assert_eq!(order(Sort::Mean, 3), [1, 3, 2]);
        assert_eq!(order(Sort::Max, 2), [2, 1]);
        assert_eq!(facts.channels[1], ChannelFacts { channel: 1, mean: 3.0, max: 4.0 });
    }
}
