//! From the bytes of an image, or from a tensor, to probabilities: decode, preprocess, queue, plan.

mod blocking_pool;
mod outcome;
mod wanted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use blocking_pool::{KeptMemory, Work};
use bytes::Bytes;
use futures_util::future::try_join_all;

pub use crate::batcher::{
    AdmitError, Ask, Bound, ClientKey, InferError, MakeVariant, OfClass, PatientPlace, Place,
};
pub use blocking_pool::{BlockingPool, BlockingThreads, MemoryNeed, WorkError};
pub use outcome::{Classified, ClassifyError, Looked, TensorError, Timing};
pub use wanted::Wanted;

use crate::batcher::{Computation, Effort, Inference, Queue};
use crate::decode::{self, DecodeError, DecodeLimits, Decoded, Format, ImageFile};
use crate::metrics::{Metrics, PanicPlace};
use crate::preprocess::{PreprocessError, Preprocessor};
use googlenet_engine::model::{Input, Look, Pixels, Probabilities, Seen, Views};

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

/// All stages up to the probabilities, shared by all requests.
pub struct Pipeline {
    /// Decodes.
    pub decoder: Arc<dyn Decoder>,
    /// Refuses large images by their header.
    pub limits: DecodeLimits,
    /// Resizes and crops.
    pub preprocessor: Arc<Preprocessor>,
    /// Where both happen, and tensors and JSON are read.
    pub pool: BlockingPool,
    /// In front of the workers.
    pub queue: Arc<Queue>,
    /// What the workers can look at.
    pub views: Views,
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

/// A photo for [`Pipeline::measure_decoding`]; it takes longer to make than to decode.
pub fn photo_to_measure() -> Bytes {
    // Making it cannot fail, because both sides have pixels; if it did, nothing would be measured.
    decode::made_photo(MADE_WIDTH, MADE_HEIGHT).unwrap_or_default().into()
}

/// An encoded image, its header read: what is known before it has a place in the queue.
pub struct Encoded {
    file: ImageFile,
    need: MemoryNeed,
    decode_time: Duration,
    runs: usize,
    wanted: Wanted,
    decodings: Decodings,
}

impl Encoded {
    /// What it asks of the queue.
    pub fn ask(&self) -> Ask {
        Ask { decode_time: self.decode_time, runs: self.runs }
    }
}

/// The shorter sides in pixels that a photo keeps when it is decoded at a reduced scale. What the network reads must not
/// depend on the picture that is drawn of it, so a larger picture is decoded by itself.
#[derive(Clone, Copy, Debug)]
struct Decodings {
    network: usize,
    picture: Option<usize>,
}

impl Decodings {
    fn all(self) -> impl Iterator<Item = usize> {
        std::iter::once(self.network).chain(self.picture)
    }
}

struct Prepared {
    crops: Vec<Pixels>,
    picture: Option<Pixels>,
    /// Without its pixels.
    decoded: Decoded,
    decode: Duration,
    preprocess: Duration,
}

/// For the log: to three decimals.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// Decodes a photo, and makes the crops and the picture that are wanted of it.
fn prepare(
    decoder: &dyn Decoder,
    preprocessor: &Preprocessor,
    file: &ImageFile,
    wanted: &Wanted,
    decodings: Decodings,
) -> Result<Prepared, ClassifyError> {
    let started = Instant::now();
    let mut decoded = decoder.decode(file, decodings.network)?;
    let mut decode = started.elapsed();
    // The pixels are not kept beside the crops.
    let mut pixels = std::mem::take(&mut decoded.pixels);
    let crops = preprocessor.crops(&pixels, wanted.crops)?;
    if let Some(at_least) = decodings.picture {
        // There is memory for one at a time.
        drop(std::mem::take(&mut pixels));
        let began = Instant::now();
        pixels = decoder.decode(file, at_least)?.pixels;
        decode += began.elapsed();
    }
    let side = wanted.picture_side;
    let picture = side.map(|side| preprocessor.picture(&pixels, side)).transpose()?;
    let preprocess = started.elapsed() - decode;
    Ok(Prepared { crops, picture, decoded, decode, preprocess })
}

impl Pipeline {
    /// Takes a place in the queue for each image of a client that is to be answered by `deadline`, all or none.
    ///
    /// # Errors
    /// [`AdmitError`] when there are none for it now.
    pub fn admit(
        &self,
        client: ClientKey,
        asks: &[Ask],
        deadline: Instant,
    ) -> Result<Vec<Place>, AdmitError> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        self.queue.admit(client, asks, deadline.saturating_duration_since(Instant::now()))
    }

