//! What decoding a picture takes, told from its directory alone.

use std::time::Duration;

use super::super::rgb;
use super::colour::{Alpha, Colours};
use super::compression::Compression;
use super::directory::Directory;

/// What a decompressor reserves for itself: the tables of LZW or the window of Deflate.
const DECOMPRESSOR_BYTES: u64 = 128 << 10;

/// Upper estimate of the bytes reserved: the picture, a row on its way and the decompressors.
pub(super) fn decode_bytes(directory: &Directory) -> u64 {
    let pixels = u64::from(directory.width) * u64::from(directory.height);
    let picture = pixels.saturating_mul(rgb::RGB_BYTES);
    // The second is for the predictor.
    let rows = 2 * directory.row_bytes() + directory.row_samples();
    let decompressors = DECOMPRESSOR_BYTES * directory.samples.planes() as u64;
    // With bits turned round the compressed bytes are held, of one chunk in each plane.
    let turned = if directory.reversed_bits { directory.layout.compressed_bytes() } else { 0 };
    let profile = directory.colour_profile.map_or(0, <[u8]>::len) as u64;
    [rows, decompressors, turned, profile]
        .iter()
        .fold(picture, |sum, more| sum.saturating_add(*more))
}

/// Estimate of the time on one core of 2023.
pub(super) fn decode_time(directory: &Directory) -> Duration {
    let Directory { layout, samples, .. } = directory;
    let rows = u64::from(directory.height).saturating_mul(u64::from(layout.across));
    let raw_bytes = rows
        .saturating_mul(samples.row_bytes(layout.width))
        .saturating_mul(samples.planes() as u64);
    let pixels = u64::from(directory.width) * u64::from(directory.height);
    let picoseconds = [
        raw_bytes.saturating_mul(byte_picoseconds(directory.compression)),
        layout.compressed_bytes().saturating_mul(COMPRESSED_BYTE_PICOSECONDS),
        pixels.saturating_mul(samples.per_pixel as u64).saturating_mul(SAMPLE_PICOSECONDS),
        pixels.saturating_mul(pixel_picoseconds(directory)),
        rows.saturating_mul(samples.planes() as u64).saturating_mul(ROW_PICOSECONDS),
        u64::from(layout.chunks()).saturating_mul(CHUNK_PICOSECONDS),
    ];
    let sum = picoseconds.into_iter().fold(0, u64::saturating_add);
    Duration::from_nanos(sum / 1000)
}

// Measured; see the test that prints them.
const COMPRESSED_BYTE_PICOSECONDS: u64 = 5000;
const SAMPLE_PICOSECONDS: u64 = 1000;
const ROW_PICOSECONDS: u64 = 100_000;
const CHUNK_PICOSECONDS: u64 = 10_000_000;

/// For each byte that comes out of the decompressor.
fn byte_picoseconds(compression: Compression) -> u64 {
    match compression {
        Compression::None | Compression::PackBits => 500,
        Compression::Lzw | Compression::Deflate => 4000,
        Compression::Fax(_) => 5000,
    }
}

/// For each pixel's way from samples to RGB.
fn pixel_picoseconds(directory: &Directory) -> u64 {
    let colours = match directory.colours {
        Colours::Grey { .. } | Colours::Rgb => 1000,
        Colours::Palette(_) | Colours::Cmyk => 3000,
        Colours::YCbCr(..) => 8000,
    };
    colours + if directory.alpha == Alpha::None { 0 } else { 2000 }
}
