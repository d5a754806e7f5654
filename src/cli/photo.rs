//! From an image file's bytes to the network's inputs, as the commands need it.

use super::CliError;
use crate::decode::{self, DecodeLimits};
use crate::model::Input;
use crate::preprocess::{Crops, Preprocessor};

/// Files that the user names are trusted: larger ones are taken than over HTTP.
const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 30, max_side_pixels: u32::MAX };

/// Decodes an image and takes its crops.
pub(super) fn inputs(
    bytes: &[u8],
    preprocessor: &Preprocessor,
    crops: Crops,
) -> Result<Vec<Input>, CliError> {
    let header = decode::read_header(bytes, &LIMITS).map_err(CliError::failed)?;
    let at_least = preprocessor.preprocessing().resize.size();
    let decoded = decode::decode(bytes, &header, at_least).map_err(CliError::failed)?;
    let crops = preprocessor.crops(&decoded.pixels, crops).map_err(CliError::failed)?;
    Ok(crops.into_iter().map(Input::Pixels).collect())
}
