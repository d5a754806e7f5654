//! Weights and biases: what a graph computes from constants alone.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;

/// The tensor at `outlet`, where it does not depend on the input: exporters put casts, reshapes and
/// products of constants in front of a layer.
pub(super) fn constant(model: &TypedModel, outlet: OutletId) -> Option<Arc<Tensor>> {
    if let Some(konst) = &model.outlet_fact(outlet).ok()?.konst {
        return Some(konst.clone());
    }
    let node = model.node(outlet.node);
    if let Some(konst) = node.op_as::<Const>() {
        return Some(konst.val().clone());
    }
    if node.inputs.is_empty() {
        return None;
    }
    let inputs: Option<TVec<TValue>> = node
        .inputs
        .iter()
        .map(|&input| constant(model, input).map(|tensor| tensor.into_tvalue()))
        .collect();
    let outputs = node.op.eval_out_of_plan(inputs?).ok()??;
    outputs.into_iter().nth(outlet.slot).map(|value| value.into_arc_tensor())
}

/// The elements of a constant of f32, with its sizes.
pub(super) fn floats(model: &TypedModel, outlet: OutletId) -> Option<(Vec<usize>, Vec<f32>)> {
    let tensor = constant(model, outlet)?;
    let view = tensor.to_plain_array_view::<f32>().ok()?;
    let values = view.as_slice().map_or_else(|| view.iter().copied().collect(), <[f32]>::to_vec);
    Some((view.shape().to_vec(), values))
}

/// A constant that has one value for each of `channels` channels of an NCHW tensor, or one for all.
pub(super) fn by_channel(
    model: &TypedModel,
    outlet: OutletId,
    channels: usize,
) -> Option<Vec<f32>> {
    let (sizes, values) = floats(model, outlet)?;
    if values.len() == 1 {
        return Some(vec![values[0]; channels]);
    }
    let lies_on_channels = match sizes.as_slice() {
        [1, c, 1, 1] | [c, 1, 1] => *c == channels,
        _ => false,
    };
    lies_on_channels.then_some(values)
}
