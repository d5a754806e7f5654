//! Weights and biases: what a graph computes from constants alone.

use std::ops::Deref;
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
    let (sizes, weights) = weights(model, outlet)?;
    Some((sizes, weights.to_vec()))
}

/// The same, where it need not be copied.
pub(super) fn weights(model: &TypedModel, outlet: OutletId) -> Option<(Vec<usize>, Weights)> {
    let tensor = constant(model, outlet)?;
    let view = tensor.to_plain_array_view::<f32>().ok()?;
    let sizes = view.shape().to_vec();
    let weights = match view.to_slice() {
        Some(_) => Weights::Shared(tensor),
        None => Weights::Own(view.iter().copied().collect()),
    };
    Some((sizes, weights))
}

/// Weights in their layout: those of the graph, or what was computed from them.
#[derive(Clone, Debug)]
pub(in crate::plan) enum Weights {
    /// A contiguous tensor of f32.
    Shared(Arc<Tensor>),
    Own(Vec<f32>),
}

impl From<Vec<f32>> for Weights {
    fn from(values: Vec<f32>) -> Self {
        Self::Own(values)
    }
}

impl Deref for Weights {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Own(values) => values,
            Self::Shared(tensor) => {
                let view = tensor.to_plain_array_view().ok();
                view.and_then(|view| view.to_slice()).expect("only `weights` makes it, and looks")
            }
        }
    }
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
