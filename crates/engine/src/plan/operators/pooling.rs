//! Max pooling, average pooling, and local response normalization.

use std::fmt::Debug;
use std::marker::PhantomData;

use tract_onnx::prelude::*;

use super::arithmetic::{Arithmetic, Scales};
use super::convolution::pixel;
use super::{MapElement, MapMemory, Operator, map_fact, on_rows, view};
use crate::plan::team::Team;
use googlenet_kernels::isa::Isa;
use googlenet_kernels::lrn::LrnParameters;
use googlenet_kernels::map::MapShape;
use googlenet_kernels::max_pool::{PoolGeometry, max_pool};

/// The largest value of each window.
#[derive(Debug)]
pub(in crate::plan) struct MaxPooling<T> {
    pub(in crate::plan) isa: Isa,
    pub(in crate::plan) window: PoolGeometry,
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) output: MapShape,
    pub(in crate::plan) element: PhantomData<T>,
}

impl<T: MapElement> Operator for MaxPooling<T> {
    const NAME: &'static str = "MaxPooling";

    fn output_fact(&self) -> TypedFact {
        map_fact::<T>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, team: &Team) -> TractResult<Tensor> {
        let input = view::<T>(input, self.input)?;
        let channels = self.output.channels;
        let mut output = maps.map::<T>(self.output);
        on_rows(team, output.rows(), |mut part| {
            max_pool(self.isa, self.window, input, &mut part.channels(0..channels));
        });
        Ok(output.into_tensor())
    }
}

/// Local response normalization across channels.
#[derive(Debug)]
pub(in crate::plan) struct LocalResponseNormalization<A> {
    pub(in crate::plan) isa: Isa,
    pub(in crate::plan) parameters: LrnParameters,
    pub(in crate::plan) scales: Scales,
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) output: MapShape,
    pub(in crate::plan) arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Operator for LocalResponseNormalization<A> {
    const NAME: &'static str = "LocalResponseNorm";

    fn output_fact(&self) -> TypedFact {
        map_fact::<A::Element>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, team: &Team) -> TractResult<Tensor> {
        let input = view::<A::Element>(input, self.input)?;
        let channels = self.output.channels;
        let mut output = maps.map::<A::Element>(self.output);
        on_rows(team, output.rows(), |mut part| {
            let mut window = part.channels(0..channels);
            A::normalise(self.isa, self.parameters, self.scales, input, &mut window);
        });
        Ok(output.into_tensor())
    }
}

/// The mean of each channel over the whole map.
#[derive(Debug)]
pub(in crate::plan) struct AveragePooling<A> {
    pub(in crate::plan) scales: Scales,
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) border: usize,
    pub(in crate::plan) arithmetic: PhantomData<A>,
}

impl<A> AveragePooling<A> {
    fn shape(&self) -> MapShape {
        MapShape { border: self.border, ..pixel(self.input.channels) }
    }
}

impl<A: Arithmetic> Operator for AveragePooling<A> {
    const NAME: &'static str = "AveragePooling";

    fn output_fact(&self) -> TypedFact {
        map_fact::<A::Element>(self.shape())
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let input = view::<A::Element>(input, self.input)?;
        let side = self.border * self.input.channels;
        let middle = self.border * self.shape().row_len() + side;
        let mut output = maps.map::<A::Element>(self.shape());
        let means = &mut output.values_mut()[middle..middle + self.input.channels];
        A::average(self.scales, input, means);
        Ok(output.into_tensor())
    }
}
