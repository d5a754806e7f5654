//! The outcome for an image or a tensor: its probabilities, or why there are none.

use std::sync::Arc;
use std::time::Duration;

use super::blocking_pool::{KeptMemory, WorkError};
use crate::batcher::InferError;
use crate::decode::{DecodeError, Format, Warning};
use crate::preprocess::{PreprocessError, Region};
use googlenet_engine::model::{Input, Pixels, Probabilities, Seen};

/// What an image turned out to be.
#[derive(Debug)]
pub struct Classified {
    /// The mean over the crops.
    pub probabilities: Probabilities,
    /// Found from the bytes.
    pub format: Format,
    /// In pixels, as viewed.
    pub width: u32,
    /// In pixels, as viewed.
    pub height: u32,
    /// The part of it that the crops show together.
    pub region: Region,
    /// What is wrong with the file.
    pub warnings: Vec<Warning>,
    /// How long each stage took.
    pub timing: Timing,
    /// What was seen in the network, if it was looked at.
    pub seen: Option<Looked>,
}

/// What was seen of an image; its memory counts until it is dropped.
#[derive(Debug)]
pub struct Looked {
    /// In the network.
    pub seen: Arc<Seen>,
    /// What the network read.
    pub input: Option<Input>,
    /// What the crop shows, if a picture was wanted.
    pub picture: Option<Pixels>,
    pub(super) _kept: KeptMemory,
}

/// How long each stage took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// From bytes to pixels.
    pub decode: Duration,
    /// From pixels to crops.
    pub preprocess: Duration,
    /// From joining the queue to a worker.
    pub queue: Duration,
    /// The run of the batch.
    pub inference: Duration,
    /// The runs with a part of the image covered, and the pauses between them, if that was asked for.
    pub occlusion: Option<Duration>,
}

/// Why an image has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The image cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The decoder panicked on this file.
    #[error("the {format} decoder failed on this file: it is damaged, or made to do that")]
    DecoderPanicked {
        /// Format of the file.
        format: Format,
    },
    /// It could be decoded, but something is wrong with it, and such files are not wanted.
    #[error("the {format} is {}: send the whole, valid file", warning.as_str())]
    Damaged {
        /// Format of the file.
        format: Format,
        /// What is wrong.
        warning: Warning,
    },
    /// The memory limit is too small, or the service is ending.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The crops cannot be made.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The plan has no answer.
    #[error(transparent)]
    Infer(#[from] InferError),
}

/// Why the images of a tensor have no answer; `E` says what is wrong with their elements.
#[derive(Debug, thiserror::Error)]
pub enum TensorError<E> {
    /// There is too little memory or time for the tensor, or the service is ending.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The elements cannot be read.
    #[error("{0}")]
    Elements(E),
    /// The plan has no answer.
    #[error(transparent)]
    Infer(#[from] InferError),
}
