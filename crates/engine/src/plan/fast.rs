//! The plan that serves: GoogLeNet's layers as large operators of our own, inside tract.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::eval;

use super::calibration::{ActivationUnits, Calibration, Int8LoadError};
use super::colour_filters::colour_filters;
use super::gradient::Gradient;
use super::load::{LoadError, typed_model};
use super::operator_counts::count_operators;
use super::place_operators::{Network, Source, place_operators};
use super::recognition::Layers;
use super::sighted::Sighted;
use super::taps::{Sights, Taps};
use super::team::Team;
use crate::model::{
    ColourFilters, Engine, EngineError, GradientViews, Input, InputError, Look, OperatorCount,
    Pixels, Preprocessing, Probabilities, Seen, Session, Views,
};
use crate::network::ParsedGraph;
use crate::network::report::ModelReport;
use googlenet_kernels::isa::Isa;

/// The network of our operators where a rule knows the layer, and of tract's elsewhere.
pub struct FastPlan {
    /// Reads bytes of RGB, `[side, side, 3]`.
    pixels: SourcePlan,
    /// Reads a normalised tensor, `[1, 3, side, side]`; shares its layers with the other.
    tensor: SourcePlan,
    side: usize,
    team: Arc<Team>,
    views: Views,
    filters: Option<ColourFilters>,
    gradient: Option<Arc<Gradient>>,
}

/// The plan for one kind of input.
#[derive(Clone)]
struct SourcePlan {
    runnable: Arc<TypedRunnableModel>,
    taps: Arc<Taps>,
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
        let sights = Sights::find(network);
        let mut plan = |source| {
            let runnable = place_operators(network, source, isa, &team, &mut packed)
                .and_then(TypedModel::into_optimized)
                .and_then(|model| model.into_runnable())
                .map_err(|e| LoadError(format!("{e:#}")))?;
            let taps = Arc::new(sights.taps(network.model, runnable.model()));
            Ok(SourcePlan { runnable, taps })
        };
        let (pixels, tensor) = (plan(Source::Pixels)?, plan(Source::Tensor)?);
        let mut views = sights.views();
        let gradient = Gradient::find(network, views.classifier.clone(), &packed, isa);
        views.gradients = gradient.as_ref().map(|gradient| GradientViews {
            first_module: gradient.first(),
            weights_bytes: gradient.weights_bytes(),
            run_bytes: gradient.run_bytes(),
        });
        Ok(Self {
            pixels,
            tensor,
            side: network.preprocessing.side,
            team,
            views,
            filters: colour_filters(network),
            gradient: gradient.map(Arc::new),
        })
    }

    /// The same plan, its modules named as in `report`, if it was counted from the same network.
    #[must_use]
    pub fn named_after(mut self, report: &ModelReport) -> Self {
        let views = &mut self.views.modules;
        let sizes = report.inceptions().map(|(_, six)| [six.o_1, six.o_3, six.o_5, six.pool]);
        if sizes.eq(views.iter().map(|view| view.branches)) {
            for ((row, _), view) in report.inceptions().zip(views) {
                view.name.clone_from(&row.name);
            }
        }
        self
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
            views: self.views.clone(),
            gradient: self.gradient.clone(),
        };
        let black = vec![0; 3 * self.side * self.side];
        session.run_one(&Input::Pixels(Pixels::new(self.side, black)?))?;
        Ok(Box::new(session))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        count_operators(self.pixels.runnable.model())
    }

    fn views(&self) -> Views {
        self.views.clone()
    }

    fn colour_filters(&self) -> Option<ColourFilters> {
        self.filters.clone()
    }
}

struct FastSession {
    pixels: SourcePlan,
    tensor: SourcePlan,
    /// The plan that ran last, with its maps; those of the other are made when an input of the other kind
    /// comes. Clients send photos or tensors, few send both, and the maps take tens of megabytes.
    open: Option<(Source, TypedSimpleState)>,
    side: usize,
    team: Arc<Team>,
    views: Views,
    gradient: Option<Arc<Gradient>>,
}

