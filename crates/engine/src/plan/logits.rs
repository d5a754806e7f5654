//! What goes into the softmax that was added to a graph of logits.

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::Softmax;

use super::load::typed_model;
use super::normalise::normalise;
use crate::model::{Input, Preprocessing};

/// The logits of each picture; none where tract does not say. Runs the whole network in tract's own operators: for a
/// network that is under suspicion.
pub fn logits(
    proto: &ModelProto,
    preprocessing: &Preprocessing,
    pictures: &[Input],
) -> Option<Vec<Vec<f32>>> {
    let mut model = typed_model(proto, preprocessing.side).ok()?;
    let mut last = *model.output_outlets().ok()?.first()?;
    while !model.node(last.node).op_is::<Softmax>() {
        last = *model.node(last.node).inputs.first()?;
    }
    let before = *model.node(last.node).inputs.first()?;
    model.select_output_outlets(&[before]).ok()?;
    let plan = model.into_optimized().and_then(|model| model.into_runnable()).ok()?;
    let side = preprocessing.side;
    let mut values = vec![0.0; 3 * side * side];
    let run = |picture: &Input| {
        normalise(picture, preprocessing, &mut values).ok()?;
        let input = Tensor::from_shape(&[1, 3, side, side], &values).ok()?;
        let output = plan.run(tvec!(input.into())).ok()?;
        let view = output.first()?.to_plain_array_view::<f32>().ok()?;
        Some(view.iter().copied().collect())
    };
    pictures.iter().map(run).collect()
}
