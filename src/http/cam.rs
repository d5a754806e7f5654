//! The evidence for a class, as answers write it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::evidence::Evidence;

/// Where the network found evidence for a class: the sum of the grid, bias and residual is the logit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cam {
    /// What the softmax makes the probability of, or the difference of two such values.
    #[schema(example = 18.42)]
    pub logit: f32,
    /// The part of it that no image changes.
    #[schema(example = -0.11)]
    pub bias: f32,
    /// What rounding leaves over. In int8 it is larger: there the network rounds what the squares are summed from.
    #[schema(example = 0.0002)]
    pub residual: f32,
    /// What each square of `image.crop` adds to the logit, in rows from the top; 7x7 in GoogLeNet.
    pub grid: Vec<Vec<f32>>,
}

impl From<&Evidence> for Cam {
    fn from(evidence: &Evidence) -> Self {
        let &Evidence { logit, bias, residual, ref grid } = evidence;
        Self { logit, bias, residual, grid: grid.rows().map(<[f32]>::to_vec).collect() }
    }
}
