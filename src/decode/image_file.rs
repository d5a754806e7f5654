//! An image file whose structure has been read and checked, before any pixel is reserved.

use std::time::Duration;

use bytes::Bytes;
use image::metadata::Orientation;

use super::stored::Checked;
use super::{DecodeError, Format, bmp, foreign, gif, jpeg, png, rgb, swaps_sides, tiff, webp};

/// The largest photo that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Width times height.
    pub max_pixels: u64,
    /// Width, and height.
    pub max_side_pixels: u32,
}

/// An image file that has been checked: what its header says, and what its pixels are decoded from. The file is
/// read once: a decoder goes by what the check has found.
#[derive(Debug)]
pub struct ImageFile {
    /// Format, found from the first bytes.
    pub format: Format,
    /// Width in pixels as stored (before the EXIF orientation is applied).
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
    /// Upper estimate of the memory that decoding takes at its peak, in bytes: the output, what the
    /// decoder works with and copies of the file's metadata; the file itself is not counted.
    pub decode_bytes: u64,
    decode_time: Duration,
    pub(super) orientation: Orientation,
    pub(super) picture: Picture,
}

/// What the check of each format has found.
#[derive(Debug)]
pub(super) enum Picture {
    Jpeg(jpeg::Photo),
    Png(png::Picture),
    Gif(gif::Picture),
    WebP(webp::Picture),
    Bmp(bmp::Picture),
    Tiff(tiff::Directory),
}

/// Decoding at a reduced scale takes a third of the time or less.
const REDUCED: u32 = 3;

impl ImageFile {
    /// Upper estimate of the memory that decoding takes at a scale that leaves `at_least` pixels on the
    /// shorter side, as [`ImageFile::decode_bytes`] is at full scale.
    pub fn decode_bytes_at(&self, at_least: usize) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        // A sixteenth of the pixels is left.
        let saved = pixels / 16 * 15 * rgb::RGB_BYTES;
        if self.is_reduced(at_least) {
            self.decode_bytes.saturating_sub(saved)
        } else {
            self.decode_bytes
        }
    }

    /// Estimate of the time that decoding takes on one core of 2023, alone, at a scale that leaves
    /// `at_least` pixels on the shorter side (see [`decode`](super::decode)).
    pub fn decode_time(&self, at_least: usize) -> Duration {
        // Most of the time is saved at a quarter of the scale, which is to be had for JPEG.
        match &self.picture {
            Picture::Jpeg(photo) if photo.is_faster_reduced() && self.is_reduced(at_least) => {
                self.decode_time / REDUCED
            }
            _ => self.decode_time,
        }
    }

    /// Whether decoding for these two shorter sides gives the same pixels.
    pub fn is_same_at(&self, one: usize, other: usize) -> bool {
        match &self.picture {
            Picture::Jpeg(photo) => photo.scale(one) == photo.scale(other),
            _ => true,
        }
    }

    fn is_reduced(&self, at_least: usize) -> bool {
        self.format == Format::Jpeg && self.width.min(self.height) as usize / 4 >= at_least
    }
}

/// Finds the format from the first bytes and reads its header.
///
/// # Errors
/// [`DecodeError::Empty`], [`DecodeError::ForeignFormat`] for what is known by name and
/// [`DecodeError::UnsupportedFormat`] for what is not, [`DecodeError::TooLarge`] when the size passes
/// `limits`, [`DecodeError::TooMany`], [`DecodeError::UnsupportedFeature`] and
/// [`DecodeError::Corrupt`], also for a picture without pixels.
pub fn read_header(file: &Bytes, limits: &DecodeLimits) -> Result<ImageFile, DecodeError> {
    if file.is_empty() {
        return Err(DecodeError::Empty);
    }
    let Some(format) = Format::sniff(file) else {
        let foreign = |what| DecodeError::ForeignFormat { what };
        return Err(foreign::name(file).map_or(DecodeError::UnsupportedFormat, foreign));
    };
    let checked = match format {
        Format::Jpeg => jpeg::read_header(file)?.map(Picture::Jpeg),
        Format::Png => png::read_header(file)?.map(Picture::Png),
        Format::Gif => gif::read_header(file)?.map(Picture::Gif),
        Format::WebP => webp::read_header(file)?.map(Picture::WebP),
        Format::Bmp => bmp::read_header(file)?.map(Picture::Bmp),
        Format::Tiff => tiff::read_header(file)?.map(Picture::Tiff),
    };
    let Checked { width, height, orientation, decode_bytes, decode_time, picture } = checked;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(DecodeError::corrupt(format, "its width or height is 0"));
    }
    let DecodeLimits { max_pixels, max_side_pixels } = *limits;
    if pixels > max_pixels || width.max(height) > max_side_pixels {
        return Err(DecodeError::TooLarge { width, height, max_pixels, max_side_pixels });
    }
    let turned_bytes =
        if swaps_sides(orientation) { pixels.saturating_mul(rgb::RGB_BYTES) } else { 0 };
    // Of JPEG and TIFF a colour profile is copied; the others take what they count themselves.
    let metadata_bytes = match format {
        Format::Jpeg | Format::Tiff => file.len() as u64,
        Format::Png | Format::Gif | Format::WebP | Format::Bmp => 0,
    };
    let decode_bytes = decode_bytes.saturating_add(turned_bytes).saturating_add(metadata_bytes);
    Ok(ImageFile { format, width, height, decode_bytes, decode_time, orientation, picture })
}
