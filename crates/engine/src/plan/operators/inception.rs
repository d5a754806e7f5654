//! An inception module as one operator, as it is one function in the paper's code. Its four branches write straight
//! into their channels of the output, so joining them costs nothing.

use std::fmt;

use tract_onnx::prelude::*;

use super::arithmetic::Arithmetic;
use super::{Operator, map_fact, on_rows, rows, view};
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

/// What one worker keeps between the two steps of a module.
#[derive(Clone, Debug, Default)]
pub(in crate::plan) struct Branches<T> {
    pub(in crate::plan) reduced_3: Vec<T>,
    pub(in crate::plan) reduced_5: Vec<T>,
    pooled: Vec<T>,
}

impl<A: Arithmetic> fmt::Debug for Inception<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inception {:?}", self.shapes)
    }
}

impl<A: Arithmetic> Operator for Inception<A> {
    type Scratch = Branches<A::Element>;
    const NAME: &'static str = "Inception";

    fn output_fact(&self) -> TypedFact {
        map_fact::<A::Element>(self.shapes.output)
    }

    fn scratch(&self) -> Self::Scratch {
        let map = |shape: MapShape| vec![A::Element::default(); shape.len()];
        Branches {
            reduced_3: map(self.shapes.reduced_3),
            reduced_5: map(self.shapes.reduced_5),
            pooled: map(self.shapes.pooled),
        }
    }

    fn run(
        &self,
        input: &Tensor,
        branches: &mut Self::Scratch,
        output: &mut Tensor,
        team: &Team,
    ) -> TractResult<()> {
        let input = view::<A::Element>(input, self.shapes.input)?;
        self.read_input(input, branches, rows(output, self.shapes.output)?, team);
        self.read_branches(branches, rows(output, self.shapes.output)?, team);
        Ok(())
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
        let mut reduced_3 = MapRowsMut::whole(shapes.reduced_3, &mut branches.reduced_3);
        let mut reduced_5 = MapRowsMut::whole(shapes.reduced_5, &mut branches.reduced_5);
        let heads = &mut [
            output.channels(0..shapes.begin[0]),
            reduced_3.channels(0..shapes.reduced_3.channels),
            reduced_5.channels(0..shapes.reduced_5.channels),
        ];
        A::convolve(&self.heads, input, heads, team);
        let channels = shapes.pooled.channels;
        on_rows(team, MapRowsMut::whole(shapes.pooled, &mut branches.pooled), |mut pooled| {
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
        let reduced_3 = MapView::new(shapes.reduced_3, &branches.reduced_3);
        let reduced_5 = MapView::new(shapes.reduced_5, &branches.reduced_5);
        let pooled = MapView::new(shapes.pooled, &branches.pooled);
        let end = shapes.output.channels;
        A::convolve(&self.o_3, reduced_3, &mut [output.channels(begin_3..begin_5)], team);
        A::convolve(&self.o_5, reduced_5, &mut [output.channels(begin_5..begin_pool)], team);
        A::convolve(&self.pool, pooled, &mut [output.channels(begin_pool..end)], team);
    }
}
