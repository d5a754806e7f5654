//! The plan that the settings ask for, compared before it serves: with stored answers of ONNX Runtime where the weights
//! are known by their checksum, else with stock tract.

use std::path::Path;
use std::sync::Arc;

use super::calibration::Int8LoadError;
use super::calibration_file::calibration;
use super::dead_layers::explain;
use super::fast::FastPlan;
use super::load::LoadError;
use super::logits::logits;
use super::self_check::{Logits, Reference, SelfCheckError, check_stored, self_check};
use super::settings::{PlanSettings, PlanSettingsError};
use super::stock::StockPlan;
use super::stored_answers::bvlc_answers;
use super::team::{Team, TeamError};
use crate::model::{Input, OutputKind, Precision, Preprocessing};
use crate::network::ParsedGraph;
use crate::network::report::ModelReport;

/// How far the plan that serves may be from stock tract, in probability.
const TOLERANCE: f32 = 1e-3;
/// The same in int8: it finds a plan that computes something else, not one that rounds coarsely.
const INT8_TOLERANCE: f32 = 0.25;
/// The same from stored answers. It may be closer: a plan that is farther away is held against stock tract.
const STORED_TOLERANCE: f32 = 1e-4;
/// The same in int8. With the built-in table the plan is 0.064 away.
const INT8_STORED_TOLERANCE: f32 = 0.1;

/// What a plan is made of.
#[derive(Clone, Copy)]
pub struct Planned<'a> {
    /// The graph.
    pub graph: &'a ParsedGraph,
    /// What its output was in the file.
    pub output_kind: OutputKind,
    /// From a photo to its input.
    pub preprocessing: &'a Preprocessing,
    /// What the graph was counted to be: its modules are named so.
    pub report: &'a ModelReport,
    /// The ONNX file, where there is one: its calibration table lies beside it.
    pub path: Option<&'a Path>,
    /// The model's name, for the log.
    pub name: &'a str,
    /// Whether its weights are BVLC's, by their checksum.
    pub is_bvlc: bool,
}

/// Why there is no plan to serve with.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be as it was asked for.
    #[error(transparent)]
    Settings(#[from] PlanSettingsError),
    /// tract cannot run the graph.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot run in int8.
    #[error(transparent)]
    LoadInt8(#[from] Int8LoadError),
    /// It has no threads.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// It disagrees with stock tract.
    #[error(transparent)]
    SelfCheck(#[from] SelfCheckError),
}

/// Packs and optimises a plan, and holds it against stored answers or stock tract; `stage` hears what is being done.
///
/// # Errors
/// [`PlanError`] says why it cannot serve.
pub fn checked_plan(
    model: Planned<'_>,
    settings: &PlanSettings,
    stage: impl Fn(&'static str),
) -> Result<FastPlan, PlanError> {
    let isa = settings.isa().map_err(PlanSettingsError::from)?;
    let team = Arc::new(Team::new(settings.cores)?);
    stage("finding its layers and packing their weights");
    let Planned { graph, preprocessing, .. } = model;
    let (plan, tolerance) = match settings.precision {
        Precision::F32 => (FastPlan::load(graph, preprocessing, isa, team)?, TOLERANCE),
        Precision::Int8 => {
            let table = calibration(settings.calibration.as_deref(), model.path)
                .map_err(PlanSettingsError::from)?;
            (FastPlan::load_int8(graph, preprocessing, isa, team, &table)?, INT8_TOLERANCE)
        }
    };
    let plan = plan.named_after(model.report);
    stage("checking its answers");
    if !agrees_with_stored(model, &plan, settings.precision) {
        stage("optimising the reference and comparing its answers");
        check(model, &plan, tolerance, settings.cores)?;
    }
    let sets = settings.instruction_sets().map_err(PlanSettingsError::from)?;
    let precision = settings.precision.as_str();
    tracing::info!(instruction_sets = %sets, precision, cores = settings.cores, "plan");
    Ok(plan)
}

/// Whether there are stored answers for the weights, and `plan` gives them. If it does not, it is not known yet what is
/// wrong: the stored answers, too, are only one witness.
fn agrees_with_stored(model: Planned<'_>, plan: &FastPlan, precision: Precision) -> bool {
    let tolerance = match precision {
        Precision::F32 => STORED_TOLERANCE,
        Precision::Int8 => INT8_STORED_TOLERANCE,
    };
    let stored = if model.is_bvlc { bvlc_answers(model.preprocessing) } else { None };
    let Some(stored) = stored else { return false };
    let checked = check_stored(plan, &stored, tolerance, model.preprocessing.side);
    if let Err(error) = &checked {
        tracing::info!(
            model = model.name,
            "the answers are not those that are stored for these weights, so they are compared with stock tract's: {error}"
        );
    }
    checked.is_ok()
}

/// Holds `plan` against stock tract.
fn check(
    model: Planned<'_>,
    plan: &FastPlan,
    tolerance: f32,
    cores: usize,
) -> Result<(), PlanError> {
    let Planned { graph, preprocessing, .. } = model;
    let reference = StockPlan::load(graph, preprocessing)?;
    let logits = |pictures: &[Input]| logits(graph, preprocessing, pictures);
    let logits = (model.output_kind == OutputKind::Logits).then_some(&logits as &Logits<'_>);
    let against = Reference { engine: &reference, tolerance, cores, logits };
    let where_it_dies = || explain(graph, preprocessing);
    match self_check(plan, against, preprocessing.side) {
        Ok(None) => Ok(()),
        Ok(Some(suspicion)) => {
            tracing::warn!(model = model.name, "{suspicion}{}", where_it_dies());
            Ok(())
        }
        Err(SelfCheckError::Constant { pictures, .. }) => {
            let place = where_it_dies();
            Err(SelfCheckError::Constant { pictures, place }.into())
        }
        Err(error) => Err(error.into()),
    }
}
