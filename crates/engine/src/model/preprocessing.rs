//! How a photo becomes the network's input, as a model's TOML file says.

use serde::{Deserialize, Serialize};

/// Everything between a decoded photo and the network's input.
///
/// The crop of `side` x `side` pixels is taken after [`Resize`]; then, for each channel in
/// `channels` order, `normalised = (byte - mean) * scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// Width and height of the input in pixels (224 for GoogLeNet).
    pub side: usize,
    /// The resize before the crop.
    pub resize: Resize,
    /// Order of the channels in the input.
    pub channels: ChannelOrder,
    /// Subtracted from each byte, in `channels` order, in units of 0..=255.
    pub mean: [f32; 3],
    /// Multiplied after the mean is subtracted, in `channels` order.
    pub scale: [f32; 3],
}

impl Preprocessing {
    /// As BVLC trained GoogLeNet: 256x256, centre crop 224, BGR, minus (104, 117, 123).
    pub fn bvlc() -> Self {
        Self {
            side: 224,
            resize: Resize::Stretch { size: 256 },
            channels: ChannelOrder::Bgr,
            mean: [104.0, 117.0, 123.0],
            scale: [1.0; 3],
        }
    }
}

/// Order of the colour channels in the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChannelOrder {
    /// Red first, as torchvision trains.
    Rgb,
    /// Blue first, as Caffe trains.
    Bgr,
}

impl ChannelOrder {
    /// For each channel of the input, the index of its byte in an RGB pixel.
    pub fn from_rgb(self) -> [usize; 3] {
        match self {
            Self::Rgb => [0, 1, 2],
            Self::Bgr => [2, 1, 0],
        }
    }
}

/// The resize before the crop; always an antialiased bilinear filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Resize {
    /// To `size` x `size`, whatever the aspect (as BVLC trained).
    Stretch {
        /// Width and height in pixels.
        size: usize,
    },
    /// The shorter side to `size`, the aspect kept (as torchvision evaluates).
    ShortSide {
        /// Length of the shorter side in pixels.
        size: usize,
    },
}

impl Resize {
    /// The size that the resize aims at, in pixels.
    pub fn size(self) -> usize {
        match self {
            Self::Stretch { size } | Self::ShortSide { size } => size,
        }
    }
}
