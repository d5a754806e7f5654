//! The loaded model, and how it is made: its graph and what is known of it, then its plan.

mod error;
mod read;
mod settings;

use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use crate::load_progress::LoadProgress;
use crate::model::Engine;
use crate::model_info::ModelInfo;
use crate::network::ParsedGraph;
use crate::network::facts::FileFacts;
use crate::network::intake::decode;
use crate::plan::{Calibrator, PlanError, Planned, checked_plan, memory_for_weights};
use crate::weights::{self, Manifest, ModelFile, ModelSource};

pub use crate::plan::{PlanSettings, calibration_path};
pub use error::ModelError;
pub use read::read_model;
pub use settings::ModelSettings;

/// A model that is ready to serve.
pub struct LoadedModel {
    /// Runs it.
    pub engine: Arc<dyn Engine>,
    /// What it is.
    pub info: ModelInfo,
}

/// Checks what can be checked of a choice before a model is read: that the files it names are there,
/// that the download's settings can be read if one is needed, that the machine has the instruction
/// set.
///
/// # Errors
/// [`ModelError`], whose [`knob`](ModelError::knob) says what to change.
pub fn check(settings: &ModelSettings) -> Result<(), ModelError> {
    weights::check(&settings.source, &settings.search, &settings.download)?;
    Ok(settings.plan.check()?)
}

/// Loads a model: reads it, optimises its plan, checks it against stock tract.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn load_model(settings: &ModelSettings) -> Result<LoadedModel, ModelError> {
    with_deep_stack(|| {
        check(settings)?;
        let progress = LoadProgress::begin("reading and checking the graph");
        thread::scope(|scope| {
            let precision = settings.plan.precision;
            let ready = thread::Builder::new()
                .name("weights-memory".into())
                .spawn_scoped(scope, move || memory_for_weights(precision));
            let (graph, info) = read_model(settings)?;
            let loaded = plan(&graph, info, &settings.plan, &progress)?;
            // Without a thread, or after a panic in it, packing takes its memory itself.
            drop(ready.map(ScopedJoinHandle::join));
            Ok(loaded)
        })
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
pub fn inspect(settings: &ModelSettings) -> Result<Inspected, ModelError> {
    let ModelSource::File(path) = &settings.source else { return Err(ModelError::NoFile) };
    let (file, content) = ModelFile::open(path, settings.max_model_bytes)?;
    let proto = decode(&content)?;
    drop(content);
    let facts = FileFacts::of(&proto);
    let loaded = with_deep_stack(|| {
        let progress = LoadProgress::begin("checking the graph");
        let (graph, info) = read::describe(&file, proto, settings)?;
        Ok(plan(&graph, info, &settings.plan, &progress)?)
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

fn plan(
    graph: &ParsedGraph,
    info: ModelInfo,
    settings: &PlanSettings,
    progress: &LoadProgress,
) -> Result<LoadedModel, PlanError> {
    let planned = Planned {
        graph,
        output_kind: info.output_kind,
        preprocessing: &info.preprocessing,
        report: &info.report,
        path: info.path.as_deref(),
        name: &info.identity.name,
        is_bvlc: Manifest::builtin().knows_version(&info.identity.version),
    };
    let plan = checked_plan(planned, settings, |stage| progress.enter(stage))?;
    Ok(LoadedModel { engine: Arc::new(plan), info })
}

/// Reads a model to calibrate it.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn load_calibrator(settings: &ModelSettings) -> Result<(Calibrator, ModelInfo), ModelError> {
    with_deep_stack(|| {
        let (graph, info) = read_model(settings)?;
        let calibrator = Calibrator::new(&graph, &info.preprocessing).map_err(PlanError::from)?;
        Ok((calibrator, info))
    })
}
