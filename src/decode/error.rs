//! Why bytes did not become a photo.

use super::Format;

/// Bytes that could not be decoded; each message says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes at all.
    #[error("the image is empty: send the bytes of an image file")]
    Empty,
    /// The first bytes are the signature of no format that is decoded.
    #[error(
        "the bytes are not an image in a known format: send JPEG, PNG, GIF, WebP, BMP or TIFF \
         (the format is found from the bytes, not from a name or a content type)"
    )]
    UnsupportedFormat,
    /// The first bytes are those of a format that is known by name only.
    #[error("this is {what}: send JPEG, PNG, GIF, WebP, BMP or TIFF")]
    ForeignFormat {
        /// The format and where it comes from, as a person would say it.
        what: &'static str,
    },
    /// A known format that uses a feature that is not decoded.
    #[error("this {format} cannot be decoded: {detail}; save it as an ordinary JPEG or PNG")]
    UnsupportedFeature {
        /// Format of the bytes.
        format: Format,
        /// The feature that is not supported.
        detail: String,
    },
    /// The header states more pixels than are accepted; nothing was decoded.
    #[error(
        "the image is {width} x {height} pixels; at most {max_pixels} pixels, and \
         {max_side_pixels} on a side, are accepted: send a smaller one"
    )]
    TooLarge {
        /// Width in pixels, as stored.
        width: u32,
        /// Height in pixels, as stored.
        height: u32,
        /// Largest accepted width times height.
        max_pixels: u64,
        /// Largest accepted width, and height.
        max_side_pixels: u32,
    },
    /// The file is valid as far as is known, but holds more of something than is accepted.
    #[error(
        "this {format} has {what}; at most {most} are accepted: save it as an ordinary JPEG or PNG"
    )]
    TooMany {
        /// Format of the bytes.
        format: Format,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// The bytes break the rules of their format, or end before the picture does.
    #[error("the {format} is damaged or incomplete ({detail}): send the whole, valid file")]
    Corrupt {
        /// Format of the bytes.
        format: Format,
        /// What the decoder stumbled over.
        detail: String,
    },
}

impl DecodeError {
    pub(super) fn corrupt(format: Format, detail: impl ToString) -> Self {
        Self::Corrupt { format, detail: detail.to_string() }
    }

    pub(super) fn unsupported(format: Format, detail: impl ToString) -> Self {
        Self::UnsupportedFeature { format, detail: detail.to_string() }
    }

    pub(super) fn from_image(format: Format, error: image::ImageError) -> Self {
        match error {
            image::ImageError::Unsupported(error) => Self::unsupported(format, error),
            // A bound is no damage: the file may be as it was meant.
            image::ImageError::Limits(_) => {
                Self::unsupported(format, "it takes more memory than a picture of its size should")
            }
            error => Self::corrupt(format, error),
        }
    }
}
