//! Which calibration table is used.

use std::path::{Path, PathBuf};

use super::calibration::{Calibration, CalibrationError};

/// Largest activations of the BVLC weights.
const BVLC_CALIBRATION: &str = include_str!("../../../../models/googlenet.int8.toml");

/// Where the calibration table of an ONNX file lies.
pub fn calibration_path(model: &Path) -> PathBuf {
    model.with_extension("int8.toml")
}

/// The table that the user names, that beside the ONNX file, or the built-in one.
pub(super) fn calibration(
    named: Option<&Path>,
    model: Option<&Path>,
) -> Result<Calibration, CalibrationFileError> {
    let beside = model.map(calibration_path).filter(|path| path.is_file());
    let (path, text) = match named.map(Path::to_owned).or(beside) {
        None => ("the built-in calibration table".into(), BVLC_CALIBRATION.to_owned()),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => (path, text),
            Err(source) => return Err(CalibrationFileError::Read { path, source }),
        },
    };
    Calibration::parse(&text).map_err(|source| CalibrationFileError::Table { path, source })
}

/// A calibration table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationFileError {
    /// It cannot be read.
    #[error(
        "cannot read the calibration table {path}: {source}: make one with \
         `googlenet calibrate DIR`, DIR being a folder of photos"
    )]
    Read {
        /// The table.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is none.
    #[error(
        "{path}: {source}: make a table with `googlenet calibrate DIR`, DIR being a folder of photos"
    )]
    Table {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        source: CalibrationError,
    },
}
