//! The network that a file really holds, layer by layer, counted from its graph.
//!
//! Nothing here is taken from the [description](super::description) but the names of the nine
//! modules: a fine-tuned network, one with other numbers, or another network altogether gets its
//! own figures. A test holds the report of BVLC's file against the description.
//!
//! An inception module is found by its structure (see `modules.rs`), whatever its
//! nodes are called. What is not recognised is a layer without a module.

mod layer_rows;
mod modules;
mod receptive_fields;
#[cfg(test)]
mod tests;

use serde::Serialize;
use tract_onnx::pb::ModelProto;

use super::description::INCEPTIONS;
use super::graph::Graph;
use super::shapes::{self, Shapes};
use crate::model::Branch;

/// What a loaded model consists of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelReport {
    /// The layers in data-flow order.
    pub layers: Vec<LayerRow>,
    /// The modules in data-flow order.
    pub modules: Vec<ModuleRow>,
    /// Sums over the layers.
    pub totals: Totals,
}

/// One operator of the graph.
///
/// Shapes are those of one image, `[height, width, channels]` for a map and `[channels]` for a
/// vector; multiply-adds are those of one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LayerRow {
    /// The name in the file, as `inception_3a/3x3_reduce`; no two layers have the same.
    pub name: String,
    /// The ONNX operator, as `Conv`.
    pub operator: String,
    /// The module that the layer belongs to.
    pub module: Option<String>,
    /// The branch, in an inception module.
    pub branch: Option<Branch>,
    /// What it reads; for a concatenation, all of its inputs together.
    pub input: Option<Vec<usize>>,
    /// What it gives.
    pub output: Option<Vec<usize>>,
    /// `[height, width]` of the window, in pixels.
    pub kernel: Option<Vec<usize>>,
    /// `[down, right]` steps of the window, in pixels.
    pub stride: Option<Vec<usize>>,
    /// `[top, left, bottom, right]` pixels that the window may reach over the edge, with what
    /// ceil mode and automatic padding come to.
    pub padding: Option<Vec<usize>>,
    /// Side of the square of the input, in pixels, that one value depends on. It may be larger than the input: then
    /// every value depends on all of it, and on the padding.
    pub receptive_field: Option<usize>,
    /// Numbers that multiply.
    pub weights: Option<u64>,
    /// Numbers that are added.
    pub biases: Option<u64>,
    /// Weights and biases.
    pub parameters: u64,
    /// Products added to a sum.
    pub multiply_adds: u64,
}

/// A step of the network: an inception module, or a layer with the activation behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModuleRow {
    /// `inception_3a` to `inception_5b` where there are nine, otherwise as the file calls it.
    pub name: String,
    /// What it does.
    pub kind: ModuleKind,
    /// What it reads, `[height, width, channels]` or `[channels]`.
    pub input: Option<Vec<usize>>,
    /// What it gives.
    pub output: Option<Vec<usize>>,
    /// Side of the square of the network's input, in pixels, that one value of the output depends on.
    pub receptive_field: Option<usize>,
    /// Weights and biases of its layers.
    pub parameters: u64,
    /// Multiply-adds of its layers, for one image.
    pub multiply_adds: u64,
    /// The six numbers of an inception module.
    pub branches: Option<Branches>,
    /// Parameters that an inception module would have if its 3x3 and 5x5 convolutions read its
    /// input directly, the pool projection kept.
    pub parameters_without_reduction: Option<u64>,
}

/// Channels that the convolutions of an inception module give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Branches {
    /// 1x1 convolution.
    pub o_1: usize,
    /// Reduction before the 3x3 convolution.
    pub r_3: usize,
    /// 3x3 convolution.
    pub o_3: usize,
    /// Reduction before the 5x5 convolution.
    pub r_5: usize,
    /// 5x5 convolution.
    pub o_5: usize,
    /// Projection behind the max pooling.
    pub pool: usize,
}

/// What a module does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// Convolution, with the normalization and activation behind it.
    Convolution,
    /// Max pooling between modules.
    #[serde(rename = "max_pool")]
    MaxPooling,
    /// Local response normalization.
    LocalResponseNormalization,
    /// Inception module.
    Inception,
    /// Average pooling.
    #[serde(rename = "average_pool")]
    AveragePooling,
    /// Dropout, which passes its input on.
    Dropout,
    /// Fully connected layer.
    #[serde(rename = "linear")]
    FullyConnected,
    /// Softmax.
    Softmax,
}

/// Sums over all layers. A tensor of weights that two layers share counts for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Totals {
    /// Layers.
    pub layers: usize,
    /// Layers that have weights: 58 in GoogLeNet.
    pub layers_with_weights: usize,
    /// Weights and biases.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
}

/// Why a graph has no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file holds no graph.
    #[error("the model holds no graph")]
    NoGraph,
    /// tract cannot make sense of the graph.
    #[error("the shapes of the network cannot be worked out: {0}")]
    Shapes(String),
}

impl ModelReport {
    /// Counts what `model` consists of.
    ///
    /// # Errors
    /// [`ReportError`] when there is no graph, or tract cannot analyse it.
    pub fn new(model: &ModelProto) -> Result<Self, ReportError> {
        if model.graph.is_none() {
            return Err(ReportError::NoGraph);
        }
        let (_, shapes) =
            shapes::infer(model).map_err(|error| ReportError::Shapes(format!("{error:#}")))?;
        Self::of(model, &shapes)
    }

    /// The same of a model whose shapes are known.
    ///
    /// # Errors
    /// [`ReportError::NoGraph`].
    pub fn of(model: &ModelProto, shapes: &Shapes) -> Result<Self, ReportError> {
        let graph = Graph::new(model.graph.as_ref().ok_or(ReportError::NoGraph)?);
        let modules = modules::find(&graph);
        let mut layers = layer_rows::rows(&graph, shapes, &modules);
        receptive_fields::add(&graph, &mut layers);
        let modules = modules::rows(&graph, &modules, &layers);
        let layers: Vec<LayerRow> = layers.into_iter().map(|(_, row)| row).collect();
        let totals = Totals {
            layers: layers.len(),
            layers_with_weights: layers.iter().filter(|row| row.weights.is_some()).count(),
            parameters: layers.iter().map(|row| row.parameters).fold(0, u64::saturating_add),
            multiply_adds: layers.iter().map(|row| row.multiply_adds).fold(0, u64::saturating_add),
        };
        Ok(Self { layers, modules, totals })
    }

    /// The inception modules.
    pub fn inceptions(&self) -> impl Iterator<Item = (&ModuleRow, Branches)> {
        self.modules.iter().filter_map(|row| Some((row, row.branches?)))
    }

    /// Whether the network has the nine inception modules of Table 1, with its numbers.
    pub fn is_googlenet(&self) -> bool {
        self.inceptions().map(|(_, six)| six).eq(INCEPTIONS.map(|(_, six)| Branches::from(six)))
    }
}

impl From<super::Inception> for Branches {
    fn from(six: super::Inception) -> Self {
        let super::Inception { o_1, r_3, o_3, r_5, o_5, pool } = six;
        Self { o_1, r_3, o_3, r_5, o_5, pool }
    }
}
