//! From the user's choice of a model to one that can serve: find, read, check, plan.

mod error;
mod read;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tract_onnx::pb::ModelProto;

use crate::load_progress::LoadProgress;
use crate::model::{Engine, Input, OutputKind, Precision};
use crate::model_info::ModelInfo;
use crate::network::facts::FileFacts;
use crate::plan::{
    Calibration, Calibrator, FastPlan, Logits, Reference, SelfCheckError, StockPlan, Team, explain,
    logits, self_check,
};
use crate::weights::{self, ModelFile, ModelSource, ObtainError};
use googlenet_kernels::isa::{Isa, IsaError};

pub use error::ModelError;
pub use read::{read_model, search_path};
pub use settings::ModelSettings;

/// A model that is ready to serve.
pub struct LoadedModel {
    /// Runs it.
    pub engine: Arc<dyn Engine>,
    /// What it is.
    pub info: ModelInfo,
}

/// How far the plan that serves may be from stock tract, in probability.
const TOLERANCE: f32 = 1e-3;
/// The same in int8: it finds a plan that computes something else, not one that rounds coarsely.
const INT8_TOLERANCE: f32 = 0.25;
/// Largest activations of the BVLC weights.
const BVLC_CALIBRATION: &str = include_str!("../../../../models/googlenet.int8.toml");

/// Checks what can be checked of a choice before a model is read: that the files it names are there,
/// that the download's settings can be read if one is needed, that the machine has the instruction
/// set.
///
/// # Errors
/// [`ModelError`], whose [`knob`](ModelError::knob) says what to change.
pub fn check(settings: &ModelSettings) -> Result<(), ModelError> {
    weights::check(&settings.source, &search_path(), &settings.download)?;
    isa(settings)?;
    if settings.calibration.is_some() {
        calibration(settings, None)?;
    }
    Ok(())
}

/// Loads a model: reads it, optimises its plan, checks it against stock tract and warms it. A lone
/// image is shared by `cores` threads.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn load_model(settings: &ModelSettings, cores: usize) -> Result<LoadedModel, ModelError> {
    with_deep_stack(|| {
        check(settings)?;
        let progress = LoadProgress::begin("reading and checking the graph");
        let (proto, info) = read::read_model(settings)?;
        plan(proto, info, settings, cores, &progress)
    })
}

/// What is in a file, whether it can be served or not.
pub struct Inspected {
    /// The file and what describes it.
    pub file: ModelFile,
    /// What it says of itself.
    pub facts: FileFacts,
    /// The model that would serve, or why there is none.
    pub loaded: Result<LoadedModel, ModelError>,
}

/// Reads a file to tell what it is.
///
/// # Errors
/// [`ModelError`] when it is not there, or no ONNX at all.
pub fn inspect(settings: &ModelSettings, cores: usize) -> Result<Inspected, ModelError> {
    let ModelSource::File(path) = &settings.source else { return Err(ModelError::NoFile) };
    let file = ModelFile::open(path).map_err(ObtainError::from)?;
    let proto = read::decode(&file, settings.max_model_bytes)?;
    let facts = FileFacts::of(&proto);
    let loaded = with_deep_stack(|| {
        let progress = LoadProgress::begin("checking the graph");
        let (proto, info) = read::describe(&file, proto, settings)?;
        plan(proto, info, settings, cores, &progress)
    });
    Ok(Inspected { facts, loaded, file })
}

/// tract goes through a graph by recursion: its nodes may be many.
const STACK_BYTES: usize = 256 << 20;

/// Runs `run` in a thread that ends with it. The allocator keeps what a thread has freed for that thread, and gives it
/// back when it ends: what a load took for a while is not counted as memory that stays. A panic in it is an error: tract
/// panics on some malformed graphs.
fn with_deep_stack<T: Send>(
    run: impl FnOnce() -> Result<T, ModelError> + Send,
) -> Result<T, ModelError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("load".into()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, run).map_err(ModelError::Thread)?;
        running.join().unwrap_or(Err(ModelError::Malformed))
    })
}

/// Packs and optimises the plan of `proto`, and holds it against stock tract.
fn plan(
    proto: ModelProto,
    info: ModelInfo,
    settings: &ModelSettings,
    cores: usize,
    progress: &LoadProgress,
) -> Result<LoadedModel, ModelError> {
    let isa = isa(settings)?;
    let team = Arc::new(Team::new(cores)?);
    progress.enter("finding its layers and packing their weights");
    let (plan, tolerance) = match settings.precision {
        Precision::F32 => (FastPlan::load(&proto, &info.preprocessing, isa, team)?, TOLERANCE),
        Precision::Int8 => {
            let table = calibration(settings, info.path.as_deref())?;
            let plan = FastPlan::load_int8(&proto, &info.preprocessing, isa, team, &table)?;
            (plan, INT8_TOLERANCE)
        }
    };
    progress.enter("optimising the reference");
    let reference = StockPlan::load(&proto, &info.preprocessing)?;
    progress.enter("checking its answers");
    let logits = |pictures: &[Input]| logits(&proto, &info.preprocessing, pictures);
    let logits = (info.output_kind == OutputKind::Logits).then_some(&logits as &Logits<'_>);
    let against = Reference { engine: &reference, tolerance, cores, logits };
    let where_it_dies = || explain(&proto, &info.preprocessing);
    match self_check(&plan, against, info.preprocessing.side) {
        Ok(None) => {}
        Ok(Some(suspicion)) => {
            tracing::warn!(model = info.identity.name, "{suspicion}{}", where_it_dies());
        }
        Err(SelfCheckError::Constant { pictures, .. }) => {
            let place = where_it_dies();
            return Err(SelfCheckError::Constant { pictures, place }.into());
        }
        Err(error) => return Err(error.into()),
    }
    let precision = settings.precision.as_str();
    tracing::info!(isa = isa.name().as_str(), precision, cores, "plan");
    Ok(LoadedModel { engine: Arc::new(plan), info })
}

/// The instruction set that `settings` asks for, or the fastest that the machine has.
///
/// # Errors
/// [`IsaError`] when the machine does not have it.
pub fn isa(settings: &ModelSettings) -> Result<Isa, IsaError> {
    settings.isa.map_or_else(|| Ok(Isa::best()), Isa::require)
}

/// Reads a model to calibrate it.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn load_calibrator(settings: &ModelSettings) -> Result<(Calibrator, ModelInfo), ModelError> {
    with_deep_stack(|| {
        let (proto, info) = read::read_model(settings)?;
        Ok((Calibrator::new(&proto, &info.preprocessing)?, info))
    })
}

/// Where the calibration table of an ONNX file lies.
pub fn calibration_path(model: &Path) -> PathBuf {
    model.with_extension("int8.toml")
}

/// The table that the user names, that beside the ONNX file, or the built-in one.
fn calibration(settings: &ModelSettings, model: Option<&Path>) -> Result<Calibration, ModelError> {
    let beside = model.map(calibration_path).filter(|path| path.is_file());
    let Some(path) = settings.calibration.clone().or(beside) else {
        let path = PathBuf::from("the built-in calibration table");
        return Calibration::parse(BVLC_CALIBRATION)
            .map_err(|source| ModelError::Calibration { path, source });
    };
    match std::fs::read_to_string(&path) {
        Err(source) => Err(ModelError::ReadCalibration { path, source }),
        Ok(text) => {
            Calibration::parse(&text).map_err(|source| ModelError::Calibration { path, source })
        }
    }
}
