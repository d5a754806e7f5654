//! From a parsed graph to tract's typed model.

use tract_onnx::prelude::*;

use crate::network::ParsedGraph;

/// tract's typed model for one image, `[1, 3, side, side]`, not yet optimised.
///
/// The files of the ONNX Model Zoo have a batch of 1 baked in, also in the constant shape of a
/// Reshape; the plans loop over the images of a batch themselves.
pub(super) fn typed_model(graph: &ParsedGraph, side: usize) -> Result<TypedModel, LoadError> {
    let build = || -> TractResult<TypedModel> {
        let fact = InferenceFact::dt_shape(f32::datum_type(), [1, 3, side, side]);
        let mut model = graph.model();
        model.set_input_fact(0, fact)?;
        model.into_typed()
    };
    build().map_err(|e| LoadError(format!("{e:#}")))
}

/// The graph has an operator or a shape that tract does not run.
#[derive(Debug, thiserror::Error)]
#[error(
    "this graph cannot be run: export it in evaluation mode and with fixed sizes, or simplify it (python -m onnxsim \
     in.onnx out.onnx); tract says: {0}"
)]
pub struct LoadError(pub(super) String);
