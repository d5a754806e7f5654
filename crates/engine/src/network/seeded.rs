//! GoogLeNet with random weights: a network of the right shape and cost that knows nothing.
//!
//! It serves to try the interface without the trained weights, and to test with. The same seed
//! gives the same file, byte for byte, on every platform: the generator is integer arithmetic, and
//! the rest uses only operations that IEEE 754 rounds exactly (no logarithm, no cosine).
//!
//! Plain random weights would answer every photo alike. Behind a ReLU all values are positive,
//! and what they have in common grows from layer to layer until it drowns what differs between two
//! images. So each filter's weights are shifted to sum to zero, which makes it blind to what its
//! inputs have in common, and the scale makes up for what that takes away: this is scaled weight
//! standardization (Brock et al., 2021, arXiv:2101.08692) at initialization, in place of the
//! plain He initialization.

use tract_onnx::pb::ModelProto;

use super::description::GoogLeNet;
use super::onnx::{self, Parameters};
use super::single_layers::{Layer, Operation};

/// GoogLeNet with weights drawn from `seed`, marked as untrained (see [`onnx::is_trained`]).
///
/// Networks that differ only in their classes have the same weights up to the last layer.
pub fn seeded_model(network: &GoogLeNet, seed: u64) -> ModelProto {
    let mut random = SplitMix64(seed);
    onnx::model(network, false, |layer| Parameters {
        weights: weights(layer, &mut random),
        biases: biases(layer, &mut random),
    })
}

/// Deviation of a ReLU's output is that of its input divided by this, for a normal input of mean
/// zero: `1 / sqrt((1 - 1/π) / 2)`.
const RELU_GAIN: f32 = 1.712_9;
/// The image comes in bytes less their mean; this brings their deviation to about 1.
const PIXEL_GAIN: f32 = 1.0 / 64.0;
/// Stretches the logits: the average pooling leaves little of what differs between two images.
const LOGITS_GAIN: f32 = 8.0;

/// Largest bias; small beside the deviation of about 1 of what it is added to.
const BIAS_BOUND: f32 = 0.0625;

/// Biases of one layer. They are not zero, so that an image of one colour has an answer too.
fn biases(layer: &Layer, random: &mut SplitMix64) -> Vec<f32> {
    (0..layer.output.channels).map(|_| BIAS_BOUND * random.symmetric()).collect()
}

/// Weights of one layer, filter by filter.
fn weights(layer: &Layer, random: &mut SplitMix64) -> Vec<f32> {
    let fan_in = match layer.operation {
        Operation::Convolution(window) => layer.input.channels * window.kernel * window.kernel,
        _ => layer.input.channels,
    };
    let gain = match layer.operation {
        Operation::Convolution(_) if layer.reads.is_empty() => PIXEL_GAIN,
        Operation::Convolution(_) => RELU_GAIN,
        _ => LOGITS_GAIN,
    };
    // A uniform distribution over -bound..bound deviates by bound / sqrt(3).
    let bound = gain * (3.0 / fan_in as f32).sqrt();
    let mut weights: Vec<f32> = Vec::with_capacity(fan_in * layer.output.channels);
    for _filter in 0..layer.output.channels {
        let start = weights.len();
        weights.extend((0..fan_in).map(|_| random.symmetric()));
        let filter = &mut weights[start..];
        let mean = filter.iter().sum::<f32>() / fan_in as f32;
        filter.iter_mut().for_each(|weight| *weight = (*weight - mean) * bound);
    }
    weights
}

