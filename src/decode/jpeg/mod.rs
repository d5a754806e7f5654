//! JPEG to RGB.
//!
//! A file that ends before its picture does is refused, not filled up with grey: the decoder runs in
//! its strict mode, and a file without an end-of-image marker is refused as well, because the
//! decoder cannot tell when only the last row of blocks is missing. Bytes after that marker, as
//! phones append them, are ignored.

mod markers;
mod scaled;

use std::borrow::Cow;
use std::time::Duration;

use image::RgbImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::stored::{Checked, Stored};
use super::{DecodeError, Format, rgb};
use markers::{Frame, read_frame};

/// Scans that a progressive file may have; each costs a pass over the whole picture, and encoders
/// write about ten.
const MAX_SCANS: usize = 40;

/// Reads the segments before the first scan.
pub(super) fn read_header(bytes: &[u8]) -> Result<Checked, DecodeError> {
    let frame = read_frame(bytes)?;
    let (width, height) = (frame.width.into(), frame.height.into());
    let decode_time = Duration::from_nanos(7).saturating_mul(width * height);
    let decode_bytes = decode_bytes(&frame);
    Ok(Checked { width, height, orientation: frame.orientation, decode_bytes, decode_time })
}

/// Upper estimate of the bytes that decoding takes at full scale, the output included.
fn decode_bytes(frame: &Frame) -> u64 {
    let h_max = frame.sampling.iter().map(|&(h, _)| u64::from(h)).max().unwrap_or(1);
    let v_max = frame.sampling.iter().map(|&(_, v)| u64::from(v)).max().unwrap_or(1);
    let padded_width = u64::from(frame.width).next_multiple_of(8 * h_max);
    let padded_height = u64::from(frame.height).next_multiple_of(8 * v_max);
    let samples: u64 = frame
        .sampling
        .iter()
        .map(|&(h, v)| padded_width * padded_height * u64::from(h * v) / (h_max * v_max))
        .sum();
    // Coefficients of the whole picture, 16 bits each, are kept until the last scan.
    let coefficients = if frame.progressive || frame.several_scans { 2 * samples } else { 0 };
    // Rows of blocks for each component, before and after upsampling, 16 bits a sample.
    let rows = padded_width * 8 * v_max * frame.sampling.len() as u64 * 2 * 6;
    coefficients + rows + u64::from(frame.width) * u64::from(frame.height) * rgb::RGB_BYTES
}

/// Decodes as stored (the orientation not applied): a large photo at a reduced scale that leaves at least
/// `at_least` pixels on the shorter side, any other at full scale.
pub(super) fn decode(bytes: &[u8], at_least: usize) -> Result<Stored, DecodeError> {
    let frame = &read_frame(bytes)?;
    if !markers::has_end_of_image(bytes, frame.scan_at) {
        return Err(corrupt("the file ends before its picture does"));
    }
    if let Some(scaled) = scaled::decode(bytes, frame, at_least) {
        return Ok(scaled.into());
    }
    let rgb_as_stored = stores_rgb(bytes, frame);
    let bytes = if rgb_as_stored { without_transform_zero(bytes, frame) } else { bytes.into() };

    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(frame.width.into())
        .set_max_height(frame.height.into())
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*bytes), options);
    decoder.decode_headers().map_err(from_decoder)?;
    if rgb_as_stored {
        // Asked for what it stores, the decoder gives the components as they are.
        let stored = decoder.input_colorspace().ok_or_else(|| corrupt("no colour space"))?;
        decoder.set_options(options.jpeg_set_out_colorspace(stored));
    }
    if decoder.dimensions() != Some((frame.width.into(), frame.height.into())) {
        return Err(corrupt("two sizes are given"));
    }
    let length = decoder.output_buffer_size().ok_or_else(|| corrupt("the size overflows"))?;
    let mut samples = vec![0; length];
    decoder.decode_into(&mut samples).map_err(from_decoder)?;
    RgbImage::from_raw(frame.width.into(), frame.height.into(), samples)
        .map(Stored::from)
        .ok_or_else(|| corrupt("fewer samples than pixels"))
}

/// Whether three components are RGB because the Adobe segment says that nothing was transformed.
fn stores_rgb(bytes: &[u8], frame: &Frame) -> bool {
    frame.sampling.len() == 3 && frame.adobe_transform_at.map(|at| bytes[at]) == Some(0)
}

/// The decoder takes Adobe's transform 0 for CMYK whatever the number of components; it is given 1
/// (YCbCr) instead, and asked to leave the components alone.
fn without_transform_zero<'a>(bytes: &'a [u8], frame: &Frame) -> Cow<'a, [u8]> {
    let mut bytes = bytes.to_vec();
    if let Some(at) = frame.adobe_transform_at {
        bytes[at] = 1;
    }
    bytes.into()
}

fn from_decoder(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::Unsupported(feature) => {
            DecodeError::unsupported(Format::Jpeg, format!("{feature:?}"))
        }
        error => corrupt(&error.to_string()),
    }
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::Jpeg, detail)
}
