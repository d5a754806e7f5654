//! From a file, or the seed, to a graph in the form that can be served and what is known of it.

use std::path::PathBuf;

use super::{ModelError, ModelSettings};
use crate::groups::{GroupTree, Groups};
use crate::model::Preprocessing;
use crate::model_info::{ModelIdentity, ModelInfo};
use crate::network::intake::{Wanted, decode};
use crate::network::onnx::ModelProto;
use crate::network::{ParsedGraph, ServableGraph};
use crate::plan::{PlanError, PlanSettings, PlanSettingsError};
use crate::weights::fetch::progress_for_stderr;
use crate::weights::manifest::proposal::Training;
use crate::weights::{Labels, ModelFile, Obtained, Origin, Sha256, obtain};

/// The seed of `--model untrained`.
const UNTRAINED_SEED: u64 = 0;

/// Reads a model and what is known of it, without making a plan.
///
/// # Errors
/// [`ModelError`] says what is wrong with which file.
pub fn read_model(settings: &ModelSettings) -> Result<(ParsedGraph, ModelInfo), ModelError> {
    let mut progress = progress_for_stderr();
    let ModelSettings { source, search, download, max_model_bytes, .. } = settings;
    match obtain(source, search, download, *max_model_bytes, progress.as_mut())? {
        Obtained::File(file, content) => {
            let proto = decode(&content)?;
            drop(content);
            describe(&file, proto, settings)
        }
        Obtained::Untrained => {
            let (graph, file) = ServableGraph::seeded(UNTRAINED_SEED)?;
            let labels = Labels::imagenet();
            let described = Described {
                name: "googlenet".into(),
                version: Sha256::of(&file).version(),
                preprocessing: Preprocessing::bvlc(),
                groups: Groups::new(GroupTree::wordnet(), labels.ids())?,
                labels,
                path: None,
            };
            described.with(graph, &settings.plan)
        }
    }
}

/// What is known of the model that `file` holds, whose graph is `proto`.
///
/// # Errors
/// [`ModelError`] says what is wrong.
pub(super) fn describe(
    file: &ModelFile,
    proto: ModelProto,
    settings: &ModelSettings,
) -> Result<(ParsedGraph, ModelInfo), ModelError> {
    let output = file.manifest.output.clone();
    let side = file.manifest.preprocessing.side;
    let wanted = Wanted { side, output: output.name, kind: output.kind };
    let bytes = file.bytes..settings.max_model_bytes;
    let (graph, others) = ServableGraph::take_in(proto, &file.path, bytes, &wanted)?;
    let interface = &graph.interface;
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
    let described = Described {
        name: file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        version: file.version_with(&others)?,
        preprocessing,
        groups: file.groups(&labels)?,
        labels,
        path: Some(file.path.clone()),
    };
    described.with(graph, &settings.plan)
}

/// What is known of a model beside its graph.
struct Described {
    name: String,
    version: String,
    preprocessing: Preprocessing,
    labels: Labels,
    groups: Groups,
    path: Option<PathBuf>,
}

impl Described {
    fn with(
        self,
        graph: ServableGraph,
        plan: &PlanSettings,
    ) -> Result<(ParsedGraph, ModelInfo), ModelError> {
        let instruction_sets =
            plan.instruction_sets().map_err(PlanSettingsError::from).map_err(PlanError::from)?;
        let info = ModelInfo {
            identity: ModelIdentity {
                name: self.name,
                version: self.version,
                precision: plan.precision.as_str().into(),
                trained: graph.is_trained,
            },
            path: self.path,
            input_name: graph.interface.input_name,
            output_name: graph.interface.output_name,
            output_kind: graph.output_kind,
            instruction_sets,
            preprocessing: self.preprocessing,
            labels: self.labels,
            groups: self.groups,
            report: graph.report,
        };
        Ok((graph.parsed, info))
    }
}
