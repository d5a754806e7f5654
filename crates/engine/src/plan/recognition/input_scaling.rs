//! Arithmetic on the colours that a graph does itself before its first layer: a normalisation that was exported with
//! the network, or torchvision's `transform_input`.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Gather, Slice, TypedConcat};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_hir::internal::DimLike;

use super::Layer;
use super::affine::affine;
use super::constants::{by_channel, constant, floats};
use crate::model::Preprocessing;

/// `factor * x + term` for each channel of the network's input, in the input's order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::plan) struct InputScaling {
    pub(in crate::plan) factor: [f32; 3],
    pub(in crate::plan) term: [f32; 3],
}

impl InputScaling {
    const NONE: Self = Self { factor: [1.0; 3], term: [0.0; 3] };

    /// What a photo goes through before the first layer: `preprocessing`, then this.
    pub(in crate::plan) fn after(&self, preprocessing: &Preprocessing) -> Preprocessing {
        let mut both = preprocessing.clone();
        for channel in 0..3 {
            both.scale[channel] *= self.factor[channel];
            both.mean[channel] -= self.term[channel] / both.scale[channel];
        }
        both
    }

    /// Whether it can be undone: a channel that is multiplied by 0 has no mean.
    fn is_regular(&self) -> bool {
        self.factor.iter().all(|factor| factor.is_normal())
            && self.term.iter().all(|term| term.is_finite())
    }
}

/// The rule: steps on all channels, or on each alone between a split and a concatenation, down to the network's input.
pub(super) fn input_scaling(model: &TypedModel, outlet: OutletId) -> Option<(Layer, OutletId)> {
    let inputs = model.input_outlets().ok()?;
    let (all, at) = steps(model, outlet)?;
    let (found, input) = match channels(model, at) {
        Some((each, input)) => (then(each, all), input),
        None => (all, at),
    };
    let is_needed = outlet != input && found.is_regular();
    (is_needed && inputs.contains(&input)).then_some((Layer::InputScaling(found), input))
}

/// Steps on all three channels at once, none as well, and what they begin with. Between two transposes they may be on maps
/// whose channels are last.
fn steps(model: &TypedModel, mut at: OutletId) -> Option<(InputScaling, OutletId)> {
    let mut found = InputScaling::NONE;
    let mut are_last = false;
    // What is applied last is met first.
    loop {
        let node = model.node(at.node);
        let values = |outlet| match are_last {
            true => by_last_axis(model, outlet),
            false => by_channel(model, outlet, 3),
        };
        match node.op_as::<AxisOp>() {
            Some(AxisOp::Move(3, 1)) if !are_last => are_last = true,
            Some(AxisOp::Move(1, 3)) if are_last => are_last = false,
            _ if is_f32_cast(model, at) => {}
            _ => match affine(model, at, values) {
                Some((step, before)) => {
                    let (factor, term) = (step.factor.try_into().ok()?, step.term.try_into().ok()?);
                    found = then(InputScaling { factor, term }, found);
                    at = before;
                    continue;
                }
                None => return (!are_last).then_some((found, at)),
            },
        }
        at = node.inputs[0];
    }
}

/// A constant that has one value for each of three channels that are last, or one for all.
fn by_last_axis(model: &TypedModel, outlet: OutletId) -> Option<Vec<f32>> {
    let (sizes, values) = floats(model, outlet)?;
    match values.as_slice() {
        [one] => Some(vec![*one; 3]),
        [_, _, _] if sizes.last() == Some(&3) => Some(values),
        _ => None,
    }
}

fn is_f32_cast(model: &TypedModel, outlet: OutletId) -> bool {
    let node = model.node(outlet.node);
    let is_f32 =
        |outlet| model.outlet_fact(outlet).is_ok_and(|fact| fact.datum_type == f32::datum_type());
    node.op_is::<Cast>() && is_f32(outlet) && is_f32(node.inputs[0])
}

fn then(first: InputScaling, second: InputScaling) -> InputScaling {
    let mut both = second;
    for channel in 0..3 {
        both.factor[channel] *= first.factor[channel];
        both.term[channel] += second.factor[channel] * first.term[channel];
    }
    both
}

/// A concatenation of three channels, each taken from the same tensor at its own place.
fn channels(model: &TypedModel, outlet: OutletId) -> Option<(InputScaling, OutletId)> {
    let node = model.node(outlet.node);
    let concat = node.op_as::<TypedConcat>()?;
    let [a, b, c] = *node.inputs.as_slice() else { return None };
    let mut found = InputScaling::NONE;
    let mut tensor = None;
    for (channel, part) in [a, b, c].into_iter().enumerate() {
        let (factor, term, from) = one_channel(model, part, channel)?;
        (found.factor[channel], found.term[channel]) = (factor, term);
        if *tensor.get_or_insert(from) != from {
            return None;
        }
    }
    (concat.axis == 1).then_some((found, tensor?))
}

/// Steps on one channel, and the tensor that it is the `channel`-th of.
fn one_channel(
    model: &TypedModel,
    mut at: OutletId,
    channel: usize,
) -> Option<(f32, f32, OutletId)> {
    let (mut factor, mut term) = (1.0, 0.0);
    loop {
        let node = model.node(at.node);
        if let Some((found, from)) = taken(model, at) {
            return (found == channel).then_some((factor, term, from));
        }
        if let Some(AxisOp::Add(_) | AxisOp::Rm(_)) = node.op_as::<AxisOp>() {
            at = node.inputs[0];
            continue;
        }
        let (step, before) = affine(model, at, |outlet| by_channel(model, outlet, 1))?;
        term += factor * step.term[0];
        factor *= step.factor[0];
        at = before;
    }
}

/// The channel that `outlet` is, and the tensor that it is taken from.
fn taken(model: &TypedModel, outlet: OutletId) -> Option<(usize, OutletId)> {
    let node = model.node(outlet.node);
    let from = *node.inputs.first()?;
    if let Some(slice) = node.op_as::<Slice>() {
        let (start, end) = (slice.start.to_usize().ok()?, slice.end.to_usize().ok()?);
        return (slice.axis == 1 && end == start + 1).then_some((start, from));
    }
    node.op_as::<Gather>().filter(|gather| gather.axis == 1)?;
    let index = constant(model, node.inputs[1])?;
    let one = (index.len() == 1).then(|| index.cast_to::<i64>().ok())??;
    let place = *one.to_plain_array_view::<i64>().ok()?.iter().next()?;
    usize::try_from(place).ok().map(|place| (place, from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_scaled_input_is_another_preprocessing(
            byte in 0.0f32..255.0, factor in 0.1f32..4.0, term in -3.0f32..3.0,
        ) {
            let preprocessing = Preprocessing { scale: [0.017; 3], ..Preprocessing::bvlc() };
            let scaling = InputScaling { factor: [factor; 3], term: [term; 3] };
            let both = scaling.after(&preprocessing);
            for channel in 0..3 {
                let normalised = (byte - preprocessing.mean[channel]) * 0.017;
                let expected = normalised * factor + term;
                let actual = (byte - both.mean[channel]) * both.scale[channel];
                prop_assert!((actual - expected).abs() < 1e-4, "{actual} for {expected}");
            }
        }
    }
}
