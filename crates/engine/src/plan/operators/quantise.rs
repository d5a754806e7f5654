//! Between maps of f32 and maps of u8.

use tract_onnx::prelude::*;

use super::{Operator, elements, map_fact, slice_mut};
use crate::plan::team::Team;
use googlenet_kernels::map::MapShape;
use googlenet_kernels::quantise::{dequantise, quantise};

/// From f32 to u8; what lies outside the range of u8 is clamped.
#[derive(Debug)]
pub(in crate::plan) struct Quantise {
    pub(in crate::plan) shape: MapShape,
    /// What one unit of the bytes is worth.
    pub(in crate::plan) unit: f32,
}

impl Operator for Quantise {
    type Scratch = ();
    const NAME: &'static str = "Quantise";

    fn output_fact(&self) -> TypedFact {
        map_fact::<u8>(self.shape)
    }

    fn scratch(&self) {}

    fn run(&self, input: &Tensor, (): &mut (), output: &mut Tensor, _: &Team) -> TractResult<()> {
        quantise(1.0 / self.unit, elements(input, self.shape)?, slice_mut(output)?);
        Ok(())
    }
}

/// From u8 to f32.
#[derive(Debug)]
pub(in crate::plan) struct Dequantise {
    pub(in crate::plan) shape: MapShape,
    /// What one unit of the bytes is worth.
    pub(in crate::plan) unit: f32,
}

impl Operator for Dequantise {
    type Scratch = ();
    const NAME: &'static str = "Dequantise";

    fn output_fact(&self) -> TypedFact {
        map_fact::<f32>(self.shape)
    }

    fn scratch(&self) {}

    fn run(&self, input: &Tensor, (): &mut (), output: &mut Tensor, _: &Team) -> TractResult<()> {
        dequantise(self.unit, elements(input, self.shape)?, slice_mut(output)?);
        Ok(())
    }
}
