//! PNG, GIF, WebP and BMP to RGB, each with bounds on what its decoder may reserve.

use std::borrow::Cow;
use std::io::Cursor;
use std::time::Duration;

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::error::ImageFormatHint;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageError, ImageFormat, ImageResult, Limits};

use super::stored::{Checked, Stored};
use super::{DecodeError, Format, rgb, webp};

/// For rows and tables.
const SMALL_BUFFERS_BYTES: u64 = 1 << 20;

/// For a PNG's inflated colour profile, texts and rows; a file that needs more is refused.
const PNG_CHUNKS_BYTES: u64 = 4 << 20;

type Bytes<'a> = Cursor<Cow<'a, [u8]>>;

/// Reads the header; `format` is any but JPEG and TIFF.
pub(super) fn read_header(format: Format, bytes: &[u8]) -> Result<Checked, DecodeError> {
    let mut open = Open::new(format, bytes)?;
    let failed = |error| DecodeError::from_image(format, error);
    let orientation = match open.orientation {
        Some(orientation) => orientation,
        None => open.decoder.orientation().map_err(failed)?,
    };
    let (width, height) = open.decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let samples = open.decoder.total_bytes();
    let second = rgb::needs_second_buffer(open.decoder.color_type());
    let decode_bytes = samples
        .saturating_add(working_bytes(format, width, height, samples))
        .saturating_add(if second { pixels.saturating_mul(rgb::RGB_BYTES) } else { 0 });
    // Measured on an RGBA PNG of 16 bits, the slowest.
    let decode_time =
        Duration::from_nanos(6).saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX));
    Ok(Checked { width, height, orientation, decode_bytes, decode_time })
}

/// Decodes as stored (the orientation not applied).
pub(super) fn decode(
    format: Format,
    bytes: &[u8],
    (width, height): (u32, u32),
) -> Result<Stored, DecodeError> {
    let failed = |error| DecodeError::from_image(format, error);
    let mut open = Open::new(format, bytes)?;
    if open.decoder.dimensions() != (width, height) {
        return Err(DecodeError::corrupt(format, "the header belongs to another file"));
    }
    let samples_bytes = open.decoder.total_bytes();
    let mut limits = Limits::default();
    let working = working_bytes(format, width, height, samples_bytes);
    limits.max_alloc = Some(match format {
        // What is held against it is the frame alone: it may be as large as the screen.
        Format::Gif => samples_bytes,
        _ => samples_bytes.saturating_add(working),
    });
    open.decoder.set_limits(limits).map_err(failed)?;
    let color = open.decoder.color_type();
    let length = usize::try_from(samples_bytes)
        .map_err(|_| DecodeError::corrupt(format, "the size overflows"))?;
    let mut samples = vec![0; length];
    open.decoder.read_image_boxed(&mut samples).map_err(failed)?;
    let image = rgb::to_rgb(color, width, height, samples)
        .ok_or_else(|| DecodeError::unsupported(format, format!("samples of type {color:?}")))?;
    Ok(image.into())
}

/// What a decoder reserves beside its output of `samples` bytes.
fn working_bytes(format: Format, width: u32, height: u32, samples: u64) -> u64 {
    // Lossy WebP works in blocks of 16 x 16.
    let padded = |side: u32| u64::from(side).next_multiple_of(16);
    let blocks = padded(width).saturating_mul(padded(height));
    let pictures = match format {
        Format::Png => PNG_CHUNKS_BYTES,
        Format::Bmp | Format::Jpeg | Format::Tiff => 0,
        // A frame that does not fill the screen, four bytes a pixel, and its indices.
        Format::Gif => samples.saturating_add(samples / 4),
        // Canvas and frame of an animation, four bytes a pixel, and the planes of a lossy frame.
        Format::WebP => blocks.saturating_mul(12),
    };
    pictures.saturating_add(SMALL_BUFFERS_BYTES)
}

struct Open<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    /// Read here where the decoder's own way to find it is not safe.
    orientation: Option<Orientation>,
}

impl<'a> Open<'a> {
    fn new(format: Format, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut orientation = None;
        let bytes = Cow::Borrowed(bytes);
        if format == Format::WebP {
            orientation = Some(webp::check(&bytes)?);
        }
        let decoder =
            open(format, Cursor::new(bytes)).map_err(|e| DecodeError::from_image(format, e))?;
        Ok(Self { decoder, orientation })
    }
}

fn open<'a>(format: Format, bytes: Bytes<'a>) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    Ok(match format {
        Format::Png => {
            // Given when it is opened: later the limits no longer reach the chunks of the header.
            let mut limits = Limits::default();
            limits.max_alloc = Some(PNG_CHUNKS_BYTES);
            Box::new(PngDecoder::with_limits(bytes, limits)?)
        }
        Format::Gif => Box::new(GifDecoder::new(bytes)?),
        Format::WebP => Box::new(WebPDecoder::new(bytes)?),
        Format::Bmp => Box::new(BmpDecoder::new(bytes)?),
        Format::Jpeg => Box::new(image::codecs::jpeg::JpegDecoder::new(bytes)?),
        Format::Tiff => {
            return Err(ImageError::Unsupported(ImageFormatHint::Exact(ImageFormat::Tiff).into()));
        }
    })
}
