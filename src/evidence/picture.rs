//! The photo with the squares' shares over it, and a scale in its corner.

use image::ExtendedColorType;

use super::colours::{Colour, over, over_white, pale_grey};
use super::digits;
use super::shares::Grid;
use crate::drawing::{PictureError, png};

const CHANNELS: usize = 3;
/// How much of the photo the strongest square covers.
const COVER: f32 = 0.75;
/// The scale is so many dots wide.
const SCALE_DOTS: usize = 64;

/// A PNG of `photo`, `[side, side, 3]`, in pale grey, with `grid` over it: orange squares speak for the class, blue
/// ones against it, and the strongest has the strongest colour. The scale in the corner says what that is worth.
///
/// # Errors
/// [`PictureError`] when the photo has another size.
pub fn overlay(photo: &[u8], side: usize, grid: &Grid) -> Result<Vec<u8>, PictureError> {
    if photo.len() != side * side * CHANNELS {
        return Err(PictureError(format!("{} bytes are not {side}x{side} pixels", photo.len())));
    }
    let most = grid.values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    // A grid of zeros is transparent.
    let unit = if most > 0.0 { most } else { 1.0 };
    let (columns, rows) = (grid.columns.max(1), grid.rows().len().max(1));
    let (photo, _) = photo.as_chunks::<CHANNELS>();
    let mut pixels: Vec<Colour> = Vec::with_capacity(side * side);
    for (index, &pixel) in photo.iter().enumerate() {
        let (row, column) = (index / side * rows / side, index % side * columns / side);
        let value = grid.values.get(row * columns + column).copied().unwrap_or(0.0);
        pixels.push(over(pale_grey(pixel), value / unit, COVER));
    }
    draw_scale(&mut pixels, side, most);
    png((side, side), ExtendedColorType::Rgb8, pixels.as_flattened())
}

/// Memory that a picture of `side` pixels takes while it is made, the photo not included, in bytes.
pub fn picture_bytes(side: usize) -> u64 {
    // Its pixels, and the PNG twice while its buffer grows.
    3 * (side * side * CHANNELS) as u64
}

/// A white box in the lower left corner: a bar from `-most` to `most`, and both numbers under it.
fn draw_scale(pixels: &mut [Colour], side: usize, most: f32) {
    let dot = (side / 224).max(1);
    let (width, height) = ((SCALE_DOTS + 4) * dot, (3 + 4 + digits::HEIGHT + 3) * dot);
    if width > side || height > side {
        return;
    }
    let top = side - height;
    let mut paint = |column: usize, row: usize, colour: Colour| {
        let first = (top + row) * side + column;
        if let Some(pixel) = pixels.get_mut(first) {
            *pixel = colour;
        }
    };
    for row in 0..height {
        for column in 0..width {
            paint(column, row, [255; 3]);
        }
    }
    let bar = SCALE_DOTS * dot;
    for row in 2 * dot..6 * dot {
        for column in 0..bar {
            let value = 2.0 * column as f32 / (bar - 1) as f32 - 1.0;
            paint(2 * dot + column, row, over_white(value));
        }
    }
    let (least, most) = (digits::number(-most), digits::number(most));
    let ends = 2 + SCALE_DOTS - digits::width(&most);
    for (text, left) in [(&least, 2), (&most, ends)] {
        for (column, row) in digits::of(text) {
            for (x, y) in (0..dot).flat_map(|y| (0..dot).map(move |x| (x, y))) {
                paint((left + column) * dot + x, (8 + row) * dot + y, [0; 3]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(png: &[u8]) -> image::RgbImage {
        image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap().to_rgb8()
    }

    #[test]
    fn squares_for_are_orange_and_squares_against_blue() {
        let side = 224;
        let photo = vec![128; side * side * 3];
        let mut values = vec![0.0; 49];
        (values[0], values[6]) = (2.0, -2.0);
        let picture = decoded(&overlay(&photo, side, &Grid { columns: 7, values }).unwrap());
        assert_eq!(picture.dimensions(), (224, 224));
        let [r, _, b] = picture.get_pixel(5, 5).0;
        assert!(r > b, "orange");
        let [r, _, b] = picture.get_pixel(218, 5).0;
        assert!(b > r, "blue");
        assert_eq!(picture.get_pixel(112, 112).0, pale_grey([128; 3]), "nothing is transparent");
        assert_eq!(picture.get_pixel(31, 31).0, picture.get_pixel(0, 0).0, "one square");
        assert_ne!(picture.get_pixel(32, 31).0, picture.get_pixel(0, 0).0, "the next");
    }

    #[test]
    fn the_scale_has_both_ends() {
        for side in [224, 448, 1024] {
            let photo = vec![0; side * side * 3];
            let grid = Grid { columns: 7, values: vec![1.5; 49] };
            let picture = decoded(&overlay(&photo, side, &grid).unwrap());
            let dot = (side / 224) as u32;
            let row = picture.height() - 15 * dot + 3 * dot;
            let [r, _, b] = picture.get_pixel(2 * dot, row).0;
            assert!(b > r, "{side}: blue at the left");
            let [r, _, b] = picture.get_pixel(65 * dot, row).0;
            assert!(r > b, "{side}: orange at the right");
        }
    }

    #[test]
    fn a_grid_of_zeros_and_a_wrong_size() {
        let grid = Grid { columns: 7, values: vec![0.0; 49] };
        let picture = decoded(&overlay(&vec![10; 224 * 224 * 3], 224, &grid).unwrap());
        assert_eq!(picture.get_pixel(0, 0).0, pale_grey([10; 3]));
        assert!(overlay(&[0; 3], 224, &grid).is_err());
    }
}
