//! Crops against a portable reference: nested loops in `f64`, the whole photo resized, then cut.

use image::Rgb;
use proptest::prelude::*;

use super::*;
use googlenet_engine::model::{ChannelOrder, Resize};

fn preprocessor(side: usize, resize: Resize) -> Preprocessor {
    let rest = Preprocessing::bvlc();
    assert_eq!(rest.channels, ChannelOrder::Bgr);
    Preprocessor::new(Preprocessing { side, resize, ..rest }).unwrap()
}

/// A photo with edges and noise, the same for the same seed.
fn photo(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ seed)
            .wrapping_mul(2_246_822_519);
        let edge = if (x / 7 + y / 5) % 2 == 0 { 200 } else { 30 };
        Rgb([(noise >> 24) as u8, edge, (x * 3 + y) as u8])
    })
}

/// The antialiased bilinear filter over one axis: `weights[out][in]`.
fn reference_weights(source: usize, resized: usize) -> Vec<Vec<f64>> {
    let scale = source as f64 / resized as f64;
    let radius = scale.max(1.0);
    (0..resized)
        .map(|out| {
            let centre = (out as f64 + 0.5) * scale;
            let triangle = |i: usize| (1.0 - ((i as f64 + 0.5 - centre) / radius).abs()).max(0.0);
            let weights: Vec<f64> = (0..source).map(triangle).collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / sum).collect()
        })
        .collect()
}

/// `[resized_height, resized_width, 3]`, exact.
fn reference_resize(image: &RgbImage, width: usize, height: usize) -> Vec<Vec<[f64; 3]>> {
    let horizontal = reference_weights(image.width() as usize, width);
    let vertical = reference_weights(image.height() as usize, height);
    let rows: Vec<Vec<[f64; 3]>> = image
        .rows()
        .map(|row| {
            let row: Vec<_> = row.map(|pixel| pixel.0.map(f64::from)).collect();
            horizontal.iter().map(|weights| weighted(weights, |i| row[i])).collect()
        })
        .collect();
    vertical
        .iter()
        .map(|weights| (0..width).map(|x| weighted(weights, |y| rows[y][x])).collect())
        .collect()
}

fn weighted(weights: &[f64], value: impl Fn(usize) -> [f64; 3]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        for (total, level) in sum.iter_mut().zip(value(i)) {
            *total += weight * level;
        }
    }
    sum
}

fn resized_sides(resize: Resize, width: u32, height: u32) -> (usize, usize) {
    match resize {
        Resize::Stretch { size } => (size, size),
        Resize::ShortSide { size } => {
            let short = width.min(height) as usize;
            (size * width as usize / short, size * height as usize / short)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn crops_are_those_of_the_whole_resized_photo(
        width in 1_u32..90, height in 1_u32..90, size in 1_usize..40, cut in 0_usize..20,
        stretch: bool, seed: u32,
    ) {
        let side = size - cut.min(size - 1);
        let resize = if stretch { Resize::Stretch { size } } else { Resize::ShortSide { size } };
        let image = photo(width, height, seed);
        let (resized_width, resized_height) = resized_sides(resize, width, height);
        let whole = reference_resize(&image, resized_width, resized_height);
        let (right, bottom) = (resized_width - side, resized_height - side);
        let centre = |margin: usize| (margin as f64 / 2.0).round_ties_even() as usize;
        let corners =
            [(0, 0), (right, 0), (0, bottom), (right, bottom), (centre(right), centre(bottom))];

        let ten = preprocessor(side, resize).crops(&image, Crops::Ten).unwrap();
        prop_assert_eq!(ten.len(), 10);
        for (index, crop) in ten.iter().enumerate() {
            let (left, top) = corners[index % 5];
            for y in 0..side {
                for x in 0..side {
                    let from_x = if index < 5 { x } else { side - 1 - x };
                    let exact = whole[top + y][left + from_x];
                    for (channel, exact) in exact.into_iter().enumerate() {
                        let level = f64::from(crop.as_bytes()[(y * side + x) * 3 + channel]);
                        // Rounded to bytes after each of the two passes, each by half a level.
                        prop_assert!(
                            (level - exact).abs() <= 1.05,
                            "crop {index}, ({x}, {y}), channel {channel}: {level}, exactly {exact}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn one_five_and_ten_agree_on_what_they_share() {
    let image = photo(61, 47, 5);
    let preprocessor = preprocessor(20, Resize::ShortSide { size: 24 });
    let one = preprocessor.crops(&image, Crops::One).unwrap();
    let five = preprocessor.crops(&image, Crops::Five).unwrap();
    let ten = preprocessor.crops(&image, Crops::Ten).unwrap();
    assert_eq!(one[0], five[4]);
    assert_eq!(five, ten[..5]);
    assert_ne!(five[0], five[3]);
}

#[test]
fn a_photo_of_the_size_of_the_resize_is_only_cut() {
    let image = photo(256, 256, 1);
    let crop = preprocessor(224, Resize::Stretch { size: 256 })
        .crops(&image, Crops::One)
        .unwrap()
        .remove(0);
    let cut = image::imageops::crop_imm(&image, 16, 16, 224, 224).to_image();
    assert_eq!(crop.as_bytes(), cut.as_raw().as_slice());
}

#[test]
fn extremely_thin_photos_give_whole_crops() {
    for (width, height) in [(1, 30_000), (30_000, 1), (1, 1), (2, 65_535)] {
        let image = photo(width, height, 9);
        for resize in [Resize::ShortSide { size: 256 }, Resize::Stretch { size: 256 }] {
            let crops = preprocessor(224, resize).crops(&image, Crops::Ten).unwrap();
            assert_eq!(crops.len(), 10);
            assert!(crops.iter().all(|crop| crop.side() == 224));
        }
    }
}

#[test]
fn what_cannot_be_cropped_is_refused() {
    let refused = |side, size| {
        let resize = Resize::Stretch { size };
        Preprocessor::new(Preprocessing { side, resize, ..Preprocessing::bvlc() })
    };
    for (side, size) in [(0, 256), (257, 256), (0, 0), (224, 1 << 20)] {
        assert_eq!(refused(side, size), Err(PreprocessError::Size { side, size }));
    }
    let preprocessor = preprocessor(224, Resize::Stretch { size: 256 });
    let empty = RgbImage::new(0, 5);
    assert_eq!(preprocessor.crops(&empty, Crops::One), Err(PreprocessError::NoPixels));
}
