//! Converts between our maps and tract's NCHW, where one of our layers meets an operator of tract.

use tract_onnx::prelude::*;

use super::{MapMemory, Operator, map_fact, slice, slice_mut, view};
use crate::plan::team::Team;
use googlenet_kernels::map::MapShape;

/// From `[1, C, H, W]` to a map.
#[derive(Debug)]
pub(in crate::plan) struct ToNhwc {
    pub(in crate::plan) output: MapShape,
}

impl Operator for ToNhwc {
    const NAME: &'static str = "ToNhwc";

    fn output_fact(&self) -> TypedFact {
        map_fact::<f32>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let MapShape { height, width, channels, .. } = self.output;
        let planes = slice::<f32>(input)?;
        let mut output = maps.map::<f32>(self.output);
        let mut whole = output.rows();
        for row in 0..height {
            let to = whole.row_mut(row);
            for (channel, plane) in planes.chunks_exact(height * width).enumerate() {
                let from = &plane[row * width..(row + 1) * width];
                for (to, value) in to[channel..].iter_mut().step_by(channels).zip(from) {
                    *to = *value;
                }
            }
        }
        Ok(output.into_tensor())
    }
}

/// From a map to `[1, C, H, W]`.
#[derive(Debug)]
pub(in crate::plan) struct ToNchw {
    pub(in crate::plan) input: MapShape,
}

impl Operator for ToNchw {
    const NAME: &'static str = "ToNchw";

    fn output_fact(&self) -> TypedFact {
        let MapShape { height, width, channels, .. } = self.input;
        f32::fact([1, channels, height, width])
    }

    fn run(&self, input: &Tensor, _: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let MapShape { height, width, channels, border } = self.input;
        let from = view::<f32>(input, self.input)?.values();
        let mut output = Tensor::zero::<f32>(&[1, channels, height, width])?;
        let planes = slice_mut::<f32>(&mut output)?;
        for (channel, plane) in planes.chunks_exact_mut(height * width).enumerate() {
            for (row, to) in plane.chunks_exact_mut(width).enumerate() {
                let first = (row + border) * self.input.row_len() + border * channels + channel;
                for (to, value) in to.iter_mut().zip(from[first..].iter().step_by(channels)) {
                    *to = *value;
                }
            }
        }
        Ok(output)
    }
}
