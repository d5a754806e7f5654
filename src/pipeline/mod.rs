//! From the bytes of an image to its probabilities: decode, preprocess, queue, plan.

mod decode_pool;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use decode_pool::{DecodePool, DecodePoolError, KeptMemory, MemoryNeed};

use crate::batcher::{InferError, Inference, Place};
use crate::decode::{self, DecodeError, DecodeLimits, Decoded, Format, Header};
use crate::metrics::Metrics;
use crate::model::{Input, Pixels, Probabilities};
use crate::preprocess::{Crops, PreprocessError, Preprocessor};

/// Decodes images. A trait, so that a test can put a fault around the real decoder.
pub trait Decoder: Send + Sync + 'static {
    /// See [`decode::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] when the image is corrupt.
    fn decode(
        &self,
        bytes: &[u8],
        header: &Header,
        at_least: usize,
    ) -> Result<Decoded, DecodeError>;
}

/// The decoder of the service.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageDecoder;

impl Decoder for ImageDecoder {
    fn decode(
        &self,
        bytes: &[u8],
        header: &Header,
        at_least: usize,
    ) -> Result<Decoded, DecodeError> {
        decode::decode(bytes, header, at_least)
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
    pub pool: DecodePool,
    /// What is counted.
    pub metrics: Metrics,
}

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
    /// The decoder panicked, or its memory limit is too small.
    #[error(transparent)]
    Pool(#[from] DecodePoolError),
    /// The crops cannot be made.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The plan has no answer.
    #[error(transparent)]
    Infer(#[from] InferError),
}

struct Prepared {
    crops: Vec<Pixels>,
    format: Format,
    width: u32,
    height: u32,
    decode: Duration,
    preprocess: Duration,
}

impl Pipeline {
    /// Classifies one encoded image. The future may be dropped at any time: the place is freed, and
    /// what has not started never runs.
    ///
    /// # Errors
    /// [`ClassifyError`] says which stage failed.
    pub async fn classify(
        &self,
        place: Place,
        bytes: Bytes,
        crops: Crops,
    ) -> Result<Classified, ClassifyError> {
        let (prepared, _kept) = match self.prepare(bytes, crops).await {
            Ok(prepared) => prepared,
            Err(error) => {
                place.give_back();
                return Err(error);
            }
        };
        let inputs = prepared.crops.into_iter().map(Input::Pixels).collect();
        let Inference { probabilities, queue, inference } = place.infer(inputs).await?;
        Ok(Classified {
            probabilities,
            format: prepared.format,
            width: prepared.width,
            height: prepared.height,
            timing: Timing {
                decode: prepared.decode,
                preprocess: prepared.preprocess,
                queue,
                inference,
            },
        })
    }

    async fn prepare(
        &self,
        bytes: Bytes,
        crops: Crops,
    ) -> Result<(Prepared, KeptMemory), ClassifyError> {
        let limits = self.limits;
        let header = {
            let bytes = bytes.clone();
            let read = move || decode::read_header(&bytes, &limits);
            self.pool.run(MemoryNeed::default(), read).await?.0?
        };
        let kept_bytes = self.preprocessor.crops_bytes(crops);
        let need = MemoryNeed { running_bytes: header.decode_bytes + kept_bytes, kept_bytes };
        let (decoder, preprocessor) = (Arc::clone(&self.decoder), Arc::clone(&self.preprocessor));
        let prepare = move || -> Result<Prepared, ClassifyError> {
            let started = Instant::now();
            let decoded = tracing::debug_span!("decode", format = header.format.as_str())
                .in_scope(|| {
                    decoder.decode(&bytes, &header, preprocessor.preprocessing().resize.size())
                })?;
            let decode = started.elapsed();
            let crops = preprocessor.crops(&decoded.pixels, crops)?;
            Ok(Prepared {
                crops,
                format: decoded.format,
                width: decoded.width,
                height: decoded.height,
                decode,
                preprocess: started.elapsed() - decode,
            })
        };
        let (prepared, kept) = self.pool.run(need, prepare).await?;
        let prepared = prepared?;
        self.metrics.decode_seconds.observe(prepared.decode.as_secs_f64());
        Ok((prepared, kept))
    }
}
