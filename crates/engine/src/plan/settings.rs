//! How a model is run.

use std::path::PathBuf;

use super::calibration_file::{CalibrationFileError, calibration};
use crate::model::{InstructionSets, Precision};
use googlenet_kernels::isa::{Isa, IsaChoice, IsaError};

/// How a model is run.
#[derive(Clone, Debug)]
pub struct PlanSettings {
    /// Number format of the arithmetic.
    pub precision: Precision,
    /// The calibration table for int8; none: that beside the ONNX file, or the built-in one.
    pub calibration: Option<PathBuf>,
    /// Instruction set of the kernels.
    pub isa: IsaChoice,
    /// Threads that share a lone image, and at the start the pictures of the self-check.
    pub cores: usize,
}

/// A setting cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum PlanSettingsError {
    /// The calibration table cannot be used.
    #[error(transparent)]
    Calibration(#[from] CalibrationFileError),
    /// The machine does not have the instruction set that was asked for.
    #[error(transparent)]
    Isa(#[from] IsaError),
}

impl PlanSettings {
    /// Checks what can be checked before there is a graph.
    ///
    /// # Errors
    /// [`PlanSettingsError`] when the machine does not have the instruction set, or there is no such table.
    pub fn check(&self) -> Result<(), PlanSettingsError> {
        self.isa()?;
        if self.calibration.is_some() {
            calibration(self.calibration.as_deref(), None)?;
        }
        Ok(())
    }

    /// The instruction set that was asked for, or the fastest that the machine has.
    ///
    /// # Errors
    /// [`IsaError`] when the machine does not have it.
    pub fn isa(&self) -> Result<Isa, IsaError> {
        self.isa.isa()
    }

    /// What it means for each number format.
    ///
    /// # Errors
    /// [`IsaError`] when the machine does not have it.
    pub fn instruction_sets(&self) -> Result<InstructionSets, IsaError> {
        let isa = self.isa()?;
        Ok(InstructionSets { f32: isa.for_floats().as_str(), int8: isa.for_bytes().as_str() })
    }
}
