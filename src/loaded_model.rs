//! From the user's choice of a model to one that can serve: find, read, check, plan.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use prost::Message;
use tract_onnx::pb::ModelProto;

use crate::config::{DownloadConfig, ModelConfig, Precision};
use crate::kernels::isa::{Isa, IsaError};
use crate::load_progress::LoadProgress;
use crate::model::{Engine, OutputKind, Preprocessing, Resize};
use crate::model_info::{ModelInfo, ModelName};
use crate::network::check::{self, CheckError, Interface};
use crate::network::facts::FileFacts;
use crate::network::intake::{self, ExternalDataError, ExternalFile, Intake, Wanted};
use crate::network::report::{ModelReport, ReportError};
use crate::network::seeded::seeded_model;
use crate::network::{DescriptionError, GoogLeNet, onnx};
use crate::plan::{
    Calibration, CalibrationError, Calibrator, FastPlan, Int8LoadError, LoadError, SelfCheckError,
    StockPlan, Team, TeamError, explain, self_check,
};
use crate::weights::fetch::progress_for_stderr;
use crate::weights::{
    self, Download, FetchError, Labels, LabelsError, ModelFile, ModelFileError, ModelSource,
    ObtainError, Obtained, Origin, SearchPath, Sha256, cache_folder, obtain,
};

/// A model that is ready to serve.
pub struct LoadedModel {
    /// Runs it.
    pub engine: Arc<dyn Engine>,
    /// What it is.
    pub info: ModelInfo,
}

/// The seed of `--model untrained`.
const UNTRAINED_SEED: u64 = 0;
/// How far the plan that serves may be from stock tract, in probability.
const TOLERANCE: f32 = 1e-3;
/// The same in int8: it finds a plan that computes something else, not one that rounds coarsely.
const INT8_TOLERANCE: f32 = 0.25;
/// Largest activations of the BVLC weights.
const BVLC_CALIBRATION: &str = include_str!("../models/googlenet.int8.toml");

/// The folders that are searched for weights.
pub fn search_path() -> SearchPath {
    let program = std::env::current_exe().ok();
    SearchPath::new(program.as_deref(), cache_folder(|name| std::env::var_os(name)))
}

/// The download that `config` asks for.
pub fn download(config: &DownloadConfig) -> Download {
    let mut download =
        Download { certificates: config.tls_certificates.clone(), ..Download::default() };
    if let Some(url) = &config.model_url {
        download.url.clone_from(url);
    }
    download
}

/// Checks what can be checked of a choice before a model is read: that the files it names are there,
/// that the download's settings can be read if one is needed, that the machine has the instruction
/// set.
///
/// # Errors
/// [`ModelError`], whose [`knob`](ModelError::knob) says what to change.
pub fn check(config: &ModelConfig) -> Result<(), ModelError> {
    weights::check(&config.model, &search_path(), &download(&config.download))?;
    isa(config)?;
    if config.calibration.is_some() {
        calibration(config, None)?;
    }
    Ok(())
}

/// Reads a model and what is known of it, without making a plan.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn read_model(config: &ModelConfig) -> Result<(ModelProto, ModelInfo), ModelError> {
    let mut progress = progress_for_stderr();
    match obtain(&config.model, &search_path(), &download(&config.download), progress.as_mut())? {
        Obtained::File(file) => read_file(&file, config.precision, config.max_model_bytes),
        Obtained::Untrained => {
            let proto = seeded_model(&GoogLeNet::new(224, 1000)?, UNTRAINED_SEED);
            let version = Sha256::of(&proto.encode_to_vec()).version();
            let described = Described {
                name: "googlenet".into(),
                version,
                output_kind: OutputKind::Probabilities,
                preprocessing: Preprocessing::bvlc(),
                labels: Labels::imagenet(),
                path: None,
            };
            let interface = check::interface(&proto)?;
            let info = described.info(&proto, interface, config.precision)?;
            Ok((proto, info))
        }
    }
}

/// Loads a model: reads it, optimises its plan, checks it against stock tract and warms it. A lone
/// image is shared by `cores` threads.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn load_model(config: &ModelConfig, cores: usize) -> Result<LoadedModel, ModelError> {
    with_deep_stack(|| load(config, cores))
}

/// tract goes through a graph by recursion: its nodes may be many.
const STACK_BYTES: usize = 256 << 20;

fn with_deep_stack<T: Send>(
    run: impl FnOnce() -> Result<T, ModelError> + Send,
) -> Result<T, ModelError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("load".into()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, run).map_err(ModelError::Thread)?;
        running.join().unwrap_or(Err(ModelError::Malformed))
    })
}

