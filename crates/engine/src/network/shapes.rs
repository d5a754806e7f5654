//! Shapes of all tensors of a graph, by tract's own analysis, so that the reported figures are those of the engine that
//! will run the file.

use std::collections::HashMap;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::TractResult;
use tract_onnx::tract_hir::internal::format_err;

use super::parsed::ParsedGraph;

/// Sizes of the tensors by name, for a batch of 1; a tensor whose shape is not known is left out.
pub type Shapes = HashMap<String, Vec<usize>>;

/// Parses `model` and works out its shapes.
///
/// # Errors
/// What tract says of a graph that it cannot analyse.
pub(super) fn infer(model: &ModelProto) -> TractResult<(ParsedGraph, Shapes)> {
    // tract panics on some malformed graphs (a stride of 0), which must not stop the caller.
    std::panic::catch_unwind(|| {
        let graph = ParsedGraph::parse(model)?;
        let shapes = graph.shapes()?;
        Ok((graph, shapes))
    })
    .unwrap_or_else(|_| Err(format_err!("the graph is malformed: tract gave up on it")))
}
