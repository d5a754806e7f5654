//! From the bytes of an image to its probabilities: decode, preprocess, queue, plan.

mod prepare_pool;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use prepare_pool::{KeptMemory, MemoryNeed, PrepareError, PreparePool, PrepareThreads, Work};

use crate::batcher::{Ask, InferError, Inference, Place};
use crate::decode::{self, DecodeError, DecodeLimits, Decoded, Format, ImageFile, Warning};
use crate::metrics::{Metrics, PanicPlace};
use crate::preprocess::{Crops, PreprocessError, Preprocessor};
use googlenet_engine::model::{Input, Pixels, Probabilities};

/// Decodes images. A trait, so that a test can put a fault around the real decoder.
pub trait Decoder: Send + Sync + 'static {
    /// See [`decode::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] when the image is corrupt.
    fn decode(&self, file: &ImageFile, at_least: usize) -> Result<Decoded, DecodeError>;
}

/// The decoder of the service.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageDecoder;

impl Decoder for ImageDecoder {
    fn decode(&self, file: &ImageFile, at_least: usize) -> Result<Decoded, DecodeError> {
        decode::decode(file, at_least)
    }
}

/// The stages in front of the queue, shared by all requests.
pub struct Pipeline {
    /// Decodes.
    pub decoder: Arc<dyn Decoder>,
    /// Refuses large images by their header.
    pub limits: DecodeLimits,
    /// Resizes and crops.
    pub preprocessor: Arc<Preprocessor>,
    /// Where both happen.
    pub pool: PreparePool,
    /// Whether files with something wrong in them are refused, though they could be decoded.
    pub reject_damaged: bool,
    /// What is counted.
    pub metrics: Metrics,
}

/// What one image may take, however much there is for all: within it lie all photos of up to 32 megapixels,
/// but for those that are stored in the most wasteful ways.
const MOST_IMAGE_BYTES: u64 = 192 << 20;

/// The size of the photos that are decoded at the start, in pixels.
const MADE_WIDTH: u32 = 500;
const MADE_HEIGHT: u32 = 375;

