//! A graph as tract parsed it, once for all that read it.

use std::collections::{HashMap, HashSet};

use tract_onnx::model::ParseResult;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::{DimLike, TractErrorContext, ensure};

use super::shapes::Shapes;

/// A graph as tract parsed it, nothing worked out yet. Clones share the weights, and need the file's no more.
#[derive(Clone, Debug)]
pub struct ParsedGraph {
    model: InferenceModel,
    outlets_by_name: HashMap<String, OutletId>,
}

impl ParsedGraph {
    /// Parses `model`. What the file says of its inner shapes is not needed, and may speak of its symbolic batch; the
    /// same holds for its outputs.
    ///
    /// # Errors
    /// What tract says of a graph that it cannot read.
    pub fn parse(model: &ModelProto) -> TractResult<Self> {
        let graph = model.graph.as_ref().context("the model holds no graph")?;
        let written: HashSet<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
        for output in &graph.output {
            // tract's parser takes this for granted and would panic.
            ensure!(
                written.contains(&output.name),
                "nothing computes the output `{}`",
                output.name
            );
        }
        let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
        let ParseResult { model, outlets_by_name, .. } = onnx.parse(model, None)?;
        Ok(Self { model, outlets_by_name })
    }

    /// A model of tract's to change.
    pub(crate) fn model(&self) -> InferenceModel {
        self.model.clone()
    }

    /// Works out the shapes, which takes a good part of a load.
    pub(super) fn shapes(&self) -> TractResult<Shapes> {
        let mut model = self.model();
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
        for (name, outlet) in &self.outlets_by_name {
            let shape = model.outlet_fact(*outlet)?.shape.concretize();
            let sizes = shape.and_then(|dims| dims.iter().map(|dim| dim.to_usize().ok()).collect());
            shapes.extend(sizes.map(|sizes| (name.clone(), sizes)));
        }
        Ok(shapes)
    }
}
