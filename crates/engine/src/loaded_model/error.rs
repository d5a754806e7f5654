//! Why a model cannot serve.

use std::path::PathBuf;

use crate::groups::GroupsError;
use crate::network::GraphError;
use crate::network::check::CheckError;
use crate::plan::{PlanError, PlanSettingsError};
use crate::weights::{FetchError, LabelsError, ModelFileError, ObtainError};

/// Why a model cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is not at hand, or cannot be read.
    #[error(transparent)]
    Obtain(#[from] ObtainError),
    /// Its graph cannot be served.
    #[error(transparent)]
    Graph(#[from] GraphError),
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
    /// Its labels do not fit.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// Its groups are too many.
    #[error(transparent)]
    Groups(#[from] GroupsError),
    /// It has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
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
}

impl From<ModelFileError> for ModelError {
    fn from(error: ModelFileError) -> Self {
        Self::Obtain(error.into())
    }
}

impl From<CheckError> for ModelError {
    fn from(error: CheckError) -> Self {
        Self::Graph(error.into())
    }
}

impl From<PlanSettingsError> for ModelError {
    fn from(error: PlanSettingsError) -> Self {
        Self::Plan(error.into())
    }
}

impl ModelError {
    /// The knob whose value is at fault, as the name of its field; `None` when it is another fault,
    /// or its message names a variable.
    pub fn knob(&self) -> Option<&'static str> {
        match self {
            Self::Obtain(ObtainError::File(
                ModelFileError::Locate(_)
                | ModelFileError::Read { .. }
                | ModelFileError::TooLarge { .. },
            ))
            | Self::Graph(GraphError::Check(_) | GraphError::ExternalData(_)) => Some("model"),
            Self::Obtain(ObtainError::Settings(FetchError::Url { .. })) => Some("model_url"),
            Self::Obtain(ObtainError::Settings(FetchError::Certificates { .. })) => {
                Some("tls_certificates")
            }
            Self::Plan(PlanError::Settings(PlanSettingsError::Calibration(_))) => {
                Some("calibration")
            }
            Self::Plan(PlanError::Settings(PlanSettingsError::Isa(_))) => Some("isa"),
            _ => None,
        }
    }
}