/// What an image turned out to be.
#[derive(Clone, Debug)]
pub struct Classified {
    /// The mean over the crops.
    pub probabilities: Probabilities,
    /// Found from the bytes.
    pub format: Format,
    /// In pixels, as viewed.
    pub width: u32,
    /// In pixels, as viewed.
    pub height: u32,
    /// What is wrong with the file.
    pub warnings: Vec<Warning>,
    /// How long each stage took.
    pub timing: Timing,
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
    Prepare(#[from] PrepareError),
    /// The crops cannot be made.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The plan has no answer.
    #[error(transparent)]
    Infer(#[from] InferError),
}

/// An encoded image, its header read: what is known before it has a place in the queue.
pub struct Encoded {
    file: ImageFile,
    need: MemoryNeed,
    decode_time: Duration,
    crops: Crops,
}

impl Encoded {
    /// What it asks of the queue.
    pub fn ask(&self) -> Ask {
        Ask { decode_time: self.decode_time, inputs: self.crops.count() }
    }
}

struct Prepared {
    crops: Vec<Pixels>,
    /// Without its pixels.
    decoded: Decoded,
    decode: Duration,
    preprocess: Duration,
}

/// For the log: to three decimals.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

impl Pipeline {
    /// Reads the header of an encoded image; its pixels are not touched.
    ///
    /// # Errors
    /// [`ClassifyError::Decode`] when it is not an image that can be decoded within the limits,
    /// [`ClassifyError::Prepare`] when there is never enough memory for it.
    pub async fn read_header(&self, bytes: Bytes, crops: Crops) -> Result<Encoded, ClassifyError> {
        let (limits, to_read) = (self.limits, bytes.clone());
        let read = move || decode::read_header(&to_read, &limits);
        let file = match self.pool.run_briefly(read).await {
            Err(PrepareError::Panicked) => {
                return Err(self.decoder_panicked(Format::sniff(&bytes)));
            }
            read => read??,
        };
        let kept_bytes = self.preprocessor.crops_bytes(crops);
        let decode_bytes = file.decode_bytes_at(self.at_least());
        if decode_bytes > MOST_IMAGE_BYTES {
            let (needed_bytes, limit_bytes) = (decode_bytes, MOST_IMAGE_BYTES);
            return Err(PrepareError::Memory { needed_bytes, limit_bytes }.into());
        }
        let need = MemoryNeed { running_bytes: decode_bytes + kept_bytes, kept_bytes };
        self.pool.check(need)?;
        let decode_time = file.decode_time(self.at_least());
        tracing::debug!(
            format = file.format.as_str(),
            width = file.width,
            height = file.height,
            bytes = bytes.len(),
            decode_bytes,
            estimate_ms = milliseconds(decode_time),
            "header read"
        );
        Ok(Encoded { file, need, decode_time, crops })
    }

    /// Classifies one encoded image. The future may be dropped at any time: the place is freed, and
    /// what has not started never runs.
    ///
    /// # Errors
    /// [`ClassifyError`] says which stage failed.
    pub async fn classify(
        &self,
        mut place: Place,
        image: Encoded,
    ) -> Result<Classified, ClassifyError> {
        let (prepared, _kept) = match self.prepare(&mut place, image).await {
            Ok(prepared) => prepared,
            Err(error) => {
                place.give_back();
                return Err(error);
            }
        };
        let inputs = prepared.crops.into_iter().map(Input::Pixels).collect();
        let Inference { probabilities, queue, inference } = place.infer(inputs).await?;
        tracing::debug!(
            queue_ms = milliseconds(queue),
            inference_ms = milliseconds(inference),
            "network run"
        );
        let Decoded { format, width, height, warnings, .. } = prepared.decoded;
        let timing =
            Timing { decode: prepared.decode, preprocess: prepared.preprocess, queue, inference };
        Ok(Classified { probabilities, format, width, height, warnings, timing })
    }

    async fn prepare(
        &self,
        place: &mut Place,
        image: Encoded,
    ) -> Result<(Prepared, KeptMemory), ClassifyError> {
        let Encoded { file, need, crops, .. } = image;
        let format = file.format;
        let work =
            Work { need, effort: place.effort(), turn: place.turn(), begin_by: place.begin_by() };
        let (decoder, preprocessor) = (Arc::clone(&self.decoder), Arc::clone(&self.preprocessor));
        let at_least = self.at_least();
        let decoding = place.begin_decoding();
        let prepare = move |started: Instant| -> Result<Prepared, ClassifyError> {
            let _decoding = decoding;
            let mut decoded = decoder.decode(&file, at_least)?;
            let decode = started.elapsed();
            // The pixels are not kept beside the crops.
            let crops = preprocessor.crops(&std::mem::take(&mut decoded.pixels), crops)?;
            Ok(Prepared { crops, decoded, decode, preprocess: started.elapsed() - decode })
        };
        let timed = move || {
            let started = Instant::now();
            (prepare(started), started.elapsed())
        };
        let ((prepared, taken), kept) = match self.pool.run(work, timed).await {
            Err(PrepareError::Panicked) => return Err(self.decoder_panicked(Some(format))),
            prepared => prepared?,
        };
        let decode = prepared.as_ref().map(|prepared| prepared.decode);
        place.decoded_in(decode.unwrap_or(taken), decode.is_ok());
        let prepared = prepared?;
        self.metrics.decode_seconds.observe(prepared.decode.as_secs_f64());
        tracing::debug!(
            decode_ms = milliseconds(prepared.decode),
            preprocess_ms = milliseconds(prepared.preprocess),
            crops = prepared.crops.len(),
            warnings = ?prepared.decoded.warnings,
            "decoded and cropped"
        );
        match prepared.decoded.warnings.first() {
            Some(&warning) if self.reject_damaged => {
                Err(ClassifyError::Damaged { format: prepared.decoded.format, warning })
            }
            _ => Ok((prepared, kept)),
        }
    }

    /// How this machine decodes a made photo, by the estimate of its header: 2 is half as fast.
    pub fn measure_decoding(&self) -> f64 {
        let Ok(photo) = decode::made_photo(MADE_WIDTH, MADE_HEIGHT) else { return 1.0 };
        let Ok(file) = decode::read_header(&photo.into(), &self.limits) else { return 1.0 };
        let estimate = file.decode_time(usize::MAX).as_secs_f64();
        // The first run is slower: pages are touched and code is read for the first time.
        let seconds = (0..3).map(|_| {
            let started = Instant::now();
            // Only how long it takes counts.
            let _ = decode::decode(&file, usize::MAX);
            started.elapsed().as_secs_f64()
        });
        seconds.fold(f64::INFINITY, f64::min) / estimate
    }

    /// Shorter side that a photo keeps when it is decoded at a reduced scale, in pixels.
    fn at_least(&self) -> usize {
        self.preprocessor.preprocessing().resize.size()
    }

    fn decoder_panicked(&self, format: Option<Format>) -> ClassifyError {
        self.metrics.panics(PanicPlace::Decode).inc();
        match format {
            Some(format) => ClassifyError::DecoderPanicked { format },
            None => DecodeError::UnsupportedFormat.into(),
        }
    }
}
