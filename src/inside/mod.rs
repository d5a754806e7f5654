//! What is inside the network: figures and pictures of its maps and filters. Pure.
//!
//! | file | what it is |
//! |---|---|
//! | `filters` | a picture of the filters of the first layer |
//! | `channels` | what the channels of a map are like: which are silent, which are largest |
//! | `sprite` | a picture of the channels of a map, side by side |
//! | `tiles` | where the tiles of a picture are |
//! | `occlusion` | variants of a photo, a part of each covered, and what that changed |

mod channels;
mod filters;
mod occlusion;
mod sprite;
mod tiles;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

pub use channels::{ChannelFacts, MapFacts, Sort};
pub use filters::filters;
pub use occlusion::{Covers, drops};
pub use sprite::{Sprite, sprite, sprite_bytes};

/// There is no picture.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be written: {0}")]
pub struct PictureError(pub String);

/// A PNG of `pixels`, row by row.
fn png(
    (width, height): (usize, usize),
    colour: ExtendedColorType,
    pixels: &[u8],
) -> Result<Vec<u8>, PictureError> {
    let size = |pixels: usize| u32::try_from(pixels).map_err(|e| PictureError(e.to_string()));
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(pixels, size(width)?, size(height)?, colour)
        .map_err(|e| PictureError(e.to_string()))?;
    Ok(png)
}
