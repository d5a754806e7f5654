//! Looks inside a network: runs pictures in tract's own operators, with inner tensors as outputs. It is slow, and meant
//! for networks that failed a check.

use tract_onnx::prelude::*;

use super::normalise::normalise;
use crate::model::{Input, Preprocessing};

/// Runs each of `pictures` through `model`, and shows `see` the tensors at `outlets`, in their order; none when tract
/// gives up, or `see` does.
pub(super) fn run_tapped(
    mut model: TypedModel,
    outlets: &[OutletId],
    preprocessing: &Preprocessing,
    pictures: &[Input],
    mut see: impl FnMut(&[TValue]) -> Option<()>,
) -> Option<()> {
    model.select_output_outlets(outlets).ok()?;
    let plan = model.into_optimized().and_then(|model| model.into_runnable()).ok()?;
    let side = preprocessing.side;
    let mut values = vec![0.0; 3 * side * side];
    for picture in pictures {
        normalise(picture, preprocessing, &mut values).ok()?;
        let input = Tensor::from_shape(&[1, 3, side, side], &values).ok()?;
        see(&plan.run(tvec!(input.into())).ok()?)?;
    }
    Some(())
}
