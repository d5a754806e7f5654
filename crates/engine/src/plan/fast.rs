//! The plan that serves: GoogLeNet's layers as large operators of our own, inside tract.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;

use super::calibration::{ActivationUnits, Calibration, Int8LoadError};
use super::load::{LoadError, typed_model};
use super::operator_counts::count_operators;
use super::place_operators::{Network, Source, place_operators};
use super::recognition::Layers;
use super::team::Team;
use crate::model::{
    Engine, EngineError, Input, InputError, OperatorCount, Pixels, Preprocessing, Probabilities,
    Session,
};
use crate::network::ParsedGraph;
use googlenet_kernels::isa::Isa;

/// The network of our operators where a rule knows the layer, and of tract's elsewhere.
pub struct FastPlan {
    /// Reads bytes of RGB, `[side, side, 3]`.
    pixels: Arc<TypedRunnableModel>,
    /// Reads a normalised tensor, `[1, 3, side, side]`; shares its layers with the other.
    tensor: Arc<TypedRunnableModel>,
    side: usize,
    team: Arc<Team>,
}

impl FastPlan {
    /// Finds the layers of the network in `graph` and packs their weights for `isa`.
    ///
    /// # Errors
    /// [`LoadError`] when tract cannot run it.
    pub fn load(
        graph: &ParsedGraph,
        preprocessing: &Preprocessing,
        isa: Isa,
        team: Arc<Team>,
    ) -> Result<Self, LoadError> {
        let (model, layers) = read(graph, preprocessing)?;
        let units = ActivationUnits::default();
        let network = Network { model: &model, layers: &layers, preprocessing, units: &units };
        Self::place(network, isa, team)
    }

    /// The same in int8, with the scales that `calibration` gives.
    ///
    /// # Errors
    /// [`Int8LoadError`] when tract cannot run it, or the table belongs to other weights.
    pub fn load_int8(
        graph: &ParsedGraph,
        preprocessing: &Preprocessing,
        isa: Isa,
        team: Arc<Team>,
        calibration: &Calibration,
    ) -> Result<Self, Int8LoadError> {
        let (model, layers) = read(graph, preprocessing)?;
        let units = calibration.units(&layers)?;
        let network = Network { model: &model, layers: &layers, preprocessing, units: &units };
        Ok(Self::place(network, isa, team)?)
    }

    fn place(network: Network<'_>, isa: Isa, team: Arc<Team>) -> Result<Self, LoadError> {
        let mut packed = HashMap::new();
        let mut plan = |source| {
            place_operators(network, source, isa, &team, &mut packed)
                .and_then(TypedModel::into_optimized)
                .and_then(|model| model.into_runnable())
                .map_err(|e| LoadError(format!("{e:#}")))
        };
        let (pixels, tensor) = (plan(Source::Pixels)?, plan(Source::Tensor)?);
        Ok(Self { pixels, tensor, side: network.preprocessing.side, team })
    }
}

fn read(
    graph: &ParsedGraph,
    preprocessing: &Preprocessing,
) -> Result<(TypedModel, Layers), LoadError> {
    let model = typed_model(graph, preprocessing.side)?;
    let layers = Layers::find(&model)?;
    Ok((model, layers))
}

impl Engine for FastPlan {
    /// Runs once: the maps are in memory then, and the first client waits for nothing.
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        let mut session = FastSession {
            pixels: self.pixels.clone(),
            tensor: self.tensor.clone(),
            open: None,
            side: self.side,
            team: self.team.clone(),
        };
        let black = vec![0; 3 * self.side * self.side];
        session.run_one(&Input::Pixels(Pixels::new(self.side, black)?))?;
        Ok(Box::new(session))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        count_operators(self.pixels.model())
    }
}

struct FastSession {
    pixels: Arc<TypedRunnableModel>,
    tensor: Arc<TypedRunnableModel>,
    /// The plan that ran last, with its maps; those of the other are made when an input of the other kind
    /// comes. Clients send photos or tensors, few send both, and the maps take tens of megabytes.
    open: Option<(Source, TypedSimpleState)>,
    side: usize,
    team: Arc<Team>,
}

impl FastSession {
    fn state(&mut self, source: Source) -> Result<&mut TypedSimpleState, EngineError> {
        let open = match self.open.take() {
            Some(open) if open.0 == source => open,
            other => {
                // Its maps go before new ones come.
                drop(other);
                let plan = match source {
                    Source::Pixels => &self.pixels,
                    Source::Tensor => &self.tensor,
                };
                (source, plan.spawn().map_err(plan_error)?)
            }
        };
        Ok(&mut self.open.insert(open).1)
    }

    fn run_one(&mut self, input: &Input) -> Result<Probabilities, EngineError> {
        let side = self.side;
        let expected = 3 * side * side;
        let (source, tensor) = match input {
            Input::Pixels(pixels) => {
                check_length(expected, pixels.as_bytes().len())?;
                let tensor = Tensor::from_shape(&[side, side, 3], pixels.as_bytes());
                (Source::Pixels, tensor.map_err(plan_error)?)
            }
            Input::Tensor(values) => {
                check_length(expected, values.len())?;
                let tensor = Tensor::from_shape(&[1, 3, side, side], values);
                (Source::Tensor, tensor.map_err(plan_error)?)
            }
        };
        let team = Arc::clone(&self.team);
        let state = self.state(source)?;
        let outputs = team.infer(|| state.run(tvec!(tensor.into()))).map_err(plan_error)?;
        let output = outputs.first().ok_or_else(|| EngineError::Plan("no output".into()))?;
        let values = output.to_plain_array_view::<f32>().map_err(plan_error)?;
        Ok(Probabilities::new(values.iter().copied().collect::<Vec<_>>())?)
    }
}

impl Session for FastSession {
    /// Image by image: an answer cannot depend on its company, and the weights stay in the cache.
    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        batch.iter().map(|input| self.run_one(input)).collect()
    }
}

fn check_length(expected: usize, actual: usize) -> Result<(), InputError> {
    if expected == actual { Ok(()) } else { Err(InputError::Length { expected, actual }) }
}

fn plan_error(error: TractError) -> EngineError {
    EngineError::Plan(format!("{error:#}"))
}
