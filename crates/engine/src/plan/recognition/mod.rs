//! What the rules find in tract's typed model: GoogLeNet's layers, with their weights.
//!
//! | file | what it is |
//! |---|---|
//! | `rules` | one function for each kind of layer: from a node of the graph to a [`Layer`] |
//! | `affine` | a product or sum with a constant |
//! | `constants` | weights and biases that the graph computes from constants |
//! | `input_scaling` | what a graph does with the colours before its first layer |
//! | `found` | all layers of a graph, walked from its output to its input |

mod affine;
mod constants;
mod found;
mod input_scaling;
mod rules;

use tract_onnx::prelude::OutletId;

use super::load::LoadError;
use googlenet_kernels::conv::ConvGeometry;
use googlenet_kernels::lrn::LrnParameters;
use googlenet_kernels::max_pool::PoolGeometry;

pub(super) use found::{FoundLayer, Layers};
pub(super) use input_scaling::InputScaling;

use constants::Weights;

/// Height, width and channels of a feature map of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapSize {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// One layer of the network, as the paper draws it.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    /// `factor * x + term` for each channel of the network's input.
    InputScaling(InputScaling),
    /// A convolution with its bias, and its ReLU where it has one.
    Convolution(Convolution),
    /// An inception module.
    Inception(Box<Inception>),
    /// The largest value of each window; windows are clipped at the map's edge.
    MaxPooling(PoolGeometry),
    /// Local response normalization across channels.
    LocalResponseNormalization(LrnParameters),
    /// The mean of each channel over the whole map.
    AveragePooling,
    /// A convolution of 1x1 on a map of 1x1: the fully connected layer.
    FullyConnected(Convolution),
}

/// Weights of one convolution.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub(super) geometry: ConvGeometry,
    /// Layout OIHW, in the order of the graph's channels.
    pub(super) weights: Weights,
    /// One for each output channel.
    pub(super) bias: Vec<f32>,
    pub(super) relu: bool,
    /// The tensor that it writes.
    pub(super) output: OutletId,
}

impl Convolution {
    pub(super) fn output_channels(&self) -> usize {
        self.bias.len()
    }
}

/// The six convolutions of an inception module, each with a ReLU (paper, section 4, figure 2b).
#[derive(Clone, Debug)]
pub(super) struct Inception {
    /// Branch 1: 1x1.
    pub(super) o_1: Convolution,
    /// Branch 2: the reduction before the 3x3 convolution.
    pub(super) r_3: Convolution,
    /// Branch 2: 3x3.
    pub(super) o_3: Convolution,
    /// Branch 3: the reduction before the 5x5 convolution.
    pub(super) r_5: Convolution,
    /// Branch 3: 5x5.
    pub(super) o_5: Convolution,
    /// Branch 4: the pool before the projection.
    pub(super) window: PoolGeometry,
    /// Branch 4: the 1x1 projection of the pool.
    pub(super) pool: Convolution,
}

impl Inception {
    /// All six, in the order of the paper's code.
    pub(super) fn convolutions(&self) -> [&Convolution; 6] {
        [&self.o_1, &self.r_3, &self.o_3, &self.r_5, &self.o_5, &self.pool]
    }
}
