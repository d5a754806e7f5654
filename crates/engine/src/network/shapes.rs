//! Shapes of all tensors of a graph, by tract's own analysis: the figures are those of the engine
//! that will run the file, not of a second opinion.

use std::collections::{HashMap, HashSet};

use tract_onnx::model::ParseResult;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::{DimLike, TractErrorContext, ensure, format_err};

/// Sizes of the tensors by name, for a batch of 1; a tensor whose shape is not known is left out.
pub type Shapes = HashMap<String, Vec<usize>>;

/// Works out the shapes of `model`, which takes a good part of a load.
///
/// # Errors
/// What tract says of a graph that it cannot analyse.
pub(super) fn infer(model: &ModelProto) -> TractResult<Shapes> {
    // tract panics on some malformed graphs (a stride of 0), which must not stop the caller.
    std::panic::catch_unwind(|| analyse(model))
        .unwrap_or_else(|_| Err(format_err!("the graph is malformed: tract gave up on it")))
}

fn analyse(model: &ModelProto) -> TractResult<Shapes> {
    let graph = model.graph.as_ref().context("the model holds no graph")?;
    let written: HashSet<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    for output in &graph.output {
        // tract's parser takes this for granted and would panic.
        ensure!(written.contains(&output.name), "nothing computes the output `{}`", output.name);
    }
    // What the file says of its inner shapes is not needed, and may speak of its symbolic batch.
    let onnx = tract_onnx::onnx().with_ignore_value_info(true);
    let ParseResult { mut model, outlets_by_name, .. } = onnx.parse(model, None)?;
    for input in model.input_outlets()?.to_vec() {
        let fact = model.outlet_fact(input)?;
        let Some(batch) = fact.shape.dim(0) else { continue };
        if batch.concretize().and_then(|batch| batch.to_usize().ok()).is_none() {
            let mut fact = fact.clone();
            fact.shape.set_dim(0, 1.to_dim());
            model.set_outlet_fact(input, fact)?;
        }
    }
    model.analyse(true)?;
    let mut shapes = HashMap::new();
    for (name, outlet) in outlets_by_name {
        let shape = model.outlet_fact(outlet)?.shape.concretize();
        let sizes = shape.and_then(|dims| dims.iter().map(|dim| dim.to_usize().ok()).collect());
        shapes.extend(sizes.map(|sizes| (name, sizes)));
    }
    Ok(shapes)
}
