//! What the loaded model is, for the answers and the model endpoints.

use std::path::PathBuf;

use serde::Serialize;

use crate::groups::{ClassSet, GroupProbability, Groups, Sure, SureAt};
use crate::model::{InstructionSets, OutputKind, Preprocessing, Probabilities};
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
    /// What the plan's kernels run on.
    pub instruction_sets: InstructionSets,
    /// From a photo to the input.
    pub preprocessing: Preprocessing,
    /// Names of the classes, by index.
    pub labels: Labels,
    /// What they have in common.
    pub groups: Groups,
    /// Layers, modules and totals of the graph.
    pub report: ModelReport,
}

impl ModelInfo {
    /// Classes of the output.
    pub fn classes(&self) -> usize {
        self.labels.classes()
    }

    /// What these probabilities are sure of, see [`Groups::sure`].
    pub fn sure(
        &self,
        probabilities: &Probabilities,
        at: SureAt,
        within: Option<&ClassSet>,
    ) -> SureAnswer<'_> {
        match self.groups.sure(probabilities, at, within) {
            Some(Sure::Class { class, probability }) => {
                let label = self.labels.get(class);
                SureAnswer {
                    id: label.map(|label| label.id.as_str()),
                    label: label.map(|label| label.name()),
                    probability: Some(probability),
                    level: SureLevel::Class,
                }
            }
            Some(Sure::Group(GroupProbability { group, probability })) => SureAnswer {
                id: Some(&group.id),
                label: Some(&group.label),
                probability: Some(probability),
                level: SureLevel::Group,
            },
            None => SureAnswer { id: None, label: None, probability: None, level: SureLevel::None },
        }
    }
}

/// What the network is sure of.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SureAnswer<'a> {
    /// WordNet id; null if it is sure of nothing.
    #[cfg_attr(feature = "openapi", schema(required = true, example = "n02084071"))]
    pub id: Option<&'a str>,
    /// What it is called; null if it is sure of nothing.
    #[cfg_attr(feature = "openapi", schema(required = true, example = "dog"))]
    pub label: Option<&'a str>,
    /// Null if it is sure of nothing.
    #[cfg_attr(feature = "openapi", schema(required = true, example = 0.991))]
    pub probability: Option<f32>,
    /// What it is.
    pub level: SureLevel,
}

/// What a network is sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SureLevel {
    /// A class.
    Class,
    /// A group of classes.
    Group,
    /// Nothing: neither a class nor a group is probable enough.
    None,
}
