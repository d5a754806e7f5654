//! Rows to RGB, one at a time: what a pixel takes beyond its three bytes is held for a row only.

use ::png::{
    BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Limits, Transformations,
    expand_interlaced_row,
};
use image::RgbImage;

use super::super::spliced::Spliced;
use super::super::{DecodeError, Format, rgb};

/// Decodes a picture of `size`; the decoder may reserve `working_bytes`.
pub(super) fn decode(
    file: Spliced<'_>,
    size: (u32, u32),
    working_bytes: u64,
) -> Result<RgbImage, DecodeError> {
    let bytes = usize::try_from(working_bytes).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(file, Limits { bytes });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(failed)?;
    // What the memory was estimated from; nothing is reserved for a decoder that sees another size.
    if reader.info().size() != size {
        return Err(DecodeError::corrupt(Format::Png, "it states two sizes"));
    }
    let (channels, depth) = reader.output_color_type();
    let is_wide = depth == BitDepth::Sixteen;
    let color = color_type(channels, is_wide);
    let mut pixels = RgbImage::new(size.0, size.1);
    let stride = size.0 as usize * rgb::RGB_BYTES as usize;
    let mut y = 0;
    while let Some(row) = reader.next_interlaced_row().map_err(failed)? {
        let mut samples = row.data().to_vec();
        if is_wide {
            for sample in samples.as_chunks_mut::<2>().0 {
                *sample = u16::from_be_bytes(*sample).to_ne_bytes();
            }
        }
        let width = (samples.len() / usize::from(color.bytes_per_pixel())) as u32;
        let row_pixels = rgb::to_rgb(color, width, 1, samples).ok_or_else(|| {
            DecodeError::unsupported(Format::Png, format!("samples of {color:?}"))
        })?;
        if let InterlaceInfo::Adam7(pass) = row.interlace() {
            expand_interlaced_row(&mut pixels, stride, &row_pixels, pass, 24);
        } else if let Some(place) = pixels.get_mut(y * stride..(y + 1) * stride) {
            place.copy_from_slice(&row_pixels);
            y += 1;
        }
    }
    Ok(pixels)
}

/// What [`Transformations::EXPAND`] gives: 8 or 16 bits, and no palette.
fn color_type(channels: ColorType, is_wide: bool) -> image::ColorType {
    use image::ColorType as To;
    match (channels, is_wide) {
        (ColorType::Grayscale, false) => To::L8,
        (ColorType::Grayscale, true) => To::L16,
        (ColorType::GrayscaleAlpha, false) => To::La8,
        (ColorType::GrayscaleAlpha, true) => To::La16,
        (ColorType::Rgb | ColorType::Indexed, false) => To::Rgb8,
        (ColorType::Rgb | ColorType::Indexed, true) => To::Rgb16,
        (ColorType::Rgba, false) => To::Rgba8,
        (ColorType::Rgba, true) => To::Rgba16,
    }
}

fn failed(error: DecodingError) -> DecodeError {
    match error {
        // A bound is no damage: the file may be as it was meant.
        DecodingError::LimitsExceeded => DecodeError::unsupported(
            Format::Png,
            "it takes more memory than a picture of its size should",
        ),
        error => DecodeError::corrupt(Format::Png, error),
    }
}
