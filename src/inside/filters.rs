//! The filters of the first layer as patches of colour.

use image::ExtendedColorType;

use super::tiles::Tiles;
use crate::drawing::{PictureError, png};
use googlenet_engine::model::ColourFilters;

const CHANNELS: usize = 3;
/// A filter is enlarged by a whole number, to about so many pixels.
const TILE_SIDE: usize = 56;
/// Free pixels between two filters.
const GAP: usize = 4;
/// Largest width of the picture, where its filters leave a choice.
const MOST_WIDTH: usize = 1024;

/// A PNG of all filters in a square grid, in the order of the channels, row by row. All have one scale: middle grey is
/// a weight of 0, and the largest weight of all is a colour of 0 or 255.
///
/// # Errors
/// [`PictureError`] when there are too many for a picture.
pub fn filters(filters: &ColourFilters) -> Result<Vec<u8>, PictureError> {
    let columns = (1..=filters.count).find(|side| side * side >= filters.count).unwrap_or(1);
    let side = filters.height.max(filters.width).max(1);
    let most = (MOST_WIDTH / columns).min(TILE_SIDE) / side;
    let times = most.max(1);
    let tiles = Tiles {
        count: filters.count,
        columns,
        size: (filters.height * times, filters.width * times),
        gap: GAP,
    };
    let (width, height) = tiles.picture();
    let mut pixels = vec![u8::MAX; width * height * CHANNELS];
    let largest = filters.largest();
    let scale = if largest > 0.0 { largest } else { 1.0 };
    for (index, filter) in filters.filters().enumerate() {
        let (left, top) = tiles.first(index);
        for row in 0..tiles.size.0 {
            for column in 0..tiles.size.1 {
                let weights = filter[row / times * filters.width + column / times];
                let pixel = (top + row) * width + left + column;
                pixels[pixel * CHANNELS..][..CHANNELS]
                    .copy_from_slice(&weights.map(|weight| shade(weight / scale)));
            }
        }
    }
    png((width, height), ExtendedColorType::Rgb8, &pixels)
}

/// -1..=1 as 0..=255, 0 in the middle.
fn shade(value: f32) -> u8 {
    (127.5 + 127.5 * value).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_keep_their_place_and_one_scale() {
        // The first pixel of the first filter is red, the last one of the last is dark blue.
        let mut weights = vec![0.0; 5 * 2 * 3 * 3];
        weights[0] = 2.0;
        *weights.last_mut().unwrap() = -1.0;
        let five = ColourFilters { count: 5, height: 2, width: 3, weights: weights.into() };
        let picture = image::load_from_memory(&filters(&five).unwrap()).unwrap().to_rgb8();
        let times = 18;
        assert_eq!(picture.dimensions(), (3 * (3 * times + 4) + 4, 2 * (2 * times + 4) + 4));
        assert_eq!(picture.get_pixel(4, 4).0, [255, 128, 128]);
        assert_eq!(picture.get_pixel(4 + times - 1, 4 + times - 1).0, [255, 128, 128], "enlarged");
        assert_eq!(picture.get_pixel(4 + times, 4).0, [128; 3], "the next weight is 0");
        assert_eq!(picture.get_pixel(0, 0).0, [255; 3], "white between the filters");
        let last = (4 + (3 * times + 4) + 3 * times - 1, 4 + (2 * times + 4) + 2 * times - 1);
        assert_eq!(picture.get_pixel(last.0, last.1).0, [128, 128, 64]);
    }

    #[test]
    fn filters_of_any_size() {
        for (count, height, width) in [(1, 1, 1), (64, 7, 7), (300, 3, 3), (7, 11, 200)] {
            let weights = vec![0.0; count * height * width * 3];
            let some = ColourFilters { count, height, width, weights: weights.into() };
            let picture = image::load_from_memory(&filters(&some).unwrap()).unwrap();
            assert!(picture.width() < 2048, "{count} of {height}x{width}: {}", picture.width());
        }
    }
}
