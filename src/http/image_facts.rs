//! What an image turned out to be, as answers say it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::pipeline::Classified;
use crate::preprocess::Region;

/// What an image turned out to be.
#[derive(Serialize, ToSchema)]
pub struct ImageFacts {
    /// In pixels, as viewed (the EXIF orientation applied).
    pub width: u32,
    /// In pixels, as viewed.
    pub height: u32,
    /// Found from the bytes.
    #[schema(example = "jpeg")]
    pub format: &'static str,
    /// The part of the image that the network read.
    pub crop: CropFacts,
    /// What is wrong with the file, though it could be decoded: `truncated` (it ends before its picture
    /// does) or `damaged` (bytes within it are wrong). Left out when nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["truncated"]))]
    pub warnings: Vec<&'static str>,
}

/// The part of an image that the network read, in the image's pixels as viewed, with fractions. With several crops it is
/// what they show together.
#[derive(Serialize, ToSchema)]
pub struct CropFacts {
    /// From the left edge.
    #[schema(example = 31.25)]
    pub left: f64,
    /// From the upper edge.
    #[schema(example = 20.3125)]
    pub top: f64,
    /// Its width.
    #[schema(example = 437.5)]
    pub width: f64,
    /// Its height.
    #[schema(example = 284.375)]
    pub height: f64,
}

impl ImageFacts {
    /// What this image is.
    pub fn of(image: &Classified) -> Self {
        let Region { left, top, width, height } = image.region;
        Self {
            width: image.width,
            height: image.height,
            format: image.format.as_str(),
            crop: CropFacts { left, top, width, height },
            warnings: image.warnings.iter().map(|warning| warning.as_str()).collect(),
        }
    }
}
