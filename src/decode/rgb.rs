//! Samples of any type to 8-bit RGB: grey is repeated, 16 bits are rounded to 8, alpha is composited
//! over white.
//!
//! Types with at least as many bytes a pixel as RGB are converted in place, so that a large photo
//! is held once.

use image::{ColorType, RgbImage};

/// Bytes a pixel of the result.
pub(super) const RGB_BYTES: u64 = 3;

/// Converts `samples`, layout `[height, width, channels]`, integers in native byte order.
///
/// Returns `None` when the samples are fewer than the size needs, or of a type that no decoder here
/// gives.
pub(super) fn to_rgb(
    color: ColorType,
    width: u32,
    height: u32,
    mut samples: Vec<u8>,
) -> Option<RgbImage> {
    match color {
        ColorType::Rgb8 => {}
        ColorType::L8 => samples = expand::<1>(&samples, |[l]| [l; 3]),
        ColorType::La8 => samples = expand::<2>(&samples, |[l, a]| [over_white(l, a); 3]),
        ColorType::L16 => samples = expand::<2>(&samples, |pixel| [narrow(u16_at(&pixel, 0)); 3]),
        ColorType::La16 => {
            compact::<4>(&mut samples, |p| [narrow(over_white_16(u16_at(&p, 0), u16_at(&p, 1))); 3])
        }
        ColorType::Rgba8 => {
            compact::<4>(&mut samples, |[r, g, b, a]| [r, g, b].map(|c| over_white(c, a)));
        }
        ColorType::Rgb16 => {
            compact::<6>(&mut samples, |p| [0, 1, 2].map(|c| narrow(u16_at(&p, c))));
        }
        ColorType::Rgba16 => compact::<8>(&mut samples, |p| {
            [0, 1, 2].map(|c| narrow(over_white_16(u16_at(&p, c), u16_at(&p, 3))))
        }),
        ColorType::Rgb32F => {
            compact::<12>(&mut samples, |p| [0, 1, 2].map(|c| from_unit(f32_at(&p, c))));
        }
        ColorType::Rgba32F => compact::<16>(&mut samples, |p| {
            let alpha = f32_at(&p, 3).clamp(0.0, 1.0);
            [0, 1, 2].map(|c| from_unit(f32_at(&p, c).clamp(0.0, 1.0) * alpha + (1.0 - alpha)))
        }),
        _ => return None,
    }
    RgbImage::from_raw(width, height, samples)
}

/// Converts CMYK `samples`, layout `[height, width, 4]`, 255 where there is no ink, to RGB: what cyan and
/// black leave of red, and so on. All programs read the CMYK of JPEGs so, whether or not Adobe's marker is
/// there.
///
/// Returns `None` when the samples are fewer than the size needs.
pub(super) fn inverted_cmyk_to_rgb(
    width: u32,
    height: u32,
    mut samples: Vec<u8>,
) -> Option<RgbImage> {
    compact::<4>(&mut samples, |[c, m, y, k]| [c, m, y].map(|left| times(left, k)));
    RgbImage::from_raw(width, height, samples)
}

/// `round(a * b / 255)`.
fn times(a: u8, b: u8) -> u8 {
    // At most 255 * 255 + 127, so the quotient is at most 255.
    ((u32::from(a) * u32::from(b) + 127) / 255) as u8
}

/// `round((colour * alpha + 255 * (255 - alpha)) / 255)`.
pub(super) fn over_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
    // At most 255 * 255 + 127, so the quotient is at most 255.
    ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// `round((colour * alpha + 65535 * (65535 - alpha)) / 65535)`.
fn over_white_16(colour: u16, alpha: u16) -> u16 {
    let (colour, alpha) = (u64::from(colour), u64::from(alpha));
    ((colour * alpha + 65_535 * (65_535 - alpha) + 32_767) / 65_535) as u16
}

/// `round(sample * 255 / 65535)`.
pub(super) fn narrow(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

/// 0.0..=1.0 to 0..=255, rounded; what lies outside is clamped and NaN becomes 0.
pub(super) fn from_unit(sample: f32) -> u8 {
    (sample * 255.0).round() as u8
}

fn u16_at(pixel: &[u8], channel: usize) -> u16 {
    u16::from_ne_bytes([pixel[2 * channel], pixel[2 * channel + 1]])
}

fn f32_at(pixel: &[u8], channel: usize) -> f32 {
    let at = 4 * channel;
    f32::from_ne_bytes([pixel[at], pixel[at + 1], pixel[at + 2], pixel[at + 3]])
}

fn expand<const BYTES: usize>(samples: &[u8], to_rgb: impl Fn([u8; BYTES]) -> [u8; 3]) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<BYTES>();
    let mut rgb = vec![0; pixels.len() * 3];
    for (out, &pixel) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *out = to_rgb(pixel);
    }
    rgb
}