fn load(config: &ModelConfig, cores: usize) -> Result<LoadedModel, ModelError> {
    check(config)?;
    let progress = LoadProgress::begin("reading and checking the graph");
    let (proto, info) = read_model(config)?;
    let isa = isa(config)?;
    let team = Arc::new(Team::new(cores)?);
    let (plan, suspicion) = contained(|| {
        progress.enter("finding its layers and packing their weights");
        let (plan, tolerance) = match config.precision {
            Precision::F32 => (FastPlan::load(&proto, &info.preprocessing, isa, team)?, TOLERANCE),
            Precision::Int8 => {
                let table = calibration(config, info.path.as_deref())?;
                let plan = FastPlan::load_int8(&proto, &info.preprocessing, isa, team, &table)?;
                (plan, INT8_TOLERANCE)
            }
        };
        progress.enter("optimising the reference");
        let reference = StockPlan::load(&proto, &info.preprocessing)?;
        progress.enter("checking its answers");
        let (side, kind) = (info.preprocessing.side, info.output_kind);
        match self_check(&plan, &reference, side, tolerance, kind) {
            Ok(suspicion) => Ok((plan, suspicion)),
            Err(SelfCheckError::Constant { pictures, .. }) => {
                let place = explain(&proto, &info.preprocessing);
                Err(SelfCheckError::Constant { pictures, place }.into())
            }
            Err(error) => Err(error.into()),
        }
    })?;
    if let Some(suspicion) = suspicion {
        let place = explain(&proto, &info.preprocessing);
        tracing::warn!(model = info.name.name, "{suspicion}{place}");
    }
    drop(proto);
    let precision = config.precision.as_str();
    tracing::info!(isa = isa.name().as_str(), precision, cores, "plan");
    Ok(LoadedModel { engine: Arc::new(plan), info })
}

/// Runs `load`; a panic in it is an error. tract panics on some malformed graphs.
fn contained<T>(load: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or(Err(ModelError::Malformed))
}

/// The instruction set that `config` asks for, or the fastest that the machine has.
///
/// # Errors
/// [`IsaError`] when the machine does not have it.
pub fn isa(config: &ModelConfig) -> Result<Isa, IsaError> {
    config.isa.map_or_else(|| Ok(Isa::best()), Isa::require)
}

/// Reads a model to calibrate it.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn load_calibrator(config: &ModelConfig) -> Result<(Calibrator, ModelInfo), ModelError> {
    let (proto, info) = read_model(config)?;
    Ok((Calibrator::new(&proto, &info.preprocessing)?, info))
}

/// Where the calibration table of an ONNX file lies.
pub fn calibration_path(model: &Path) -> PathBuf {
    model.with_extension("int8.toml")
}

