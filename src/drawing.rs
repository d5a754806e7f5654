//! Pictures that the service draws, as PNG.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// There is no picture.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be written: {0}")]
pub struct PictureError(pub String);

/// A PNG of `pixels`, row by row from the top, in the layout that `colour` names.
///
/// # Errors
/// [`PictureError`] when there are not as many bytes as the size needs, or the size is too large for PNG.
pub fn png(
    (width, height): (usize, usize),
    colour: ExtendedColorType,
    pixels: &[u8],
) -> Result<Vec<u8>, PictureError> {
    let size = |pixels: usize| u32::try_from(pixels).map_err(|e| PictureError(e.to_string()));
    let (width, height) = (size(width)?, size(height)?);
    let needed = u64::from(width) * u64::from(height) * u64::from(colour.bits_per_pixel()) / 8;
    if pixels.len() as u64 != needed {
        return Err(PictureError(format!(
            "{} bytes are not {width}x{height} pixels",
            pixels.len()
        )));
    }
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(pixels, width, height, colour)
        .map_err(|e| PictureError(e.to_string()))?;
    Ok(png)
}
