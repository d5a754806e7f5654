//! Makes a picture that takes a decoder as long as a photo does.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageResult, Rgb, RgbImage};

/// Quality that cameras use.
const QUALITY: u8 = 90;
/// Noise of so many levels makes a file of about a photo's bits a pixel.
const NOISE: u32 = 24;

/// A JPEG of slow waves and a little noise, which costs a decoder what a photo costs it; the same bytes
/// every time.
///
/// # Errors
/// When a side has no pixels or more than 65,535.
pub fn made_photo(width: u32, height: u32) -> ImageResult<Vec<u8>> {
    let mut random: u32 = 1;
    let pixels = RgbImage::from_fn(width, height, |x, y| {
        // Xorshift (Marsaglia, 2003).
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let wave =
            |position: u32, period: u32| (position % period).abs_diff(period / 2) * 400 / period;
        let noise = random % NOISE;
        let level = |value: u32| (value + noise).min(255) as u8;
        Rgb([level(wave(x, 220)), level(wave(y, 160)), level(wave(x + 2 * y, 300))])
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&pixels)?;
    Ok(bytes)
}
