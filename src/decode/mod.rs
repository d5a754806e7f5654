//! From the bytes of an image file to 8-bit RGB, as a person sees the photo.
//!
//! [`read_header`] finds the format, checks the size and estimates the memory for decoding, before any pixel is
//! allocated. [`decode`] then decodes. The result is upright (EXIF orientation applied), without alpha (composited over
//! white), and the first frame of an animation. Embedded RGB profiles are converted to sRGB; grey and CMYK profiles are
//! not applied.
//!
//! The bytes are not trusted: every length in them is checked before it is used. The decoders below are other people's,
//! so a caller that must survive everything also catches panics.

mod bmp;
mod colour;
mod embedded;
mod error;
mod foreign;
mod format;
mod gif;
mod image_file;
mod jpeg;
mod made_photo;
mod png;
mod raster;
mod rgb;
mod spliced;
mod stored;
mod tiff;
mod webp;

use image::metadata::Orientation;
use image::{RgbImage, imageops};
use image_file::Picture;
use stored::Stored;

pub use error::DecodeError;
pub use foreign::is_address;
pub use format::Format;
pub use image_file::{DecodeLimits, ImageFile, read_header};
pub use made_photo::made_photo;
pub use stored::Warning;

/// A decoded photo.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// 8-bit RGB as viewed, at full scale or, for JPEG, at a reduced one.
    pub pixels: RgbImage,
    /// Format of the file.
    pub format: Format,
    /// Width of the photo as viewed, at full scale, in pixels.
    pub width: u32,
    /// Height of the photo as viewed, at full scale, in pixels.
    pub height: u32,
    /// What is wrong with the file, though it could be decoded.
    pub warnings: Vec<Warning>,
}

/// Decodes a file that was checked.
///
/// A large JPEG is decoded at a reduced scale that leaves at least `at_least` pixels on the shorter
/// side; `usize::MAX` asks for full scale.
///
/// # Errors
/// [`DecodeError::Corrupt`] when the bytes are damaged or end too early (of JPEG only when nothing can be
/// made of them: else [`Decoded::warnings`] says so), [`DecodeError::UnsupportedFeature`] when the
/// format is used in a way that is not decoded.
pub fn decode(file: &ImageFile, at_least: usize) -> Result<Decoded, DecodeError> {
    let Stored { mut pixels, colour_profile, warnings } = match &file.picture {
        Picture::Jpeg(photo) => jpeg::decode(photo, at_least)?,
        Picture::Png(picture) => png::decode(picture)?,
        Picture::Gif(picture) => gif::decode(picture)?,
        Picture::WebP(picture) => webp::decode(picture)?,
        Picture::Bmp(picture) => bmp::decode(picture)?,
        Picture::Tiff(directory) => tiff::decode(directory)?,
    };
    let (width, height) = if swaps_sides(file.orientation) {
        (file.height, file.width)
    } else {
        (file.width, file.height)
    };
    if let Some(profile) = &colour_profile {
        colour::to_srgb(&mut pixels, profile);
    }
    let pixels = orient(pixels, file.orientation);
    Ok(Decoded { pixels, format: file.format, width, height, warnings })
}

/// Whether width and height change places.
fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn orient(mut image: RgbImage, orientation: Orientation) -> RgbImage {
    match orientation {
        Orientation::NoTransforms => {}
        Orientation::FlipHorizontal => imageops::flip_horizontal_in_place(&mut image),
        Orientation::FlipVertical => imageops::flip_vertical_in_place(&mut image),
        Orientation::Rotate180 => imageops::rotate180_in_place(&mut image),
        Orientation::Rotate90 => image = imageops::rotate90(&image),
        Orientation::Rotate270 => image = imageops::rotate270(&image),
        Orientation::Rotate90FlipH => {
            image = imageops::rotate90(&image);
            imageops::flip_horizontal_in_place(&mut image);
        }
        Orientation::Rotate270FlipH => {
            image = imageops::rotate270(&image);
            imageops::flip_horizontal_in_place(&mut image);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the pixel that is viewed at `(x, y)` is stored, by the table of EXIF 2.32, 4.6.5:
    /// which side of the picture the first stored row and the first stored column are.
    fn stored_at(exif: u8, x: u32, y: u32, (width, height): (u32, u32)) -> (u32, u32) {
        let (right, bottom) = (width - 1, height - 1);
        match exif {
            1 => (x, y),
            2 => (right - x, y),
            3 => (right - x, bottom - y),
            4 => (x, bottom - y),
            5 => (y, x),
            6 => (y, bottom - x),
            7 => (right - y, bottom - x),
            8 => (right - y, x),
            _ => unreachable!(),
        }
    }

    proptest! {
        #[test]
        fn every_orientation_moves_each_pixel_where_exif_says(
            width in 1_u32..12, height in 1_u32..12, exif in 1_u8..=8,
        ) {
            let stored = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
            let orientation = Orientation::from_exif(exif).unwrap();
            let viewed = orient(stored.clone(), orientation);
            let expected =
                if exif >= 5 { (height, width) } else { (width, height) };
            prop_assert_eq!(viewed.dimensions(), expected);
            prop_assert_eq!(swaps_sides(orientation), exif >= 5);
            for (x, y, pixel) in viewed.enumerate_pixels() {
                let (from_x, from_y) = stored_at(exif, x, y, (width, height));
                prop_assert_eq!(pixel, stored.get_pixel(from_x, from_y));
            }
        }
    }
}
