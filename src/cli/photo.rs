//! From an image file's bytes to the network's inputs, as the commands need it.

use std::panic::catch_unwind;

use bytes::Bytes;

use super::CliError;
use crate::decode::{self, DecodeLimits, Warning};
use crate::preprocess::{Crops, Preprocessor};
use googlenet_engine::model::Input;

/// Files that the user names are trusted: larger ones are taken than over HTTP.
const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 30, max_side_pixels: u32::MAX };

/// The network's inputs, and what is wrong with the file.
pub(super) struct Photo {
    pub(super) inputs: Vec<Input>,
    pub(super) warnings: Vec<Warning>,
}

/// Decodes an image and takes its crops.
pub(super) fn read(
    bytes: &[u8],
    preprocessor: &Preprocessor,
    crops: Crops,
) -> Result<Photo, CliError> {
    let file =
        decode::read_header(&Bytes::copy_from_slice(bytes), &LIMITS).map_err(CliError::failed)?;
    let at_least = preprocessor.preprocessing().resize.size();
    // The decoders are other people's: one that panics costs this file, not those behind it.
    let decoded = catch_unwind(|| decode::decode(&file, at_least))
        .map_err(|_| CliError::Failed(format!("the {} decoder failed on it", file.format)))?
        .map_err(CliError::failed)?;
    let crops = preprocessor.crops(&decoded.pixels, crops).map_err(CliError::failed)?;
    let inputs = crops.into_iter().map(Input::Pixels).collect();
    Ok(Photo { inputs, warnings: decoded.warnings })
}
