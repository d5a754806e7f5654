//! Reads the values before the softmax that was added to a graph of logits.

use tract_onnx::tract_core::ops::nn::Softmax;

use super::load::typed_model;
use super::tapped::run_tapped;
use crate::model::{Input, Preprocessing};
use crate::network::ParsedGraph;

/// The logits of each picture; none where tract does not say.
pub fn logits(
    graph: &ParsedGraph,
    preprocessing: &Preprocessing,
    pictures: &[Input],
) -> Option<Vec<Vec<f32>>> {
    let model = typed_model(graph, preprocessing.side).ok()?;
    let mut last = *model.output_outlets().ok()?.first()?;
    while !model.node(last.node).op_is::<Softmax>() {
        last = *model.node(last.node).inputs.first()?;
    }
    let before = *model.node(last.node).inputs.first()?;
    let mut logits = Vec::with_capacity(pictures.len());
    run_tapped(model, &[before], preprocessing, pictures, |outputs| {
        let view = outputs.first()?.to_plain_array_view::<f32>().ok()?;
        logits.push(view.iter().copied().collect());
        Some(())
    })?;
    Some(logits)
}
