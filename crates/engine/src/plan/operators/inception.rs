//! An inception module as one operator, as it is one function in the paper's code. Its four branches write straight
//! into their channels of the output, so joining them costs nothing.

use std::fmt;

use tract_onnx::prelude::*;

use super::arithmetic::Arithmetic;
use super::{Map, MapElement, MapMemory, Operator, map_fact, on_rows, view};
use crate::plan::team::Team;
use googlenet_kernels::isa::Isa;
use googlenet_kernels::map::{MapRowsMut, MapShape, MapView};
use googlenet_kernels::max_pool::{PoolGeometry, max_pool};

/// The module of `(o_1, r_3, o_3, r_5, o_5, pool)` channels.
pub(in crate::plan) struct Inception<A: Arithmetic> {
    pub(in crate::plan) isa: Isa,
    /// `o_1`, `r_3` and `r_5`: the three 1x1 convolutions of the input are one product.
    pub(in crate::plan) heads: A::Weights,
    pub(in crate::plan) o_3: A::Weights,
    pub(in crate::plan) o_5: A::Weights,
    pub(in crate::plan) pool: A::Weights,
    pub(in crate::plan) window: PoolGeometry,
    pub(in crate::plan) shapes: InceptionShapes,
}

/// The maps of a module.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct InceptionShapes {
    pub(in crate::plan) input: MapShape,
    /// Between the reduction and the 3x3 convolution.
    pub(in crate::plan) reduced_3: MapShape,
    /// Between the reduction and the 5x5 convolution.
    pub(in crate::plan) reduced_5: MapShape,
    /// Between the pool and its projection.
    pub(in crate::plan) pooled: MapShape,
    pub(in crate::plan) output: MapShape,
    /// Where branches 2, 3 and 4 begin among the output's channels.
    pub(in crate::plan) begin: [usize; 3],
}

/// The maps inside the branches, between the two steps of a module.
pub(in crate::plan) struct Branches<T: MapElement> {
    pub(in crate::plan) reduced_3: Map<T>,
    pub(in crate::plan) reduced_5: Map<T>,
    pooled: Map<T>,
}

impl<A: Arithmetic> fmt::Debug for Inception<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inception {:?}", self.shapes)
    }
}

impl<A: Arithmetic> Operator for Inception<A> {
    const NAME: &'static str = "Inception";

    fn output_fact(&self) -> TypedFact {
        map_fact::<A::Element>(self.shapes.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, team: &Team) -> TractResult<Tensor> {
        maps.clear();
        let input = view::<A::Element>(input, self.shapes.input)?;
        let mut output = maps.map(self.shapes.output);
        let mut branches = Branches {
            reduced_3: maps.map(self.shapes.reduced_3),
            reduced_5: maps.map(self.shapes.reduced_5),
            pooled: maps.map(self.shapes.pooled),
        };
        self.read_input(input, &mut branches, output.rows(), team);
        self.read_branches(&branches, output.rows(), team);
        maps.leave(branches);
        Ok(output.into_tensor())
    }
}

impl<A: Arithmetic> Inception<A> {
    /// What reads the module's input: branch 1, the reductions of 2 and 3, the pool of 4.
    fn read_input(
        &self,
        input: MapView<'_, A::Element>,
        branches: &mut Branches<A::Element>,
        mut output: MapRowsMut<'_, A::Element>,
        team: &Team,
    ) {
        let shapes = &self.shapes;
        let (mut reduced_3, mut reduced_5) = (branches.reduced_3.rows(), branches.reduced_5.rows());
        let heads = &mut [
            output.channels(0..shapes.begin[0]),
            reduced_3.channels(0..shapes.reduced_3.channels),
            reduced_5.channels(0..shapes.reduced_5.channels),
        ];
        A::convolve(&self.heads, input, heads, team);
        let channels = shapes.pooled.channels;
        on_rows(team, branches.pooled.rows(), |mut pooled| {
            max_pool(self.isa, self.window, input, &mut pooled.channels(0..channels));
        });
    }

    /// What reads the maps inside the branches: 3x3, 5x5, and the projection of the pool.
    fn read_branches(
        &self,
        branches: &Branches<A::Element>,
        mut output: MapRowsMut<'_, A::Element>,
        team: &Team,
    ) {
        let shapes = &self.shapes;
        let [begin_3, begin_5, begin_pool] = shapes.begin;
        let [reduced_3, reduced_5, pooled] =
            [&branches.reduced_3, &branches.reduced_5, &branches.pooled].map(Map::view);
        let end = shapes.output.channels;
        A::convolve(&self.o_3, reduced_3, &mut [output.channels(begin_3..begin_5)], team);
        A::convolve(&self.o_5, reduced_5, &mut [output.channels(begin_5..begin_pool)], team);
        A::convolve(&self.pool, pooled, &mut [output.channels(begin_pool..end)], team);
    }
}