/// The generator of Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*
/// (OOPSLA 2014): equidistributed, and five lines that need no crate.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1, on a grid of 2^-23, which f32 holds exactly.
    fn symmetric(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use sha2::{Digest, Sha256};
    use tract_onnx::prelude::*;

    const SIDE: usize = 32;
    const CLASSES: usize = 10;

    fn small(seed: u64) -> ModelProto {
        seeded_model(&GoogLeNet::new(SIDE, CLASSES).unwrap(), seed)
    }

    /// Runs `images`, `[n, 3, SIDE, SIDE]` one after the other, in one batch.
    fn run(model: &ModelProto, images: &[f32]) -> Vec<f32> {
        let plan = tract_onnx::onnx().model_for_proto_model(model).unwrap();
        let plan = plan.into_optimized().unwrap().into_runnable().unwrap();
        let batch = images.len() / (3 * SIDE * SIDE);
        let input = Tensor::from_shape(&[batch, 3, SIDE, SIDE], images).unwrap();
        let output = plan.run(tvec!(input.into())).unwrap().remove(0);
        assert_eq!(output.shape(), [batch, CLASSES]);
        output.to_plain_array_view::<f32>().unwrap().iter().copied().collect()
    }

    /// Noise in the range of bytes less their mean.
    fn images(count: usize) -> Vec<f32> {
        let mut random = SplitMix64(7);
        (0..count * 3 * SIDE * SIDE).map(|_| 120.0 * random.symmetric()).collect()
    }

    #[test]
    fn answers_are_probabilities_that_depend_on_the_image_alone() {
        let (model, images) = (small(1), images(3));
        let together = run(&model, &images);
        for (image, answer) in images.chunks(3 * SIDE * SIDE).zip(together.chunks(CLASSES)) {
            let alone = run(&model, image);
            for (a, b) in alone.iter().zip(answer) {
                assert!((a - b).abs() < 1e-6, "alone {alone:?}, in a batch {answer:?}");
            }
            assert!((answer.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{answer:?}");
            let best = answer.iter().copied().fold(0.0, f32::max);
            assert!((0.12..0.99).contains(&best), "neither uniform nor certain: {answer:?}");
        }
        let (first, second) = together.split_at(CLASSES);
        let apart: f32 = first.iter().zip(second).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart > 0.05, "two images get the same answer: {together:?}");
    }

    /// The mean colour normalises to zeros, which the biases alone tell apart.
    #[test]
    fn an_image_of_one_colour_has_an_answer() {
        let answer = run(&small(1), &[0.0; 3 * SIDE * SIDE]);
        let best = answer.iter().copied().fold(0.0, f32::max);
        assert!(best > 0.12, "{answer:?}");
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_others() {
        assert_eq!(small(1).encode_to_vec(), small(1).encode_to_vec());
        assert_ne!(small(1).encode_to_vec(), small(2).encode_to_vec());
    }

    /// Pinned, so that the weights stay those of the same seed on any platform and in any version.
    #[test]
    fn weights_of_seed_1_are_pinned() {
        let mut digest = Sha256::new();
        for tensor in &small(1).graph.unwrap().initializer {
            digest.update(&tensor.raw_data);
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "7b5d398ab1fcb6c810cbc4c3743c28310cb5cd4a8b073d0361b8b3823489c160");
    }

    #[test]
    fn classes_change_the_last_layer_alone() {
        let other = seeded_model(&GoogLeNet::new(SIDE, 3).unwrap(), 1);
        let (ten, three) = (small(1).graph.unwrap(), other.graph.unwrap());
        let differ: Vec<&str> = (ten.initializer.iter().zip(&three.initializer))
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.name.as_str())
            .collect();
        assert_eq!(differ, ["loss3/classifier_w_0", "loss3/classifier_b_0"]);
    }

    #[test]
    fn says_that_it_is_untrained() {
        let mut model = small(1);
        assert!(!onnx::is_trained(&model));
        model.metadata_props.clear();
        assert!(onnx::is_trained(&model), "a file that says nothing is taken as trained");
    }

    /// First values of the reference implementation (S. Vigna, splitmix64.c) from seed 1234567.
    #[test]
    fn generator_is_splitmix64() {
        let mut random = SplitMix64(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected, std::array::from_fn(|_| random.next()));
    }
}
