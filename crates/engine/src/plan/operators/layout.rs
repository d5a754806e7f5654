//! Converts between our maps and tract's NCHW, where one of our layers meets an operator of tract.

use tract_onnx::prelude::*;

use super::{Operator, elements, map_fact, rows, slice, slice_mut};
use crate::plan::team::Team;
use googlenet_kernels::map::MapShape;

/// From `[1, C, H, W]` to a map.
#[derive(Debug)]
pub(in crate::plan) struct ToNhwc {
    pub(in crate::plan) output: MapShape,
}

impl Operator for ToNhwc {
    type Scratch = ();
    const NAME: &'static str = "ToNhwc";

    fn output_fact(&self) -> TypedFact {
        map_fact::<f32>(self.output)
    }

    fn scratch(&self) {}

    fn run(&self, input: &Tensor, (): &mut (), output: &mut Tensor, _: &Team) -> TractResult<()> {
        let MapShape { height, width, channels, .. } = self.output;
        let planes = slice::<f32>(input)?;
        let mut whole = rows::<f32>(output, self.output)?;
        for row in 0..height {
            let to = whole.row_mut(row);
            for (channel, plane) in planes.chunks_exact(height * width).enumerate() {
                let from = &plane[row * width..(row + 1) * width];
                for (to, value) in to[channel..].iter_mut().step_by(channels).zip(from) {
                    *to = *value;
                }
            }
        }
        Ok(())
    }
}

/// From a map to `[1, C, H, W]`.
#[derive(Debug)]
pub(in crate::plan) struct ToNchw {
    pub(in crate::plan) input: MapShape,
}

impl Operator for ToNchw {
    type Scratch = ();
    const NAME: &'static str = "ToNchw";

    fn output_fact(&self) -> TypedFact {
        let MapShape { height, width, channels, .. } = self.input;
        f32::fact([1, channels, height, width])
    }

    fn scratch(&self) {}

    fn run(&self, input: &Tensor, (): &mut (), output: &mut Tensor, _: &Team) -> TractResult<()> {
        let MapShape { height, width, channels, border } = self.input;
        let from = elements::<f32>(input, self.input)?;
        let planes = slice_mut::<f32>(output)?;
        for (channel, plane) in planes.chunks_exact_mut(height * width).enumerate() {
            for (row, to) in plane.chunks_exact_mut(width).enumerate() {
                let first = (row + border) * self.input.row_len() + border * channels + channel;
                for (to, value) in to.iter_mut().zip(from[first..].iter().step_by(channels)) {
                    *to = *value;
                }
            }
        }
        Ok(())
    }
}
