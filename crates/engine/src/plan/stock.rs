//! The network in tract's own operators, optimised by tract: the reference for every other plan.

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::load::{LoadError, typed_model};
use super::normalise::normalise;
use super::operator_counts::count_operators;
use crate::model::{
    Engine, EngineError, Input, OperatorCount, Preprocessing, Probabilities, Session,
};
use crate::network::ParsedGraph;

/// A network of tract's operators for one image at a time.
///
/// Batching gains nothing in these operators, so a batch is run image by image: an answer then
/// cannot depend on its company.
pub struct StockPlan {
    plan: Arc<TypedRunnableModel>,
    preprocessing: Preprocessing,
}

impl StockPlan {
    /// Optimises the network in `graph`.
    ///
    /// # Errors
    /// [`LoadError`] when tract cannot run it.
    pub fn load(graph: &ParsedGraph, preprocessing: &Preprocessing) -> Result<Self, LoadError> {
        let plan = typed_model(graph, preprocessing.side)?
            .into_optimized()
            .and_then(|model| model.into_runnable())
            .map_err(|e| LoadError(format!("{e:#}")))?;
        Ok(Self { plan, preprocessing: preprocessing.clone() })
    }
}

impl Engine for StockPlan {
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        let state = self.plan.spawn().map_err(plan_error)?;
        let preprocessing = self.preprocessing.clone();
        let scratch = vec![0.0; 3 * preprocessing.side * preprocessing.side];
        Ok(Box::new(StockSession { state, preprocessing, scratch }))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        count_operators(self.plan.model())
    }
}

struct StockSession {
    state: TypedSimpleState,
    preprocessing: Preprocessing,
    /// Normalised input, `[3, side, side]`.
    scratch: Vec<f32>,
}

impl StockSession {
    fn run_one(&mut self, input: &Input) -> Result<Probabilities, EngineError> {
        let side = self.preprocessing.side;
        normalise(input, &self.preprocessing, &mut self.scratch)?;
        let tensor = Tensor::from_shape(&[1, 3, side, side], &self.scratch).map_err(plan_error)?;
        let outputs = self.state.run(tvec!(tensor.into())).map_err(plan_error)?;
        let output = outputs.first().ok_or_else(|| EngineError::Plan("no output".into()))?;
        let values = output.to_plain_array_view::<f32>().map_err(plan_error)?;
        Ok(Probabilities::new(values.iter().copied().collect::<Vec<_>>())?)
    }
}

impl Session for StockSession {
    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        batch.iter().map(|input| self.run_one(input)).collect()
    }
}

fn plan_error(error: TractError) -> EngineError {
    EngineError::Plan(format!("{error:#}"))
}