impl FastSession {
    fn plan(&self, source: Source) -> &SourcePlan {
        match source {
            Source::Pixels => &self.pixels,
            Source::Tensor => &self.tensor,
        }
    }

    fn state(&mut self, source: Source) -> Result<&mut TypedSimpleState, EngineError> {
        let open = match self.open.take() {
            Some(open) if open.0 == source => open,
            other => {
                // Its maps go before new ones come.
                drop(other);
                (source, self.plan(source).runnable.spawn().map_err(plan_error)?)
            }
        };
        Ok(&mut self.open.insert(open).1)
    }

    /// What tract reads for `input`.
    fn tensor(&self, input: &Input) -> Result<(Source, Tensor), EngineError> {
        let side = self.side;
        let expected = 3 * side * side;
        match input {
            Input::Pixels(pixels) => {
                check_length(expected, pixels.as_bytes().len())?;
                let tensor = Tensor::from_shape(&[side, side, 3], pixels.as_bytes());
                Ok((Source::Pixels, tensor.map_err(plan_error)?))
            }
            Input::Tensor(values) => {
                check_length(expected, values.len())?;
                let tensor = Tensor::from_shape(&[1, 3, side, side], values);
                Ok((Source::Tensor, tensor.map_err(plan_error)?))
            }
        }
    }

    fn run_one(&mut self, input: &Input) -> Result<Probabilities, EngineError> {
        let (source, tensor) = self.tensor(input)?;
        let team = Arc::clone(&self.team);
        let state = self.state(source)?;
        let outputs = team.infer(|| state.run(tvec!(tensor.into()))).map_err(plan_error)?;
        probabilities(&outputs)
    }
}

fn probabilities(outputs: &[TValue]) -> Result<Probabilities, EngineError> {
    let output = outputs.first().ok_or_else(|| EngineError::Plan("no output".into()))?;
    let values = output.to_plain_array_view::<f32>().map_err(plan_error)?;
    Ok(Probabilities::new(values.iter().copied().collect::<Vec<_>>())?)
}

impl Session for FastSession {
    /// Image by image: an answer cannot depend on its company, and the weights stay in the cache.
    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        batch.iter().map(|input| self.run_one(input)).collect()
    }

    fn look(&mut self, input: &Input, look: &Look) -> Result<Seen, EngineError> {
        if !self.views.show(look) {
            return Err(EngineError::NothingToSee);
        }
        let (source, tensor) = self.tensor(input)?;
        let team = Arc::clone(&self.team);
        let taps = Arc::clone(&self.plan(source).taps);
        let gradient = self.gradient.clone();
        let mut sighted = Sighted::nothing(&taps, look, gradient.as_deref());
        let state = self.state(source)?;
        let run = || {
            state.run_plan_with_eval(tvec!(tensor.into()), |context, mut state, node, inputs| {
                sighted.before(node, &inputs)?;
                let started = Instant::now();
                let outputs = eval(context, state.as_deref_mut(), node, inputs)?;
                let time = started.elapsed();
                sighted.after(node, &outputs, state.as_deref(), time)?;
                TractResult::Ok(outputs)
            })
        };
        let outputs = match team.infer(run) {
            Ok(outputs) => outputs,
            Err(error) => {
                // It was left in the middle of a run.
                self.open = None;
                return Err(plan_error(error));
            }
        };
        let probabilities = probabilities(&outputs)?;
        let gradients = team.infer(|| sighted.gradients(&probabilities, &team));
        let gradients = gradients.map_err(plan_error)?;
        sighted.seen(probabilities, gradients).ok_or(EngineError::NothingToSee)
    }
}

fn check_length(expected: usize, actual: usize) -> Result<(), InputError> {
    if expected == actual { Ok(()) } else { Err(InputError::Length { expected, actual }) }
}

fn plan_error(error: TractError) -> EngineError {
    EngineError::Plan(format!("{error:#}"))
}
