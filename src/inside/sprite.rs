//! Channels of a map side by side in one picture, which a page cuts into tiles.

use image::ExtendedColorType;

use super::tiles::Tiles;
use crate::drawing::{PictureError, png};
use googlenet_engine::model::Activations;

/// Tiles in a row.
const COLUMNS: usize = 16;

/// Channels of a map as one picture.
#[derive(Clone, Debug)]
pub struct Sprite {
    /// Tiles in a row; the tiles are as large as the map and lie side by side.
    pub columns: usize,
    /// What a white pixel is worth: the largest value of the whole map, so that channels compare. Black is 0.
    pub scale: f32,
    /// In grey, 8 bits.
    pub png: Vec<u8>,
}

/// A picture of `channels` of `map`, in their order.
///
/// # Errors
/// [`PictureError`] when there are too many for a picture.
///
/// # Panics
/// When the map does not have a channel.
pub fn sprite(map: &Activations, channels: &[usize]) -> Result<Sprite, PictureError> {
    let columns = COLUMNS.min(channels.len()).max(1);
    let tiles = Tiles { count: channels.len(), columns, size: (map.height, map.width), gap: 0 };
    let (width, height) = tiles.picture();
    let scale = map.values.iter().copied().fold(0.0, f32::max);
    let unit = if scale > 0.0 { 255.0 / scale } else { 0.0 };
    let mut pixels = vec![0; width * height];
    for (tile, &channel) in channels.iter().enumerate() {
        let (left, top) = tiles.first(tile);
        for (index, pixel) in map.pixels().enumerate() {
            let (row, column) = (index / map.width, index % map.width);
            // A cast leaves out what is below 0.
            pixels[(top + row) * width + left + column] = (pixel[channel] * unit).round() as u8;
        }
    }
    Ok(Sprite { columns, scale, png: png((width, height), ExtendedColorType::L8, &pixels)? })
}

/// Memory that a sprite of `values` values takes while it is made, in base64 in an answer at last, in bytes.
pub fn sprite_bytes(values: usize) -> u64 {
    // Its pixels; the PNG twice while its buffer grows; base64 twice, by itself and in the answer.
    6 * values as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_the_channels_in_their_order_with_one_scale() {
        // Value = 10 * channel + pixel.
        let (height, width, channels) = (2, 3, 20);
        let values: Vec<f32> = (0..height * width)
            .flat_map(|pixel| (0..channels).map(move |channel| (10 * channel + pixel) as f32))
            .collect();
        let map = Activations { height, width, channels, values: values.into() };
        let order: Vec<usize> = (0..channels).rev().collect();
        let made = sprite(&map, &order).unwrap();
        assert_eq!((made.columns, made.scale), (16, 195.0));
        let picture = image::load_from_memory(&made.png).unwrap().to_luma8();
        assert_eq!(picture.dimensions(), (48, 4));
        for (tile, channel) in order.into_iter().enumerate() {
            for pixel in 0..height * width {
                let (x, y) =
                    (tile % 16 * width + pixel % width, tile / 16 * height + pixel / width);
                let value = (10 * channel + pixel) as f32 / 195.0 * 255.0;
                assert_eq!(picture.get_pixel(x as u32, y as u32).0, [value.round() as u8]);
            }
        }
    }

    #[test]
    fn a_silent_map_is_black() {
        let map = Activations { height: 1, width: 1, channels: 2, values: vec![0.0; 2].into() };
        let made = sprite(&map, &[1]).unwrap();
        assert_eq!((made.columns, made.scale), (1, 0.0));
        assert_eq!(image::load_from_memory(&made.png).unwrap().to_luma8().into_raw(), [0]);
    }
}
