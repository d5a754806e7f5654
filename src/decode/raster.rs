//! What the formats share that are decoded through `image::ImageDecoder`: one run of a decoder under
//! limits, and its samples to RGB. And TIFF, as long as it is decoded here.

use std::borrow::Cow;
use std::io::Cursor;
use std::time::Duration;

use image::codecs::tiff::TiffDecoder;
use image::{ColorType, ImageDecoder, Limits};

use super::stored::{Checked, Stored};
use super::{DecodeError, Format, rgb, tiff};

/// For rows, tables and the state of a decoder.
pub(super) const SMALL_BUFFERS_BYTES: u64 = 1 << 20;

/// What a decoder gives.
pub(super) struct Samples {
    /// Their type and channels.
    pub(super) color: ColorType,
    /// Layout `[height, width, channels]`, integers in native byte order.
    pub(super) bytes: Vec<u8>,
}

/// Runs `decoder`, which may reserve `working_bytes` beside its output.
pub(super) fn run(
    format: Format,
    mut decoder: impl ImageDecoder,
    size: (u32, u32),
    working_bytes: u64,
) -> Result<Samples, DecodeError> {
    let failed = |error| DecodeError::from_image(format, error);
    // What the memory was estimated from; nothing is reserved for a decoder that sees another size.
    if decoder.dimensions() != size {
        return Err(DecodeError::corrupt(format, "it states two sizes"));
    }
    let length = decoder.total_bytes();
    let mut limits = Limits::default();
    limits.max_alloc = Some(length.saturating_add(working_bytes));
    decoder.set_limits(limits).map_err(failed)?;
    let color = decoder.color_type();
    let length =
        usize::try_from(length).map_err(|_| DecodeError::corrupt(format, "the size overflows"))?;
    let mut bytes = vec![0; length];
    decoder.read_image(&mut bytes).map_err(failed)?;
    Ok(Samples { color, bytes })
}

/// Samples to RGB.
pub(super) fn to_stored(
    format: Format,
    Samples { color, bytes }: Samples,
    (width, height): (u32, u32),
) -> Result<Stored, DecodeError> {
    let pixels = rgb::to_rgb(color, width, height, bytes)
        .ok_or_else(|| DecodeError::unsupported(format, format!("samples of type {color:?}")))?;
    Ok(pixels.into())
}

/// `pixels` times nanoseconds a pixel.
pub(super) fn time(pixels: u64, nanoseconds: u64) -> Duration {
    Duration::from_nanos(pixels.saturating_mul(nanoseconds))
}

/// Reads the header of a TIFF.
pub(super) fn read_tiff_header(bytes: &[u8]) -> Result<Checked, DecodeError> {
    let (mut decoder, _) = open_tiff(bytes)?;
    let orientation =
        decoder.orientation().map_err(|error| DecodeError::from_image(Format::Tiff, error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let samples = decoder.total_bytes();
    let second = rgb::needs_second_buffer(decoder.color_type());
    let decode_bytes = samples
        .saturating_add(tiff_working_bytes(samples))
        .saturating_add(if second { pixels.saturating_mul(rgb::RGB_BYTES) } else { 0 });
    Ok(Checked { width, height, orientation, decode_bytes, decode_time: time(samples, 6) })
}

/// Decodes a TIFF as stored (the orientation not applied).
pub(super) fn decode_tiff(bytes: &[u8], size: (u32, u32)) -> Result<Stored, DecodeError> {
    let (decoder, directory) = open_tiff(bytes)?;
    let working = tiff_working_bytes(decoder.total_bytes());
    let samples = run(Format::Tiff, decoder, size, working)?;
    let mut stored = to_stored(Format::Tiff, samples, size)?;
    directory.apply_palette(&mut stored.pixels);
    Ok(stored)
}

/// The samples before they are converted (five for three in CMYK with alpha), and a strip.
fn tiff_working_bytes(samples: u64) -> u64 {
    samples.saturating_mul(3).saturating_add(SMALL_BUFFERS_BYTES)
}

type OpenTiff<'a> = (TiffDecoder<Cursor<Cow<'a, [u8]>>>, tiff::Directory);

fn open_tiff(bytes: &[u8]) -> Result<OpenTiff<'_>, DecodeError> {
    let directory = tiff::Directory::read(bytes)?;
    let bytes = if directory.has_palette() {
        directory.indices_as_grey(bytes)
    } else {
        Cow::Borrowed(bytes)
    };
    let decoder = TiffDecoder::new(Cursor::new(bytes))
        .map_err(|error| DecodeError::from_image(Format::Tiff, error))?;
    Ok((decoder, directory))
}