    /// Takes a place for the `variants` of an image of a client that is to be answered by `deadline`; they are computed
    /// while no other image waits.
    ///
    /// # Errors
    /// [`AdmitError`] when there is none for it now.
    pub fn admit_patient(
        &self,
        client: ClientKey,
        variants: usize,
        deadline: Instant,
    ) -> Result<PatientPlace, AdmitError> {
        let time_left = deadline.saturating_duration_since(Instant::now());
        self.queue.admit_patient(client, variants, time_left)
    }

    /// Images that can ever have places at the same time.
    pub fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// Runs work that is brief, but too long for an async thread.
    ///
    /// # Errors
    /// [`WorkError::Panicked`] when the work panics, [`WorkError::Closed`] when the service is ending.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        self.pool.run_brief(work).await
    }

    /// Reads the normalised images of a tensor, for which there are `places`, and runs the network on each. Reading
    /// takes `need` of the memory, and waits for it until `deadline`. With a `look` the network is looked at. The first
    /// image that fails drops the others.
    ///
    /// # Errors
    /// [`TensorError`] says which stage failed.
    pub async fn infer_tensor<E: Send + 'static>(
        &self,
        places: Vec<Place>,
        need: MemoryNeed,
        deadline: Instant,
        look: Option<Look>,
        read: impl FnOnce() -> Result<Vec<Arc<[f32]>>, E> + Send + 'static,
    ) -> Result<Vec<(Probabilities, Option<Arc<Seen>>, Timing)>, TensorError<E>> {
        let turn = places.first().map(Place::turn).unwrap_or_default();
        let work = Work { need, effort: Effort::Ordinary, turn, begin_by: deadline };
        let (images, _kept) = self.pool.run(work, read).await?;
        let images = images.map_err(TensorError::Elements)?;
        let infer = async |(place, image): (Place, Arc<[f32]>)| {
            let input = Input::Tensor(image);
            let computation = match look.clone() {
                Some(look) => Computation::Look(input, look),
                None => Computation::Run(vec![input]),
            };
            let Inference { probabilities, seen, queue, inference } =
                place.infer(computation).await?;
            self.count_best(&probabilities);
            Ok((probabilities, seen, Timing { queue, inference, ..Timing::default() }))
        };
        try_join_all(places.into_iter().zip(images).map(infer)).await
    }

    /// Makes an explanation of what was seen of an image, by a method that the metrics name. It waits for a thread until
    /// `deadline`; its memory was counted with the image's.
    ///
    /// # Errors
    /// [`ClassifyError::Work`] when there is too little time, or the work panics.
    pub async fn explain<T: Send + 'static>(
        &self,
        method: &'static str,
        looked: Looked,
        deadline: Instant,
        work: impl FnOnce(&Looked) -> T + Send + 'static,
    ) -> Result<T, ClassifyError> {
        let timed = move || {
            let started = Instant::now();
            (work(&looked), started.elapsed())
        };
        let (explanation, taken) = self.pool.run_held(deadline, timed).await?;
        self.metrics.explanations.with_label_values(&[method]).inc();
        self.metrics.explain_seconds.observe(taken.as_secs_f64());
        Ok(explanation)
    }

    /// Reads the header of an encoded image; its pixels are not touched.
    ///
    /// # Errors
    /// [`ClassifyError::Decode`] when it is not an image that can be decoded within the limits,
    /// [`ClassifyError::Work`] when there is never enough memory for it.
    pub async fn read_header(
        &self,
        bytes: Bytes,
        wanted: Wanted,
    ) -> Result<Encoded, ClassifyError> {
        let (limits, to_read) = (self.limits, bytes.clone());
        let read = move || decode::read_header(&to_read, &limits);
        let file = match self.pool.run_brief(read).await {
            Err(WorkError::Panicked) => {
                return Err(self.decoder_panicked(Format::sniff(&bytes)));
            }
            read => read??,
        };
        let decodings = self.decodings(&file, &wanted);
        let kept_bytes = self.preprocessor.crops_bytes(wanted.crops) + wanted.bytes(&self.views);
        // One after the other.
        let decode_bytes = decodings.all().map(|at_least| file.decode_bytes_at(at_least)).max();
        let decode_bytes = decode_bytes.unwrap_or_default();
        if decode_bytes > MOST_IMAGE_BYTES {
            let (needed_bytes, limit_bytes) = (decode_bytes, MOST_IMAGE_BYTES);
            return Err(WorkError::Memory { needed_bytes, limit_bytes }.into());
        }
        let need = MemoryNeed { running_bytes: decode_bytes + kept_bytes, kept_bytes };
        self.pool.check(need)?;
        let decode_time = decodings.all().map(|at_least| file.decode_time(at_least)).sum();
        tracing::debug!(
            format = file.format.as_str(),
            width = file.width,
            height = file.height,
            bytes = bytes.len(),
            decode_bytes,
            estimate_ms = milliseconds(decode_time),
            "header read"
        );
        let runs = match &wanted.look {
            Some(look) => self.queue.runs_of(look),
            None => wanted.crops.count(),
        };
        Ok(Encoded { file, need, decode_time, runs, wanted, decodings })
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
        let (crops, look) = (image.wanted.crops, image.wanted.look.clone());
        let (prepared, kept) = match self.prepare(&mut place, image).await {
            Ok(prepared) => prepared,
            Err(error) => {
                place.give_back();
                return Err(error);
            }
        };
        let mut inputs: Vec<Input> = prepared.crops.into_iter().map(Input::Pixels).collect();
        let mut looked_at = None;
        let computation = match look.and_then(|look| Some((inputs.pop()?, look))) {
            Some((input, look)) => {
                looked_at = Some(input.clone());
                Computation::Look(input, look)
            }
            None => Computation::Run(inputs),
        };
        let Inference { probabilities, seen, queue, inference } = place.infer(computation).await?;
        tracing::debug!(
            queue_ms = milliseconds(queue),
            inference_ms = milliseconds(inference),
            "network run"
        );
        self.count_best(&probabilities);
        let Decoded { format, width, height, warnings, .. } = prepared.decoded;
        let region = self.preprocessor.region(width, height, crops);
        let region = region.ok_or(ClassifyError::Preprocess(PreprocessError::NoPixels))?;
        let timing = Timing {
            decode: prepared.decode,
            preprocess: prepared.preprocess,
            queue,
            inference,
            occlusion: None,
        };
        let picture = prepared.picture;
        let seen = seen.map(|seen| Looked { seen, input: looked_at, picture, _kept: kept });
        Ok(Classified { probabilities, format, width, height, region, warnings, timing, seen })
    }

    /// Operators watch how sure the network is: photos of another kind than before show in it first.
    fn count_best(&self, probabilities: &Probabilities) {
        let best = probabilities.as_slice().iter().copied().fold(0.0, f32::max);
        self.metrics.top1_probability.observe(f64::from(best));
    }

    async fn prepare(
        &self,
        place: &mut Place,
        image: Encoded,
    ) -> Result<(Prepared, KeptMemory), ClassifyError> {
        let Encoded { file, need, wanted, decodings, .. } = image;
        let format = file.format;
        let work =
            Work { need, effort: place.effort(), turn: place.turn(), begin_by: place.begin_by() };
        let (decoder, preprocessor) = (Arc::clone(&self.decoder), Arc::clone(&self.preprocessor));
        let decoding = place.begin_decoding();
        let timed = move || {
            let _decoding = decoding;
            let started = Instant::now();
            let prepared = prepare(decoder.as_ref(), &preprocessor, &file, &wanted, decodings);
            (prepared, started.elapsed())
        };
        let ((prepared, taken), kept) = match self.pool.run(work, timed).await {
            Err(WorkError::Panicked) => return Err(self.decoder_panicked(Some(format))),
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

    /// How this machine decodes [`photo_to_measure`], by the estimate of its header: 2 is half as fast.
    pub fn measure_decoding(&self, photo: Bytes) -> f64 {
        let Ok(file) = decode::read_header(&photo, &self.limits) else { return 1.0 };
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

    /// How a photo is decoded for what is wanted of it.
    fn decodings(&self, file: &ImageFile, wanted: &Wanted) -> Decodings {
        let source_side = |side| self.preprocessor.source_side(side);
        let network = source_side(self.preprocessor.preprocessing().side);
        let picture = wanted.picture_side.map(source_side);
        let picture = picture.filter(|&picture| !file.is_same_at(network, picture));
        Decodings { network, picture }
    }

    fn decoder_panicked(&self, format: Option<Format>) -> ClassifyError {
        self.metrics.panics(PanicPlace::Decode).inc();
        match format {
            Some(format) => ClassifyError::DecoderPanicked { format },
            None => DecodeError::UnsupportedFormat.into(),
        }
    }
}
