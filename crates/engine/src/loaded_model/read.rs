//! From a file, or the seed, to a graph in the form that can be served and what is known of it.

use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::ModelProto;

use super::{ModelError, ModelSettings};
use crate::model::{OutputKind, Precision, Preprocessing};
use crate::model_info::{ModelIdentity, ModelInfo};
use crate::network::check::{self, Interface};
use crate::network::intake::{self, Intake, Wanted};
use crate::network::report::ModelReport;
use crate::network::seeded::seeded_model;
use crate::network::shapes::Shapes;
use crate::network::{GoogLeNet, onnx};
use crate::weights::fetch::progress_for_stderr;
use crate::weights::manifest::proposal::Training;
use crate::weights::{
    Labels, ModelFile, Obtained, Origin, SearchPath, Sha256, cache_folder, obtain,
};

/// The seed of `--model untrained`.
const UNTRAINED_SEED: u64 = 0;

/// The folders that are searched for weights.
pub fn search_path() -> SearchPath {
    let program = std::env::current_exe().ok();
    SearchPath::new(program.as_deref(), cache_folder(|name| std::env::var_os(name)))
}

/// Reads a model and what is known of it, without making a plan.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn read_model(settings: &ModelSettings) -> Result<(ModelProto, ModelInfo), ModelError> {
    let mut progress = progress_for_stderr();
    match obtain(&settings.source, &search_path(), &settings.download, progress.as_mut())? {
        Obtained::File(file) => {
            let proto = decode(&file, settings.max_model_bytes)?;
            describe(&file, proto, settings)
        }
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
            let (interface, shapes) = check::interface_and_shapes(&proto)?;
            let info = described.info(&proto, interface, &shapes, settings.precision)?;
            Ok((proto, info))
        }
    }
}

/// What is known of the model that `file` holds, whose graph is `proto` as [`decode`] reads it.
///
/// # Errors
/// [`ModelError`] says what is wrong.
pub(super) fn describe(
    file: &ModelFile,
    proto: ModelProto,
    settings: &ModelSettings,
) -> Result<(ModelProto, ModelInfo), ModelError> {
    let (Intake { model: proto, output_kind, .. }, others) =
        take_in(file, proto, settings.max_model_bytes)?;
    let (interface, shapes) = check::interface_and_shapes(&proto)?;
    let preprocessing = match file.origin {
        // Nobody has said the size: it is the graph's.
        Origin::Assumed => Training::Caffe.preprocessing(interface.side),
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
    let info = described.info(&proto, interface, &shapes, settings.precision)?;
    if let Some(remark) = check::remark(&info.report) {
        tracing::info!(model = %file.path.display(), "{remark}");
    }
    Ok((proto, info))
}

/// The graph in the form that can be served, and the other files that hold weights of it.
fn take_in(
    file: &ModelFile,
    mut proto: ModelProto,
    most_bytes: u64,
) -> Result<(Intake, Vec<PathBuf>), ModelError> {
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
///
/// # Errors
/// [`ModelError`] when it is too large, cannot be read, or is no ONNX.
pub(super) fn decode(file: &ModelFile, most_bytes: u64) -> Result<ModelProto, ModelError> {
    if file.bytes > most_bytes {
        let (path, bytes) = (file.path.clone(), file.bytes);
        return Err(ModelError::TooLarge { path, bytes, most: most_bytes });
    }
    let bytes = std::fs::read(&file.path)
        .map_err(|source| ModelError::Read { path: file.path.clone(), source })?;
    if Sha256::of(&bytes) != file.sha256 {
        return Err(ModelError::Changed { path: file.path.clone() });
    }
    Ok(intake::decode(&bytes)?)
}

/// The first digits of the checksum of all files that hold the model.
fn version(file: &ModelFile, others: &[PathBuf]) -> Result<String, ModelError> {
    if others.is_empty() {
        return Ok(file.version());
    }
    let mut digests = file.sha256.to_string();
    for path in others {
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
        shapes: &Shapes,
        precision: Precision,
    ) -> Result<ModelInfo, ModelError> {
        Ok(ModelInfo {
            identity: ModelIdentity {
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
            report: ModelReport::of(proto, shapes)?,
        })
    }
}
