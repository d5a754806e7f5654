//! What stands between the convolutions: pools, and local response normalisation.

use tract_onnx::prelude::*;

use super::convolution::pixel;
use super::{Operator, map_tensor, on_rows, rows, slice_mut, view};
use crate::kernels::average_pool::average_pool;
use crate::kernels::isa::Isa;
use crate::kernels::lrn::{LrnParameters, lrn};
use crate::kernels::map::MapShape;
use crate::kernels::max_pool::{PoolGeometry, max_pool};
use crate::plan::team::Team;

/// The largest value of each window.
#[derive(Debug)]
pub(in crate::plan) struct MaxPooling {
    pub(in crate::plan) isa: Isa,
    pub(in crate::plan) window: PoolGeometry,
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) output: MapShape,
}

impl Operator for MaxPooling {
    type Scratch = ();
    const NAME: &'static str = "MaxPooling";

    fn output(&self) -> TractResult<Tensor> {
        map_tensor(self.output, 0.0_f32)
    }

    fn scratch(&self) {}

    fn run(
        &self,
        input: &Tensor,
        (): &mut (),
        output: &mut Tensor,
        team: &Team,
    ) -> TractResult<()> {
        let input = view::<f32>(input, self.input)?;
        let channels = self.output.channels;
        on_rows(team, rows(output, self.output)?, |mut part| {
            max_pool(self.isa, self.window, input, &mut part.channels(0..channels));
        });
        Ok(())
    }
}

/// Local response normalisation across channels.
#[derive(Debug)]
pub(in crate::plan) struct LocalResponseNorm {
    pub(in crate::plan) isa: Isa,
    pub(in crate::plan) parameters: LrnParameters,
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) output: MapShape,
}

impl Operator for LocalResponseNorm {
    type Scratch = ();
    const NAME: &'static str = "LocalResponseNorm";

    fn output(&self) -> TractResult<Tensor> {
        map_tensor(self.output, 0.0_f32)
    }

    fn scratch(&self) {}

    fn run(
        &self,
        input: &Tensor,
        (): &mut (),
        output: &mut Tensor,
        team: &Team,
    ) -> TractResult<()> {
        let input = view::<f32>(input, self.input)?;
        let channels = self.output.channels;
        on_rows(team, rows(output, self.output)?, |mut part| {
            lrn(self.isa, self.parameters, input, &mut part.channels(0..channels));
        });
        Ok(())
    }
}

/// The mean of each channel over the whole map.
#[derive(Debug)]
pub(in crate::plan) struct AveragePooling {
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) border: usize,
}

impl AveragePooling {
    fn shape(&self) -> MapShape {
        MapShape { border: self.border, ..pixel(self.input.channels) }
    }
}

impl Operator for AveragePooling {
    type Scratch = ();
    const NAME: &'static str = "AveragePooling";

    fn output(&self) -> TractResult<Tensor> {
        map_tensor(self.shape(), 0.0_f32)
    }

    fn scratch(&self) {}

    fn run(&self, input: &Tensor, (): &mut (), output: &mut Tensor, _: &Team) -> TractResult<()> {
        let input = view::<f32>(input, self.input)?;
        let side = self.border * self.input.channels;
        let middle = self.border * self.shape().row_len() + side;
        let output = &mut slice_mut::<f32>(output)?[middle..middle + self.input.channels];
        average_pool(input, output);
        Ok(())
    }
}
