//! What the network costs: parameters, which a file holds, and multiply-adds, which an image takes.
//!
//! Counted are convolutions and the fully connected layer, as the paper does; pools,
//! normalizations and ReLU have no parameters and next to no arithmetic. A multiply-add is one
//! product added to a sum. Taps that fall on the padding count, because engines compute
//! them: each output value of a convolution takes `kernel * kernel * input channels`. Adding the
//! bias is free: the sum starts with it.

use std::{iter::Sum, ops::Add};

use super::description::{GoogLeNet, Inception};
use super::single_layers::{FeatureMap, Layer, Operation};

/// Cost of a layer, a module or a network, for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Numbers that multiply.
    pub weights: u64,
    /// Numbers that are added, one an output channel.
    pub biases: u64,
    /// Products added to a sum.
    pub multiply_adds: u64,
}

impl Cost {
    /// Weights and biases.
    pub const fn parameters(self) -> u64 {
        self.weights + self.biases
    }

    /// A convolution `kernel` x `kernel` from `inputs` channels to the map `output`; with a kernel
    /// and a side of 1 it is a fully connected layer.
    fn convolution(kernel: usize, inputs: usize, output: FeatureMap) -> Self {
        let weights = (kernel * kernel * inputs * output.channels) as u64;
        let pixels = (output.side * output.side) as u64;
        Self { weights, biases: output.channels as u64, multiply_adds: weights * pixels }
    }
}

impl Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            biases: self.biases + other.biases,
            multiply_adds: self.multiply_adds + other.multiply_adds,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

impl Layer {
    /// Cost of this layer.
    pub fn cost(&self) -> Cost {
        match self.operation {
            Operation::Convolution(window) => {
                Cost::convolution(window.kernel, self.input.channels, self.output)
            }
            Operation::FullyConnected => Cost::convolution(1, self.input.channels, self.output),
            _ => Cost::default(),
        }
    }
}

impl Inception {
    /// Cost of the module on a map `input`.
    ///
    /// ```
    /// use googlenet_engine::network::{FeatureMap, inception};
    /// let inception_3a = inception(64, 96, 128, 16, 32, 32);
    /// let cost = inception_3a.cost(FeatureMap { side: 28, channels: 192 });
    /// assert_eq!(cost.parameters(), 163_696);
    /// ```
    pub fn cost(self, input: FeatureMap) -> Cost {
        self.layers(input).iter().map(Layer::cost).sum()
    }

    /// Cost of the module on a map `input` if its 3x3 and 5x5 convolutions read that map
    /// directly, the pool projection kept: section 2's "naïve version" but for the projection.
    ///
    /// ```
    /// use googlenet_engine::network::{FeatureMap, inception};
    /// let inception_3a = inception(64, 96, 128, 16, 32, 32);
    /// let cost = inception_3a.cost_without_reductions(FeatureMap { side: 28, channels: 192 });
    /// assert_eq!(cost.parameters(), 393_472);
    /// ```
    pub fn cost_without_reductions(self, input: FeatureMap) -> Cost {
        [(1, self.o_1), (3, self.o_3), (5, self.o_5), (1, self.pool)]
            .into_iter()
            .map(|(kernel, channels)| {
                Cost::convolution(kernel, input.channels, FeatureMap { channels, ..input })
            })
            .sum()
    }
}

impl GoogLeNet {
    /// Cost of the whole network.
    pub fn cost(&self) -> Cost {
        self.layers().iter().map(Layer::cost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::inception;
    use proptest::prelude::*;

    #[test]
    fn the_network_of_the_paper() {
        let network = GoogLeNet::default();
        let with_weights = network.layers().iter().filter(|l| l.cost().weights > 0).count();
        assert_eq!(with_weights, 58);
        assert_eq!(network.cost().parameters(), 6_998_552);
        assert_eq!(network.cost().multiply_adds, 1_582_671_872);
    }

    #[test]
    fn parameters_depend_on_the_classes_and_not_on_the_side() {
        let small = GoogLeNet::new(64, 10).unwrap().cost();
        assert_eq!(small.parameters(), 6_998_552 - 990 * 1025);
        assert!(small.multiply_adds < 1_582_671_872 / 10);
    }

    /// Counts by walking over every product of a convolution, one at a time.
    fn walk(kernel: usize, inputs: usize, output: FeatureMap, count: &mut (u64, u64)) {
        let mut first_pixel = true;
        for _pixel in 0..output.side * output.side {
            for _output in 0..output.channels {
                count.0 += u64::from(first_pixel);
                for _tap in 0..kernel * kernel * inputs {
                    count.0 += u64::from(first_pixel);
                    count.1 += 1;
                }
            }
            first_pixel = false;
        }
    }

    proptest! {
        #[test]
        fn an_inception_module_costs_what_its_loops_run(
            (o_1, r_3, o_3) in (1usize..12, 1usize..12, 1usize..12),
            (r_5, o_5, pool) in (1usize..12, 1usize..12, 1usize..12),
            (side, channels) in (1usize..6, 1usize..12),
        ) {
            let six = inception(o_1, r_3, o_3, r_5, o_5, pool);
            let input = FeatureMap { side, channels };
            let map = |channels| FeatureMap { side, channels };

            let mut reduced = (0, 0);
            walk(1, channels, map(o_1), &mut reduced);
            walk(1, channels, map(r_3), &mut reduced);
            walk(3, r_3, map(o_3), &mut reduced);
            walk(1, channels, map(r_5), &mut reduced);
            walk(5, r_5, map(o_5), &mut reduced);
            walk(1, channels, map(pool), &mut reduced);
            let cost = six.cost(input);
            prop_assert_eq!((cost.parameters(), cost.multiply_adds), reduced);

            let mut direct = (0, 0);
            walk(1, channels, map(o_1), &mut direct);
            walk(3, channels, map(o_3), &mut direct);
            walk(5, channels, map(o_5), &mut direct);
            walk(1, channels, map(pool), &mut direct);
            let cost = six.cost_without_reductions(input);
            prop_assert_eq!((cost.parameters(), cost.multiply_adds), direct);
        }
    }
}
