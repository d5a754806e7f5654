//! An operator of ours as tract runs it.

use std::fmt::Debug;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::map_memory::MapMemory;
use crate::plan::team::Team;

/// What the names of our operators begin with in tract's graph.
const NAMESPACE: &str = "googlenet.";

/// The name of an operator of ours; none for one of tract's.
pub(in crate::plan) fn own_name(name: &str) -> Option<&str> {
    name.strip_prefix(NAMESPACE)
}

/// One layer, ready to run on one image.
pub(in crate::plan) trait Operator: Debug + Send + Sync + 'static {
    /// What it is, as the summary prints it.
    const NAME: &'static str;

    /// Type and sizes of the tensor that it writes, f32 or u8.
    fn output_fact(&self) -> TypedFact;

    /// Runs it. A map that it writes is of `maps`.
    fn run(&self, input: &Tensor, maps: &MapMemory, team: &Team) -> TractResult<Tensor>;
}

/// The `TypedOp` around an [`Operator`]: one input, one output.
#[derive(Debug)]
pub(in crate::plan) struct PlanOperator<O: Operator> {
    operator: Arc<O>,
    team: Arc<Team>,
    output: TypedFact,
}

impl<O: Operator> PlanOperator<O> {
    pub(in crate::plan) fn new(operator: Arc<O>, team: Arc<Team>) -> Self {
        let output = operator.output_fact();
        Self { operator, team, output }
    }
}

impl<O: Operator> Clone for PlanOperator<O> {
    fn clone(&self) -> Self {
        let (operator, team) = (self.operator.clone(), self.team.clone());
        Self { operator, team, output: self.output.clone() }
    }
}

impl<O: Operator> PartialEq for PlanOperator<O> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.operator, &other.operator)
    }
}

impl<O: Operator> Eq for PlanOperator<O> {}

impl<O: Operator> Op for PlanOperator<O> {
    fn name(&self) -> StaticName {
        format!("{NAMESPACE}{}", O::NAME).into()
    }

    op_as_typed_op!();
}

impl<O: Operator> EvalOp for PlanOperator<O> {
    not_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let [input] = inputs.as_slice() else { bail!("{} has one input", O::NAME) };
        let maps = map_memory(context).context("a session has put its memory for maps there")?;
        Ok(tvec!(self.operator.run(input, maps, &self.team)?.into_tvalue()))
    }
}

/// The memory of the worker that evaluates: it has put it where all operators of a plan find it.
pub(in crate::plan) fn map_memory<'a>(context: &'a EvalContext<'_>) -> Option<&'a MapMemory> {
    context.shared?.get()
}

impl<O: Operator> TypedOp for PlanOperator<O> {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.output.clone()))
    }
}