/// Converts pixels of `BYTES >= 3` in place, then drops what is left over.
fn compact<const BYTES: usize>(samples: &mut Vec<u8>, to_rgb: impl Fn([u8; BYTES]) -> [u8; 3]) {
    let pixels = samples.len() / BYTES;
    for index in 0..pixels {
        let mut pixel = [0; BYTES];
        pixel.copy_from_slice(&samples[index * BYTES..(index + 1) * BYTES]);
        samples[index * 3..index * 3 + 3].copy_from_slice(&to_rgb(pixel));
    }
    samples.truncate(pixels * 3);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The formula of "over" on an opaque white backdrop, in floating point.
    fn reference_over_white(colour: f64, alpha: f64) -> f64 {
        colour * alpha + (1.0 - alpha)
    }

    #[test]
    fn every_colour_and_alpha_is_composited_to_the_nearest_level() {
        for colour in 0..=255_u8 {
            for alpha in 0..=255_u8 {
                let exact = 255.0
                    * reference_over_white(f64::from(colour) / 255.0, f64::from(alpha) / 255.0);
                let error = (f64::from(over_white(colour, alpha)) - exact).abs();
                assert!(error <= 0.5 + 1e-9, "{colour} {alpha}: off by {error}");
            }
        }
    }

    #[test]
    fn sixteen_bits_become_the_nearest_eight() {
        for sample in 0..=u16::MAX {
            let exact = f64::from(sample) * 255.0 / 65535.0;
            assert!((f64::from(narrow(sample)) - exact).abs() <= 0.5, "{sample}");
        }
    }

    fn to_bytes<const N: usize>(samples: [u16; N]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_ne_bytes()).collect()
    }

    proptest! {
        #[test]
        fn sixteen_bit_alpha_follows_the_formula(r: u16, g: u16, b: u16, a: u16) {
            let image = to_rgb(ColorType::Rgba16, 1, 1, to_bytes([r, g, b, a])).unwrap();
            for (level, colour) in image.as_raw().iter().zip([r, g, b]) {
                let exact = 255.0
                    * reference_over_white(f64::from(colour) / 65535.0, f64::from(a) / 65535.0);
                // Rounded twice: once at 16 bits, once at 8.
                prop_assert!((f64::from(*level) - exact).abs() <= 0.51);
            }
        }

        #[test]
        fn the_size_is_kept_for_every_type(width in 1_u32..9, height in 1_u32..9, fill: u8) {
            for color in [
                ColorType::L8, ColorType::La8, ColorType::Rgb8, ColorType::Rgba8, ColorType::L16,
                ColorType::La16, ColorType::Rgb16, ColorType::Rgba16, ColorType::Rgb32F,
                ColorType::Rgba32F,
            ] {
                let bytes = width * height * u32::from(color.bytes_per_pixel());
                let image = to_rgb(color, width, height, vec![fill; bytes as usize]).unwrap();
                prop_assert_eq!(image.dimensions(), (width, height));
            }
        }
    }

    #[test]
    fn neighbours_are_not_mixed_when_converted_in_place() {
        let rgba = vec![1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 9, 9, 9, 0];
        let image = to_rgb(ColorType::Rgba8, 2, 2, rgba).unwrap();
        assert_eq!(image.as_raw(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 255, 255]);
        let grey = to_rgb(ColorType::L16, 2, 1, to_bytes([0x8000, 0xffff])).unwrap();
        assert_eq!(grey.as_raw(), &[128, 128, 128, 255, 255, 255]);
    }

    #[test]
    fn floats_outside_the_range_are_clamped() {
        let pixel: Vec<u8> =
            [f32::NAN, -3.0, 7.0].iter().flat_map(|value| value.to_ne_bytes()).collect();
        let image = to_rgb(ColorType::Rgb32F, 1, 1, pixel).unwrap();
        assert_eq!(image.as_raw(), &[0, 0, 255]);
    }

    #[test]
    fn too_few_samples_give_nothing() {
        assert!(to_rgb(ColorType::Rgba8, 2, 2, vec![0; 15]).is_none());
    }
}
