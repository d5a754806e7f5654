//! What a file says of itself, read and checked before any pixel is reserved.

use std::time::Duration;

use image::metadata::Orientation;

use super::stored::Checked;
use super::{DecodeError, Format, jpeg, raster, rgb, swaps_sides, tiff};

/// The largest photo that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Width times height.
    pub max_pixels: u64,
    /// Width, and height.
    pub max_side_pixels: u32,
}

/// What the header of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format, found from the first bytes.
    pub format: Format,
    /// Width in pixels as stored (before the EXIF orientation is applied).
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
    /// Upper estimate of the memory that decoding takes at its peak, in bytes: the output, what the
    /// decoder works with and copies of the file's metadata; the file itself is not counted.
    pub decode_bytes: u64,
    /// Estimate of the time that decoding takes on one core of 2023, alone.
    pub decode_time: Duration,
    pub(super) orientation: Orientation,
}

/// Finds the format from the first bytes and reads its header.
///
/// # Errors
/// [`DecodeError::Empty`], [`DecodeError::UnsupportedFormat`], [`DecodeError::TooLarge`] when the
/// size passes `limits`, [`DecodeError::UnsupportedFeature`] and [`DecodeError::Corrupt`], also for a
/// picture without pixels.
pub fn read_header(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let format = Format::sniff(bytes).ok_or(DecodeError::UnsupportedFormat)?;
    let Checked { width, height, orientation, decode_bytes, decode_time } = match format {
        Format::Jpeg => jpeg::read_header(bytes)?,
        Format::Tiff => tiff::read_header(bytes)?,
        format => raster::read_header(format, bytes)?,
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(DecodeError::corrupt(format, format!("it is {width} x {height} pixels")));
    }
    let DecodeLimits { max_pixels, max_side_pixels } = *limits;
    if pixels > max_pixels || width.max(height) > max_side_pixels {
        return Err(DecodeError::TooLarge { width, height, max_pixels, max_side_pixels });
    }
    let turned_bytes =
        if swaps_sides(orientation) { pixels.saturating_mul(rgb::RGB_BYTES) } else { 0 };
    let metadata_bytes = bytes.len() as u64;
    let decode_bytes = decode_bytes.saturating_add(turned_bytes).saturating_add(metadata_bytes);
    Ok(Header { format, width, height, decode_bytes, decode_time, orientation })
}
