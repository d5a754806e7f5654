//! From an image file's bytes to the network's inputs, as the commands need it.

use std::io::{self, Read};
use std::panic::catch_unwind;
use std::path::Path;

use bytes::Bytes;

use super::CliError;
use crate::decode::{self, DecodeLimits, Decoded, Warning};
use crate::preprocess::{Crops, Preprocessor};
use googlenet_engine::model::{Input, Pixels};

/// Files that the user names are trusted: larger ones are taken than over HTTP.
const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 30, max_side_pixels: u32::MAX };

/// The network's inputs, and what is wrong with the file.
pub(super) struct Photo {
    pub(super) inputs: Vec<Input>,
    pub(super) warnings: Vec<Warning>,
}

/// The bytes of a file; `-` is standard input.
pub(super) fn read_file(file: &Path) -> io::Result<Bytes> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    std::fs::read(file).map(Bytes::from)
}

/// Decodes an image and takes its crops.
pub(super) fn read(
    bytes: &Bytes,
    preprocessor: &Preprocessor,
    crops: Crops,
) -> Result<Photo, CliError> {
    let decoded = decoded(bytes, preprocessor.preprocessing().resize.size())?;
    let crops = preprocessor.crops(&decoded.pixels, crops).map_err(CliError::failed)?;
    let inputs = crops.into_iter().map(Input::Pixels).collect();
    Ok(Photo { inputs, warnings: decoded.warnings })
}

/// Decodes an image and takes its central crop, for the network and as a picture of `side` pixels.
pub(super) fn read_with_picture(
    bytes: &Bytes,
    preprocessor: &Preprocessor,
    side: usize,
) -> Result<(Input, Pixels), CliError> {
    // What the network reads does not depend on the size of the picture.
    let pixels = decoded(bytes, preprocessor.preprocessing().resize.size())?.pixels;
    let crops = preprocessor.crops(&pixels, Crops::One).map_err(CliError::failed)?;
    drop(pixels);
    let pixels = decoded(bytes, preprocessor.source_side(side))?.pixels;
    let picture = preprocessor.picture(&pixels, side).map_err(CliError::failed)?;
    let input = crops.into_iter().next().map(Input::Pixels);
    Ok((input.ok_or_else(|| CliError::Failed("it has no crop".into()))?, picture))
}

/// Decodes an image at a scale that leaves `at_least` pixels on its shorter side.
fn decoded(bytes: &Bytes, at_least: usize) -> Result<Decoded, CliError> {
    let file = decode::read_header(bytes, &LIMITS).map_err(CliError::failed)?;
    // The decoders are other people's: one that panics costs this file, not those behind it.
    catch_unwind(|| decode::decode(&file, at_least))
        .map_err(|_| CliError::Failed(format!("the {} decoder failed on it", file.format)))?
        .map_err(CliError::failed)
}
