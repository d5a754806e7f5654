//! Which operators a plan is made of.

use serde::Serialize;

/// Operators of one kind in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperatorCount {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(example = "Inception"))]
    pub operator: String,
    /// Who runs it.
    pub path: OperatorPath,
    /// Type of the elements that it reads.
    #[cfg_attr(feature = "openapi", schema(example = "f32"))]
    pub reads: String,
    /// Type of the elements that it writes.
    #[cfg_attr(feature = "openapi", schema(example = "f32"))]
    pub writes: String,
    /// How many of them there are.
    pub count: usize,
}

/// Who runs an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OperatorPath {
    /// The kernels of this service: a rule knows the layer.
    Fast,
    /// tract.
    Tract,
}

impl OperatorPath {
    /// As it is written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Tract => "tract",
        }
    }
}
