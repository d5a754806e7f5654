//! Products, sums, differences and quotients with constants: what exporters leave of normalisations.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::{Add, Div, Mul, Sub};

/// `factor * x + term`, for each channel.
pub(super) struct Affine {
    pub(super) factor: Vec<f32>,
    pub(super) term: Vec<f32>,
}

/// One step of a product, sum, difference or quotient with a constant, whose value for each channel `by_channel` gives,
/// and what it reads.
pub(super) fn affine(
    model: &TypedModel,
    outlet: OutletId,
    by_channel: impl Fn(OutletId) -> Option<Vec<f32>>,
) -> Option<(Affine, OutletId)> {
    let node = model.node(outlet.node);
    let op = node.op_as::<TypedBinOp>()?;
    let &[a, b] = node.inputs.as_slice() else { return None };
    let (values, before, constant_first) = match by_channel(b) {
        Some(values) => (values, a, false),
        None => (by_channel(a)?, b, true),
    };
    let channels = values.len();
    let ones = vec![1.0; channels];
    let negative = || values.iter().map(|value| -value).collect();
    let step = if op.0.is::<Mul>() {
        Affine { factor: values, term: vec![0.0; channels] }
    } else if op.0.is::<Add>() {
        Affine { factor: ones, term: values }
    } else if op.0.is::<Div>() && !constant_first && values.iter().all(|value| value.is_normal()) {
        let factor = values.iter().map(|value| 1.0 / value).collect();
        Affine { factor, term: vec![0.0; channels] }
    } else if op.0.is::<Sub>() && !constant_first {
        Affine { factor: ones, term: negative() }
    } else {
        return None;
    };
    Some((step, before))
}