/// The table that the user names, that beside the ONNX file, or the built-in one.
fn calibration(config: &ModelConfig, model: Option<&Path>) -> Result<Calibration, ModelError> {
    let beside = model.map(calibration_path).filter(|path| path.is_file());
    let Some(path) = config.calibration.clone().or(beside) else {
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

fn read_file(
    file: &ModelFile,
    precision: Precision,
    most_bytes: u64,
) -> Result<(ModelProto, ModelInfo), ModelError> {
    let (Intake { model: proto, output_kind, .. }, others) = take_in(file, most_bytes)?;
    let interface = check::interface(&proto)?;
    let preprocessing = match file.origin {
        // Nobody has said the size: it is the graph's.
        Origin::Assumed => assumed(interface.side),
        Origin::Toml(_) | Origin::Known => file.manifest.preprocessing.clone(),
    };
    if preprocessing.side != interface.side {
        return Err(ModelError::Side {
            path: file.path.clone(),
            file: interface.side,
            toml: preprocessing.side,
        });
    }
    let labels = file.labels(interface.classes)?.labels;
    let name = file.path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let described = Described {
        name,
        version: version(file, &others)?,
        output_kind,
        preprocessing,
        labels,
        path: Some(file.path.clone()),
    };
    let info = described.info(&proto, interface, precision)?;
    if let Some(warning) = check::warning(&info.report) {
        tracing::warn!(model = %file.path.display(), "{warning}");
    }
    Ok((proto, info))
}

/// The graph in the form that can be served, and the other files that hold weights of it.
fn take_in(file: &ModelFile, most_bytes: u64) -> Result<(Intake, Vec<ExternalFile>), ModelError> {
    if file.bytes > most_bytes {
        let (path, bytes) = (file.path.clone(), file.bytes);
        return Err(ModelError::TooLarge { path, bytes, most: most_bytes });
    }
    let mut proto = decode(file)?;
    let folder = file.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let others = intake::read_external_data(&mut proto, folder, file.bytes..most_bytes)?;
    let output = file.manifest.output.clone();
    let side = file.manifest.preprocessing.side;
    let wanted = Wanted { side, output: output.name, kind: output.kind };
    let intake = intake::intake(proto, &wanted)?;
    for change in &intake.changes {
        tracing::info!(model = %file.path.display(), "{change}");
    }
    for warning in &intake.warnings {
        tracing::warn!(model = %file.path.display(), "{warning}");
    }
    Ok((intake, others))
}

/// The graph and its weights, those in other files left there.
fn decode(file: &ModelFile) -> Result<ModelProto, ModelError> {
    let bytes = std::fs::read(&file.path)
        .map_err(|source| ModelError::Read { path: file.path.clone(), source })?;
    Ok(intake::decode(&bytes)?)
}

/// BVLC's preprocessing for another side.
fn assumed(side: usize) -> Preprocessing {
    let bvlc = Preprocessing::bvlc();
    let size = (bvlc.resize.size() * side / bvlc.side).max(side);
    Preprocessing { side, resize: Resize::Stretch { size }, ..bvlc }
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
pub fn inspect(config: &ModelConfig, cores: usize) -> Result<Inspected, ModelError> {
    let ModelSource::File(path) = &config.model else { return Err(ModelError::NoFile) };
    let file = ModelFile::open(path).map_err(ObtainError::from)?;
    if file.bytes > config.max_model_bytes {
        let (path, bytes, most) = (file.path, file.bytes, config.max_model_bytes);
        return Err(ModelError::TooLarge { path, bytes, most });
    }
    let facts = FileFacts::of(&decode(&file)?);
    Ok(Inspected { facts, loaded: load_model(config, cores), file })
}

/// The first digits of the checksum of all files that hold the model.
fn version(file: &ModelFile, others: &[ExternalFile]) -> Result<String, ModelError> {
    if others.is_empty() {
        return Ok(file.version());
    }
    let mut digests = file.sha256.to_string();
    for ExternalFile { path } in others {
        let (digest, _) = Sha256::of_file(path)
            .map_err(|source| ModelError::Read { path: path.clone(), source })?;
        digests.push_str(&digest.to_string());
    }
    Ok(Sha256::of(digests.as_bytes()).version())
}

/// What is known of a model beside its graph.
struct Described {
    name: String,
    version: String,
    output_kind: OutputKind,
    preprocessing: Preprocessing,
    labels: Labels,
    path: Option<PathBuf>,
}

impl Described {
    fn info(
        self,
        proto: &ModelProto,
        interface: Interface,
        precision: Precision,
    ) -> Result<ModelInfo, ModelError> {
        Ok(ModelInfo {
            name: ModelName {
                name: self.name,
                version: self.version,
                precision: precision.as_str().into(),
                trained: onnx::is_trained(proto),
            },
            path: self.path,
            input_name: interface.input_name,
            output_name: interface.output_name,
            output_kind: self.output_kind,
            preprocessing: self.preprocessing,
            labels: self.labels,
            report: ModelReport::new(proto)?,
        })
    }
}

/// Why a model cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is not at hand.
    #[error(transparent)]
    Obtain(#[from] ObtainError),
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is larger than any that is expected.
    #[error(
        "{path} has {bytes} bytes, at most {most} are read (--max-model-bytes): name another file, or raise the limit"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// It is no classifier of images.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Weights that lie beside it cannot be read.
    #[error(transparent)]
    ExternalData(#[from] ExternalDataError),
    /// The TOML says another size than the graph.
    #[error(
        "{path} takes images of {file} x {file} pixels, but its description says {toml}: \
         correct `side` in the TOML beside it"
    )]
    Side {
        /// The file.
        path: PathBuf,
        /// What the graph takes.
        file: usize,
        /// What the TOML says.
        toml: usize,
    },
    /// The calibration table cannot be read.
    #[error(
        "cannot read the calibration table {path}: {source}: make one with \
         `googlenet calibrate DIR`, DIR being a folder of photos"
    )]
    ReadCalibration {
        /// The table.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The calibration table is none.
    #[error(
        "{path}: {source}: make a table with `googlenet calibrate DIR`, DIR being a folder of photos"
    )]
    Calibration {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        source: CalibrationError,
    },
    /// There is no file to look at.
    #[error("name an ONNX file: there is nothing in seeded weights to inspect")]
    NoFile,
    /// tract gave up on its graph.
    #[error(
        "the graph of the model is malformed in a way that no check here has a name for: export it again, or simplify it \
         (python -m onnxsim in.onnx out.onnx)"
    )]
    Malformed,
    /// No thread could be started.
    #[error("cannot start a thread to load the model: {0}")]
    Thread(std::io::Error),
    /// Its labels do not fit.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// Its layers cannot be counted.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The seeded network cannot be described.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// tract cannot run it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot run in int8.
    #[error(transparent)]
    LoadInt8(#[from] Int8LoadError),
    /// The machine does not have the instruction set that was asked for.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The plan has no threads.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// The plan disagrees with stock tract.
    #[error(transparent)]
    SelfCheck(#[from] SelfCheckError),
}

impl ModelError {
    /// The knob whose value is at fault, as the name of its field; `None` when it is another fault,
    /// or its message names a variable.
    pub fn knob(&self) -> Option<&'static str> {
        match self {
            Self::Obtain(ObtainError::File(
                ModelFileError::Locate(_) | ModelFileError::Read { .. },
            ))
            | Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::ExternalData(_)
            | Self::Check(_) => Some("model"),
            Self::Obtain(ObtainError::Settings(FetchError::Url { .. })) => Some("model_url"),
            Self::Obtain(ObtainError::Settings(FetchError::Certificates { .. })) => {
                Some("tls_certificates")
            }
            Self::ReadCalibration { .. } | Self::Calibration { .. } => Some("calibration"),
            Self::Isa(_) => Some("isa"),
            _ => None,
        }
    }
}
