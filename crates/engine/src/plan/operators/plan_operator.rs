//! An operator of ours as tract runs it.

use std::fmt::Debug;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use crate::plan::team::Team;

/// What the names of our operators begin with in tract's graph.
const NAMESPACE: &str = "googlenet.";

/// The name of an operator of ours; none for one of tract's.
pub(in crate::plan) fn own_name(name: &str) -> Option<&str> {
    name.strip_prefix(NAMESPACE)
}

/// One layer, ready to run on one image.
pub(in crate::plan) trait Operator: Debug + Send + Sync + 'static {
    /// Maps between the layer's own convolutions.
    type Scratch: Clone + Debug + Default + Send;

    /// What it is, as the summary prints it.
    const NAME: &'static str;

    /// Type and sizes of the tensor that it writes, f32 or u8.
    fn output_fact(&self) -> TypedFact;

    /// The tensor that it writes, borders filled. It is written again for every image.
    fn output(&self) -> TractResult<Tensor> {
        let fact = self.output_fact();
        let sizes = fact.shape.as_concrete().context("a map has fixed sizes")?;
        if fact.datum_type == u8::datum_type() {
            Tensor::zero::<u8>(sizes)
        } else {
            Tensor::zero::<f32>(sizes)
        }
    }

    /// Its scratch, for one worker.
    fn scratch(&self) -> Self::Scratch;

    /// Writes all of `output` but its border.
    fn run(
        &self,
        input: &Tensor,
        scratch: &mut Self::Scratch,
        output: &mut Tensor,
        team: &Team,
    ) -> TractResult<()>;
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

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(WorkerState {
            op: self.clone(),
            scratch: self.operator.scratch(),
            output: Arc::new(self.operator.output()?),
        })))
    }
}

impl<O: Operator> TypedOp for PlanOperator<O> {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.output.clone()))
    }
}

/// What one worker keeps for an operator between images: nothing is allocated for an image.
#[derive(Debug)]
struct WorkerState<O: Operator> {
    op: PlanOperator<O>,
    scratch: O::Scratch,
    output: Arc<Tensor>,
}

/// What a worker has kept of the run of an operator `O`; none if `state` is another's.
pub(in crate::plan) fn scratch_of<'a, O: Operator>(
    state: &'a (dyn OpState + 'static),
) -> Option<&'a O::Scratch> {
    state.downcast_ref::<WorkerState<O>>().map(|state| &state.scratch)
}

impl<O: Operator> Clone for WorkerState<O> {
    fn clone(&self) -> Self {
        let (op, scratch) = (self.op.clone(), self.scratch.clone());
        Self { op, scratch, output: self.output.clone() }
    }
}

impl<O: Operator> OpState for WorkerState<O> {
    fn eval(
        &mut self,
        _: &EvalContext,
        _: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let [input] = inputs.as_slice() else { bail!("{} has one input", O::NAME) };
        if Arc::get_mut(&mut self.output).is_none() {
            // Someone kept the last image's output, or this state was cloned.
            self.output = Arc::new(self.op.operator.output()?);
        }
        let output = Arc::get_mut(&mut self.output).context("the output was just made")?;
        self.op.operator.run(input, &mut self.scratch, output, &self.op.team)?;
        Ok(tvec!(self.output.clone().into_tvalue()))
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        // An image leaves nothing behind that the next one reads.
        Ok(())
    }
}
