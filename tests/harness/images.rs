//! Small pictures that the tests make themselves.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// A PNG of 40x40 pixels; each number gives another picture.
pub fn png(number: u32) -> Vec<u8> {
    encode(&picture(number), ImageFormat::Png)
}

/// The picture of [`png`].
pub fn picture(number: u32) -> RgbImage {
    let seed = number.wrapping_mul(2_654_435_761);
    RgbImage::from_fn(40, 40, |x, y| {
        let wave = |speed: u32, shift: u32| {
            let phase = x * (1 + (seed >> shift) % 7) + y * (1 + (seed >> (shift + 3)) % 5);
            (phase * speed + (seed >> shift)) as u8
        };
        Rgb([wave(3, 0), wave(5, 8), wave(7, 16)])
    })
}

/// A picture of one colour.
pub fn plain(colour: [u8; 3]) -> Vec<u8> {
    encode(&RgbImage::from_pixel(40, 40, Rgb(colour)), ImageFormat::Png)
}

pub fn encode(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
