//! All strips or tiles, put together to the picture.

use image::RgbImage;

use super::super::{DecodeError, rgb};
use super::corrupt;
use super::directory::Directory;
use super::rows::{Buffers, Rows};

/// Decodes the picture; what is held beside it are the buffers of a row.
pub(super) fn decode(directory: &Directory) -> Result<RgbImage, DecodeError> {
    let Directory { width, height, layout, .. } = directory;
    let too_large = || corrupt("its size overflows");
    let row_bytes = usize::try_from(u64::from(*width) * rgb::RGB_BYTES).ok();
    let row_bytes = row_bytes.ok_or_else(too_large)?;
    let length = row_bytes.checked_mul(*height as usize).filter(|l| isize::try_from(*l).is_ok());
    let mut pixels = vec![0; length.ok_or_else(too_large)?];
    let mut buffers = Buffers::new(directory)?;
    // A row of chunks each.
    let bands = pixels.chunks_mut(row_bytes.saturating_mul(layout.height as usize));
    for (down, band) in (0..layout.down).zip(bands) {
        for across in 0..layout.across {
            // Less than the width of the picture.
            let from = across as usize * layout.width as usize * 3;
            let to = from.saturating_add(layout.width as usize * 3).min(row_bytes);
            let mut rows = Rows::open(directory, (across, down))?;
            for row in band.chunks_exact_mut(row_bytes) {
                rows.next(&mut buffers)?;
                directory.colours.to_rgb(
                    &buffers.samples,
                    directory.samples.per_pixel,
                    directory.alpha,
                    &mut row[from..to],
                )?;
            }
        }
    }
    RgbImage::from_raw(*width, *height, pixels).ok_or_else(too_large)
}
