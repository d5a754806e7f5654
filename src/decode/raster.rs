//! What the formats share that are decoded through `image::ImageDecoder`: one run of a decoder under
//! limits, and its samples to RGB.

use std::time::Duration;

use image::{ColorType, ImageDecoder, Limits};

use super::stored::Stored;
use super::{DecodeError, Format, rgb};

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
