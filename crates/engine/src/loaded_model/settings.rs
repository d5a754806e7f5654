//! Which model, and how it is run.

use std::path::PathBuf;

use googlenet_kernels::isa::IsaName;

use crate::model::Precision;
use crate::weights::{Download, ModelSource};

/// A choice of a model.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// Where it is.
    pub source: ModelSource,
    /// How the weights are downloaded where that is chosen and none are at hand.
    pub download: Download,
    /// Largest model that is read, its files together.
    pub max_model_bytes: u64,
    /// Number format of the arithmetic.
    pub precision: Precision,
    /// The calibration table for int8; none: that beside the ONNX file, or the built-in one.
    pub calibration: Option<PathBuf>,
    /// Instruction set of the kernels; none: the fastest that the machine has.
    pub isa: Option<IsaName>,
}
