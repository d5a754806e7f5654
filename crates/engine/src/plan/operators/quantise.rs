//! Between maps of f32 and maps of u8.

use tract_onnx::prelude::*;

use super::{MapMemory, Operator, map_fact, view};
use crate::plan::team::Team;
use googlenet_kernels::map::MapShape;
use googlenet_kernels::quantise::{dequantise, quantise};

/// From f32 to u8; what lies outside the range of u8 is clamped.
#[derive(Debug)]
pub(in crate::plan) struct Quantise {
    pub(in crate::plan) shape: MapShape,
    /// The scale of the bytes.
    pub(in crate::plan) scale: f32,
}

impl Operator for Quantise {
    const NAME: &'static str = "Quantise";

    fn output_fact(&self) -> TypedFact {
        map_fact::<u8>(self.shape)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let input = view(input, self.shape)?;
        let mut output = maps.unfilled(self.shape);
        quantise(1.0 / self.scale, input.values(), output.values_mut());
        Ok(output.into_tensor())
    }
}

/// From u8 to f32.
#[derive(Debug)]
pub(in crate::plan) struct Dequantise {
    pub(in crate::plan) shape: MapShape,
    /// The scale of the bytes.
    pub(in crate::plan) scale: f32,
}

impl Operator for Dequantise {
    const NAME: &'static str = "Dequantise";

    fn output_fact(&self) -> TypedFact {
        map_fact::<f32>(self.shape)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let input = view(input, self.shape)?;
        let mut output = maps.unfilled(self.shape);
        dequantise(self.scale, input.values(), output.values_mut());
        Ok(output.into_tensor())
    }
}
