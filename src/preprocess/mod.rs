//! From a decoded photo to the square crops that the network reads.
//!
//! The resize is an antialiased bilinear filter, like Pillow's. Only the region of the source that a crop shows is
//! resized. So nothing outside the crop is computed, and a photo that is one pixel wide takes no more memory than
//! another. Mean, scale and channel order are not applied here: the plan does that from [`Pixels`].

mod crops;
mod region;

use std::sync::Arc;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::RgbImage;

pub use crops::{Crops, CropsError};
pub use region::Region;
use region::Resized;

use googlenet_engine::model::{Pixels, Preprocessing};

const CHANNELS: usize = 3;

/// Makes crops as a model's [`Preprocessing`] says; shared by threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    preprocessing: Preprocessing,
}

impl Preprocessor {
    /// # Errors
    /// [`PreprocessError::Size`] when the crop does not fit the resized photo, or has no pixels.
    pub fn new(preprocessing: Preprocessing) -> Result<Self, PreprocessError> {
        let (side, size) = (preprocessing.side, preprocessing.resize.size());
        if side == 0 || side > size || size > region::MAX_SIZE {
            return Err(PreprocessError::Size { side, size });
        }
        Ok(Self { preprocessing })
    }

    /// What the crops are made after.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Memory that [`Self::crops`] gives, in bytes.
    pub fn crops_bytes(&self, crops: Crops) -> u64 {
        (crops.count() * self.preprocessing.side.pow(2) * CHANNELS) as u64
    }

    /// The part of a photo of these pixels that its crops show together; none when it has no pixels.
    pub fn region(&self, width: u32, height: u32, crops: Crops) -> Option<Region> {
        if width == 0 || height == 0 {
            return None;
        }
        let resized = Resized::new(self.preprocessing.resize, width, height);
        let regions = crops.positions().iter();
        regions
            .map(|&position| resized.region(position, self.preprocessing.side))
            .reduce(Region::with)
    }

    /// What the central crop shows, `[side, side, 3]` with another `side`.
    ///
    /// # Errors
    /// [`PreprocessError::NoPixels`] when width or height is zero, [`PreprocessError::Size`] for a side of no pixels,
    /// or of more than any crop has.
    pub fn picture(&self, image: &RgbImage, side: usize) -> Result<Pixels, PreprocessError> {
        if side == 0 || side > region::MAX_SIZE {
            return Err(PreprocessError::Size { side, size: region::MAX_SIZE });
        }
        let (width, height) = image.dimensions();
        let region = self.region(width, height, Crops::One).ok_or(PreprocessError::NoPixels)?;
        let source = ImageRef::new(width, height, image.as_raw(), PixelType::U8x3)
            .map_err(PreprocessError::internal)?;
        resize_region(&mut Resizer::new(), &source, region, side)
    }

    /// Pixels on the shorter side that a photo needs to have so that a crop of `side` pixels loses nothing.
    pub fn source_side(&self, side: usize) -> usize {
        let Preprocessing { side: own, resize, .. } = &self.preprocessing;
        (resize.size() * side.min(region::MAX_SIZE)).div_ceil(*own).max(resize.size())
    }

    /// The crops of `image`, `[side, side, 3]` each, in the order that [`Crops`] names.
    ///
    /// # Errors
    /// [`PreprocessError::NoPixels`] when width or height is zero.
    pub fn crops(&self, image: &RgbImage, crops: Crops) -> Result<Vec<Pixels>, PreprocessError> {
        let (width, height) = image.dimensions();
        if width == 0 || height == 0 {
            return Err(PreprocessError::NoPixels);
        }
        let side = self.preprocessing.side;
        let resized = Resized::new(self.preprocessing.resize, width, height);
        let source = ImageRef::new(width, height, image.as_raw(), PixelType::U8x3)
            .map_err(PreprocessError::internal)?;
        let mut resizer = Resizer::new();
        let mut pixels = Vec::with_capacity(crops.count());
        for position in crops.positions() {
            let region = resized.region(*position, side);
            pixels.push(resize_region(&mut resizer, &source, region, side)?);
        }
        if crops.mirrored() {
            for upright in 0..pixels.len() {
                pixels.push(mirror(&pixels[upright])?);
            }
        }
        Ok(pixels)
    }
}

/// Why there are no crops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessError {
    /// The crop does not fit the resized photo.
    #[error(
        "a crop of {side} pixels cannot be taken from a photo resized to {size}: the model's input \
         side must be at least 1 and at most the size of the resize, and that at most {max}",
        max = region::MAX_SIZE
    )]
    Size {
        /// Width and height of the crop in pixels.
        side: usize,
        /// Size of the resize in pixels.
        size: usize,
    },
    /// Width or height of the photo is zero.
    #[error("the photo has no pixels: send one with at least one pixel on each side")]
    NoPixels,
    /// The resizer refused what it was given.
    #[error("the photo could not be resized: {0}")]
    Internal(String),
}

impl PreprocessError {
    fn internal(error: impl ToString) -> Self {
        Self::Internal(error.to_string())
    }
}

fn resize_region(
    resizer: &mut Resizer,
    source: &ImageRef<'_>,
    region: Region,
    side: usize,
) -> Result<Pixels, PreprocessError> {
    // Collected straight into shared memory: from a `Vec` the bytes would be copied once more.
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, side * side * CHANNELS).collect();
    if let Some(target) = Arc::get_mut(&mut bytes) {
        // At most `region::MAX_SIZE`, as checked when the preprocessor was made.
        let side = side as u32;
        let mut target = Image::from_slice_u8(side, side, target, PixelType::U8x3)
            .map_err(PreprocessError::internal)?;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(region.left, region.top, region.width, region.height)
            .use_alpha(false);
        resizer
            .resize(source, &mut target, &options)
            .map_err(|error: ResizeError| PreprocessError::internal(error))?;
    }
    Pixels::new(side, bytes).map_err(PreprocessError::internal)
}

fn mirror(pixels: &Pixels) -> Result<Pixels, PreprocessError> {
    let side = pixels.side();
    let mut bytes = pixels.as_bytes().to_vec();
    for row in bytes.chunks_exact_mut(side * CHANNELS) {
        row.as_chunks_mut::<CHANNELS>().0.reverse();
    }
    Pixels::new(side, bytes).map_err(PreprocessError::internal)
}

#[cfg(test)]
mod tests;
