//! From a file's graph to one that can be served, and what is known of it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use tract_onnx::pb::ModelProto;

use super::check::{self, CheckError, Checked, Interface};
use super::description::{DescriptionError, GoogLeNet};
use super::intake::{self, ExternalDataError, Intake, Wanted};
use super::onnx::is_trained;
use super::parsed::ParsedGraph;
use super::report::{ModelReport, ReportError};
use crate::model::OutputKind;

/// A graph that can be served: parsed, without the file that it came from.
pub struct ServableGraph {
    /// For the plan.
    pub parsed: ParsedGraph,
    /// What it reads and gives.
    pub interface: Interface,
    /// What its output was in the file.
    pub output_kind: OutputKind,
    /// Its layers, modules and totals.
    pub report: ModelReport,
    /// Whether its weights are trained.
    pub is_trained: bool,
}

/// Why a graph cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// It is no classifier of images.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Weights that lie beside it cannot be read.
    #[error(transparent)]
    ExternalData(#[from] ExternalDataError),
    /// Its layers cannot be counted.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The seeded network cannot be described.
    #[error(transparent)]
    Description(#[from] DescriptionError),
}

impl ServableGraph {
    /// Takes in the graph of the file at `path`; `bytes` are those of the file and those that all its files may have.
    /// Gives the other files that hold weights of it as well. What was changed, and what is odd, is logged.
    ///
    /// # Errors
    /// [`GraphError`] names the first thing that is in the way.
    pub fn take_in(
        mut model: ModelProto,
        path: &Path,
        bytes: Range<u64>,
        wanted: &Wanted,
    ) -> Result<(Self, Vec<PathBuf>), GraphError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let others = intake::read_external_data(&mut model, folder, bytes)?;
        let Intake { model, output_kind, changes, warnings } = intake::intake(model, wanted)?;
        for change in &changes {
            tracing::info!(model = %path.display(), "{change}");
        }
        for warning in &warnings {
            tracing::warn!(model = %path.display(), "{warning}");
        }
        let graph = Self::of(&model, output_kind)?;
        if let Some(remark) = check::remark(&graph.report) {
            tracing::info!(model = %path.display(), "{remark}");
        }
        Ok((graph, others))
    }

    /// Checks a graph that has the form of [`intake`] already.
    ///
    /// # Errors
    /// [`GraphError`] names the first thing that is in the way.
    pub fn of(model: &ModelProto, output_kind: OutputKind) -> Result<Self, GraphError> {
        let Checked { interface, parsed, shapes } = check::check(model)?;
        let report = ModelReport::of(model, &shapes)?;
        Ok(Self { parsed, interface, output_kind, report, is_trained: is_trained(model) })
    }

    /// The network of `--model untrained`, and its weights as a file would have them.
    ///
    /// # Errors
    /// [`GraphError`] names the first thing that is in the way.
    pub fn seeded(seed: u64) -> Result<(Self, Vec<u8>), GraphError> {
        let model = super::seeded::seeded_model(&GoogLeNet::new(224, 1000)?, seed);
        let graph = Self::of(&model, OutputKind::Probabilities)?;
        Ok((graph, prost::Message::encode_to_vec(&model)))
    }
}
