//! Estimates from its directory alone what decoding a picture takes.

use std::time::Duration;

use bytes::Bytes;

use super::super::rgb;
use super::colour::{Alpha, Colours};
use super::compression::Compression;
use super::directory::Directory;
use super::predictor::Predictor;
use super::samples::Depth;

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
    let profile = directory.colour_profile.as_ref().map_or(0, Bytes::len) as u64;
    [rows, decompressors, turned, profile].into_iter().fold(picture, u64::saturating_add)
}

/// Estimate of the time on one core of 2023.
///
/// The rates were measured on pictures of 12 megapixels, photos, noise and plain white: decoding takes
/// between a quarter of the estimate and all of it, less only where compression found nothing to do.
pub(super) fn decode_time(directory: &Directory) -> Duration {
    let Directory { layout, samples, .. } = directory;
    let rows = u64::from(directory.height)
        .saturating_mul(u64::from(layout.across))
        .saturating_mul(samples.planes() as u64);
    let pixels = u64::from(directory.width) * u64::from(directory.height);
    let rates = Rates::of(directory.compression);
    let byte_picoseconds = rates.byte + predictor_picoseconds(directory.predictor);
    let spread = if samples.in_planes { SPREAD_PICOSECONDS } else { 0 };
    let sample_picoseconds =
        samples.per_pixel as u64 * (unpack_picoseconds(samples.depth) + spread);
    let picoseconds = [
        rows.saturating_mul(directory.row_bytes()).saturating_mul(byte_picoseconds),
        layout.compressed_bytes().saturating_mul(rates.compressed_byte),
        u64::from(layout.chunks()) * rates.chunk,
        rows.saturating_mul(ROW_PICOSECONDS),
        pixels.saturating_mul(sample_picoseconds + pixel_picoseconds(directory)),
    ];
    Duration::from_nanos(picoseconds.into_iter().fold(0, u64::saturating_add) / 1000)
}

/// For each row of a strip or tile.
const ROW_PICOSECONDS: u64 = 30_000;

/// For each sample that has to be put between those of other planes.
const SPREAD_PICOSECONDS: u64 = 500;

/// Picoseconds that decompressing takes.
struct Rates {
    /// For each byte that comes out.
    byte: u64,
    /// For each byte that goes in.
    compressed_byte: u64,
    /// For each strip or tile.
    chunk: u64,
}

impl Rates {
    fn of(compression: Compression) -> Self {
        match compression {
            Compression::None => Self { byte: 100, compressed_byte: 0, chunk: 200_000 },
            Compression::PackBits => Self { byte: 300, compressed_byte: 1500, chunk: 200_000 },
            Compression::Deflate => Self { byte: 500, compressed_byte: 5000, chunk: 4_000_000 },
            Compression::Lzw => Self { byte: 1500, compressed_byte: 6000, chunk: 2_000_000 },
            // Up to eight changes of colour.
            Compression::Fax(_) => Self { byte: 0, compressed_byte: 100_000, chunk: 1_000_000 },
        }
    }
}

/// For each byte of a row.
fn predictor_picoseconds(predictor: Predictor) -> u64 {
    match predictor {
        Predictor::None => 0,
        Predictor::Horizontal => 800,
        Predictor::FloatingPoint => 1500,
    }
}

/// For each sample's way to 8 bits.
fn unpack_picoseconds(depth: Depth) -> u64 {
    match depth {
        Depth::Packed(_) => 2500,
        Depth::U8 => 300,
        Depth::U16 | Depth::U32 => 1000,
        Depth::F16 | Depth::F32 | Depth::F64 => 3000,
    }
}

/// For each pixel's way from 8-bit samples to RGB.
fn pixel_picoseconds(directory: &Directory) -> u64 {
    let colours = match directory.colours {
        Colours::Grey { .. } | Colours::Rgb => 1300,
        Colours::Palette(_) => 2000,
        Colours::Cmyk => 4500,
        Colours::YCbCr(..) => 11_500,
    };
    colours + if directory.alpha == Alpha::None { 0 } else { 1500 }
}
