//! The plan that serves: GoogLeNet's layers as large operators of our own, inside tract.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::eval;

use super::calibration::{ActivationScales, Calibration, Int8LoadError};
use super::colour_filters::colour_filters;
use super::gradient::Gradient;
use super::load::{LoadError, typed_model};
use super::operator_counts::count_operators;
use super::operators::{MapMemory, map_memory};
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
        let scales = ActivationScales::default();
        let network = Network { model: &model, layers: &layers, preprocessing, scales: &scales };
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
        let scales = calibration.scales(&layers)?;
        let network = Network { model: &model, layers: &layers, preprocessing, scales: &scales };
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
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        Ok(Box::new(FastSession {
            pixels: self.pixels.clone(),
            tensor: self.tensor.clone(),
            maps: MapMemory::default(),
            open: None,
            side: self.side,
            team: self.team.clone(),
            views: self.views.clone(),
            gradient: self.gradient.clone(),
        }))
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
    /// Of both plans: one runs at a time.
    maps: MapMemory,
    /// The plan that ran last. Clients send photos or tensors, few send both.
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
            _ => {
                let mut state = self.plan(source).runnable.spawn().map_err(plan_error)?;
                state.turn_state.shared.insert(self.maps.clone());
                (source, state)
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
        let reads = self.tensor(input)?;
        let outputs = self.evaluate(reads, |state, inputs| state.run(inputs))?;
        probabilities(&outputs)
    }

    /// What `run` gives of the plan that reads the tensor, on the team's threads.
    fn evaluate(
        &mut self,
        (source, tensor): (Source, Tensor),
        run: impl FnOnce(&mut TypedSimpleState, TVec<TValue>) -> TractResult<TVec<TValue>> + Send,
    ) -> Result<TVec<TValue>, EngineError> {
        let team = Arc::clone(&self.team);
        let state = self.state(source)?;
        team.infer(|| run(state, tvec!(tensor.into()))).map_err(|error| {
            // It was left in the middle of a run, with maps that nobody reads.
            self.open = None;
            plan_error(error)
        })
    }
}

fn probabilities(outputs: &[TValue]) -> Result<Probabilities, EngineError> {
    let output = outputs.first().ok_or_else(|| EngineError::Plan("no output".into()))?;
    let values = output.to_plain_array_view::<f32>().map_err(plan_error)?;
    Ok(Probabilities::new(values.iter().copied().collect::<Vec<_>>())?)
}

impl Session for FastSession {
    /// Runs a black picture: the maps are in memory then.
    fn warm_up(&mut self) -> Result<(), EngineError> {
        let black = vec![0; 3 * self.side * self.side];
        self.run_one(&Input::Pixels(Pixels::new(self.side, black)?))?;
        Ok(())
    }

    /// Image by image: an answer cannot depend on its company, and no image waits for weights that a batch would share.
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
        let outputs = self.evaluate((source, tensor), |state, inputs| {
            state.run_plan_with_eval(inputs, |context, mut state, node, inputs| {
                sighted.before(node, &inputs)?;
                let started = Instant::now();
                let outputs = eval(context, state.as_deref_mut(), node, inputs)?;
                let time = started.elapsed();
                sighted.after(node, &outputs, map_memory(context), time)?;
                TractResult::Ok(outputs)
            })
        })?;
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
