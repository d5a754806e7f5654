//! Why a model cannot serve.

use std::path::PathBuf;

use crate::network::DescriptionError;
use crate::network::check::CheckError;
use crate::network::intake::ExternalDataError;
use crate::network::report::ReportError;
use crate::plan::{CalibrationError, Int8LoadError, LoadError, SelfCheckError, TeamError};
use crate::weights::{FetchError, LabelsError, ModelFileError, ObtainError};
use googlenet_kernels::isa::IsaError;

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
    /// It was replaced while it was being read.
    #[error(
        "{path} changed while it was read: put a model in place by renaming it, and start again"
    )]
    Changed {
        /// The file.
        path: PathBuf,
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
            | Self::Changed { .. }
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
