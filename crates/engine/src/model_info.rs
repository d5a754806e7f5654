//! What the loaded model is, for the answers and the model endpoints.

use std::path::PathBuf;

use serde::Serialize;

use crate::model::{OutputKind, Preprocessing};
use crate::network::report::ModelReport;
use crate::weights::Labels;

/// What every answer says of the model.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ModelName))]
pub struct ModelIdentity {
    /// The file's name without its ending.
    #[cfg_attr(feature = "openapi", schema(example = "googlenet"))]
    pub name: String,
    /// The first 12 hexadecimal digits of the weights' SHA-256.
    #[cfg_attr(feature = "openapi", schema(example = "d3b58e6ed6d5"))]
    pub version: String,
    /// Number format of the arithmetic.
    #[cfg_attr(feature = "openapi", schema(example = "f32"))]
    pub precision: String,
    /// Only there, as `false`, when the weights are seeded random numbers.
    #[serde(skip_serializing_if = "is_true")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub trained: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_true(value: &bool) -> bool {
    *value
}

/// Everything that is known of the loaded model.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Name, version, precision.
    pub identity: ModelIdentity,
    /// The ONNX file; none where the weights are seeded.
    pub path: Option<PathBuf>,
    /// Names of the graph's input and output.
    pub input_name: String,
    /// See `input_name`.
    pub output_name: String,
    /// What the output of the file's graph is; the plan makes probabilities of it.
    pub output_kind: OutputKind,
    /// From a photo to the input.
    pub preprocessing: Preprocessing,
    /// Names of the classes, by index.
    pub labels: Labels,
    /// Layers, modules and totals of the graph.
    pub report: ModelReport,
}

impl ModelInfo {
    /// Classes of the output.
    pub fn classes(&self) -> usize {
        self.labels.classes()
    }
}
