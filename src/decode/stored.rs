//! What the module of each format returns: first the result of its header check, then the picture as stored.

use std::time::Duration;

use image::RgbImage;
use image::metadata::Orientation;
use serde::Serialize;

/// What the check of a header found.
#[derive(Debug)]
pub(super) struct Checked<P> {
    /// Width in pixels as stored.
    pub(super) width: u32,
    /// Height in pixels as stored.
    pub(super) height: u32,
    /// How the picture is to be turned for viewing.
    pub(super) orientation: Orientation,
    /// Upper estimate of the bytes that decoding takes, the output included, the file not.
    pub(super) decode_bytes: u64,
    /// Estimate of the time that decoding takes on one core of 2023.
    pub(super) decode_time: Duration,
    /// The parts of the file that decoding goes by.
    pub(super) picture: P,
}

impl<P> Checked<P> {
    /// With the parts as `wrap` makes them of what they are.
    pub(super) fn map<Q>(self, wrap: impl FnOnce(P) -> Q) -> Checked<Q> {
        let Self { width, height, orientation, decode_bytes, decode_time, picture } = self;
        let picture = wrap(picture);
        Checked { width, height, orientation, decode_bytes, decode_time, picture }
    }
}

/// A decoded picture as stored: the orientation and the colour profile not applied.
pub(super) struct Stored {
    /// 8-bit RGB.
    pub(super) pixels: RgbImage,
    /// The embedded ICC profile, if it is of RGB and of a size that profiles have.
    pub(super) colour_profile: Option<Vec<u8>>,
    /// What is wrong with the file, though it could be decoded.
    pub(super) warnings: Vec<Warning>,
}

impl From<RgbImage> for Stored {
    fn from(pixels: RgbImage) -> Self {
        Self { pixels, colour_profile: None, warnings: Vec::new() }
    }
}

/// What is wrong with a file that could be decoded all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The file ends before its picture does; what is missing is filled up.
    Truncated,
    /// Bytes within the file are wrong; the picture may be, in places.
    Damaged,
}

impl Warning {
    /// As answers show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
        }
    }
}
