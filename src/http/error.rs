//! Every error that a client can get, and how the failure of each stage becomes one.
//!
//! The body is always `{"error": "<sentence>", "code": "<snake_case>", "request_id": "…"}`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::error_table::ErrorKind;
use crate::config::OverloadStatus;
use crate::decode::DecodeError;
use crate::pipeline::{AdmitError, Bound, ClassifyError, InferError, TensorError, WorkError};

impl From<OverloadStatus> for StatusCode {
    fn from(status: OverloadStatus) -> Self {
        match status {
            OverloadStatus::TooManyRequests => Self::TOO_MANY_REQUESTS,
            OverloadStatus::ServiceUnavailable => Self::SERVICE_UNAVAILABLE,
        }
    }
}

/// What went wrong, as the client is told. The text of [`ApiError::Internal`] is logged, not sent.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each variant's sentence says what it is
pub enum ApiError {
    #[error("{0}")]
    InvalidParameter(String),
    #[error(
        "the answers of this network cannot be explained by cam: it does not end in the average pooling of a map and one \
         fully connected layer; POST /explain with method=occlusion works for every network"
    )]
    NotExplainable,
    #[error("this network has no inception modules whose maps could be shown")]
    NoModules,
    #[error(
        "this network has no gradient: between its modules and its logits are other layers than convolutions of stride 1, \
         ReLU, max pools, the average pooling and the fully connected layer; method=occlusion works for every network"
    )]
    NoGradient,
    #[error("{0}")]
    InvalidJson(String),
    #[error("{0}")]
    InvalidBase64(String),
    #[error("{0}")]
    InvalidMultipart(String),
    #[error(
        "there is no image in the request: send it as the body, as a multipart part named `image`, \
         or as base64 in the JSON member `image` or `images`"
    )]
    MissingImage,
    #[error("the image is empty (0 bytes): send the content of an image file")]
    EmptyImage,
    #[error("{0}")]
    InvalidInput(String),
    #[error("{0}")]
    InvalidRequest(String),
    #[error(
        "there is nothing at this path; GET / with Accept: application/json lists what there is"
    )]
    NotFound,
    #[error("{0}")]
    UnknownName(String),
    #[error("this path does not take this method; the header Allow lists those it takes")]
    MethodNotAllowed,
    #[error(
        "the body did not arrive within {} ms (--request-timeout-ms): send it faster, or a smaller one",
        .0.as_millis()
    )]
    RequestTimeout(Duration),
    #[error("the body is larger than {0} bytes (--max-body-bytes): send a smaller one")]
    BodyTooLarge(usize),
    #[error("{0}")]
    ImageTooLarge(String),
    #[error("there are more than {0} images in the request (--max-images): send fewer at once")]
    TooManyImages(usize),
    #[error(
        "there are several images in the request, and this path takes one: send a request for each"
    )]
    SeveralImages,
    #[error("{0}")]
    UnsupportedContentType(String),
    #[error(
        "the body has a Content-Encoding that is not supported: send it with gzip or deflate, or as it is, without \
         Content-Encoding"
    )]
    UnsupportedContentCoding,
    #[error("{0}")]
    UnsupportedImageFormat(String),
    #[error("{0}")]
    CorruptImage(String),
    #[error("{}: try again after the seconds in Retry-After", .bound.sentence())]
    QueueFull { bound: FullBy, retry_after: Duration, status: StatusCode },
    #[error(
        "the body has a transfer coding that is not supported: send it with `chunked` alone, or with Content-Length"
    )]
    UnknownTransferCoding,
    #[error("this replica is shutting down: send the request to another")]
    ShuttingDown,
    #[error("the model is being loaded: try again after the seconds in Retry-After")]
    NotReady,
    #[error(
        "no answer within {} ms (--request-timeout-ms): the service is overloaded, try again later",
        .0.as_millis()
    )]
    DeadlineExceeded(Duration),
    #[error(
        "the occlusion took longer than {} ms (--request-timeout-ms): ask for fewer squares, or try again later",
        .0.as_millis()
    )]
    OcclusionTooSlow(Duration),
    #[error("something failed inside the service; its log has the details under this request id")]
    Internal(String),
}

/// When an estimate was too low, the service is busier than it thought: not at once.
const NOT_BEGUN_RETRY_AFTER: Duration = Duration::from_secs(5);

const TOO_MUCH_WORK: &str = "the images of this request would take longer to decode than a request may take \
    (half of --request-timeout-ms): send fewer at once, smaller ones, or JPEG";

const TOO_MANY_SQUARES: &str = "this occlusion would take longer than a request may take \
    (--request-timeout-ms): ask for fewer squares";

/// Which bound a refused request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullBy {
    /// The places in the queue.
    Places,
    /// The client's share of them.
    Share,
    /// The time that it would take.
    Time,
    /// The memory for the bodies of requests.
    Bodies,
    /// The memory for answers that are yet to be sent.
    Answers,
    /// The places for work that waits for idle workers.
    Patience,
    /// The client's share of those.
    PatientShare,
}

impl FullBy {
    /// As the metric of refusals names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Places => "places",
            Self::Share => "share",
            Self::Time => "time",
            Self::Bodies => "body_memory",
            Self::Answers => "answer_memory",
            Self::Patience | Self::PatientShare => "patience",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Places => "the queue is full",
            Self::Share => "you have your share of a queue that is filling up",
            Self::Time => "the service is so busy that this would not be answered in time",
            Self::Patience => "too many occlusions are waiting already",
            Self::PatientShare => "as many of your occlusions are waiting as may",
            Self::Bodies => "the bodies of other requests take all memory that there is for bodies",
            Self::Answers => {
                "answers that other clients have yet to read take all memory that there is for answers"
            }
        }
    }
}

impl ApiError {
    /// Its row in the table of errors.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidParameter(_) => ErrorKind::InvalidParameter,
            Self::NotExplainable | Self::NoModules | Self::NoGradient => ErrorKind::NotExplainable,
            Self::InvalidJson(_) => ErrorKind::InvalidJson,
            Self::InvalidBase64(_) => ErrorKind::InvalidBase64,
            Self::InvalidMultipart(_) => ErrorKind::InvalidMultipart,
            Self::MissingImage => ErrorKind::MissingImage,
            Self::EmptyImage => ErrorKind::EmptyImage,
            Self::InvalidInput(_) => ErrorKind::InvalidInput,
            Self::InvalidRequest(_) => ErrorKind::InvalidRequest,
            Self::UnknownTransferCoding => ErrorKind::NotImplemented,
            Self::NotFound | Self::UnknownName(_) => ErrorKind::NotFound,
            Self::MethodNotAllowed => ErrorKind::MethodNotAllowed,
            Self::RequestTimeout(_) => ErrorKind::RequestTimeout,
            Self::BodyTooLarge(_) => ErrorKind::BodyTooLarge,
            Self::ImageTooLarge(_) => ErrorKind::ImageTooLarge,
            Self::TooManyImages(_) | Self::SeveralImages => ErrorKind::TooManyImages,
            Self::UnsupportedContentType(_) | Self::UnsupportedContentCoding => {
                ErrorKind::UnsupportedContentType
            }
            Self::UnsupportedImageFormat(_) => ErrorKind::UnsupportedImageFormat,
            Self::CorruptImage(_) => ErrorKind::CorruptImage,
            Self::QueueFull { .. } => ErrorKind::QueueFull,
            Self::ShuttingDown => ErrorKind::ShuttingDown,
            Self::NotReady => ErrorKind::NotReady,
            Self::DeadlineExceeded(_) | Self::OcclusionTooSlow(_) => ErrorKind::DeadlineExceeded,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::QueueFull { status, .. } => *status,
            other => other.kind().status(),
        }
    }

    /// When to come back, for the answers that say so.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after, .. } => Some(*retry_after),
            Self::ShuttingDown | Self::NotReady => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The error of one image among several.
    pub fn payload(&self) -> ErrorPayload {
        if let Self::Internal(detail) = self {
            tracing::error!(detail, "internal error");
        }
        ErrorPayload { error: self.to_string(), code: self.kind().code() }
    }

    /// What the queue's refusal is to a client.
    pub fn from_admission(error: AdmitError, overload_status: StatusCode) -> Self {
        match error {
            AdmitError::Full { retry_after, bound } => {
                let bound = match bound {
                    Bound::Places => FullBy::Places,
                    Bound::Share => FullBy::Share,
                    Bound::Time => FullBy::Time,
                    Bound::Patience => FullBy::Patience,
                    Bound::PatientShare => FullBy::PatientShare,
                    Bound::Work => return Self::ImageTooLarge(TOO_MUCH_WORK.into()),
                    Bound::PatientWork => return Self::ImageTooLarge(TOO_MANY_SQUARES.into()),
                };
                Self::QueueFull { bound, retry_after, status: overload_status }
            }
            AdmitError::Closed => Self::ShuttingDown,
        }
    }
}

impl ApiError {
    /// What a client hears of an image that was not classified.
    pub fn from_classify(error: ClassifyError, overload_status: StatusCode) -> Self {
        match error {
            ClassifyError::Decode(error) => error.into(),
            ClassifyError::Preprocess(error) => Self::Internal(error.to_string()),
            ClassifyError::Infer(error) => error.into(),
            ClassifyError::DecoderPanicked { .. } | ClassifyError::Damaged { .. } => {
                Self::CorruptImage(error.to_string())
            }
            ClassifyError::Work(error) => Self::from_work(error, Sent::Image, overload_status),
        }
    }

    /// What a client hears of a tensor that was not classified.
    pub fn from_tensor(error: TensorError<Self>, overload_status: StatusCode) -> Self {
        match error {
            TensorError::Work(error) => Self::from_work(error, Sent::Tensor, overload_status),
            TensorError::Elements(error) => error,
            TensorError::Infer(error) => error.into(),
        }
    }

    /// What a client hears of what it sent that was not read.
    pub(super) fn from_work(error: WorkError, sent: Sent, overload_status: StatusCode) -> Self {
        match error {
            WorkError::NotBegun => Self::QueueFull {
                bound: FullBy::Time,
                retry_after: NOT_BEGUN_RETRY_AFTER,
                status: overload_status,
            },
            WorkError::Memory { needed_bytes, limit_bytes } => Self::ImageTooLarge(format!(
                "{} takes {needed_bytes} bytes of memory, the limit is {limit_bytes} ({}",
                sent.reading(),
                sent.memory_advice()
            )),
            WorkError::Panicked => Self::Internal(format!("{} panicked", sent.reading())),
            WorkError::Closed => Self::ShuttingDown,
        }
    }
}

/// What a client sent, for what it hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// An encoded image.
    Image,
    /// A tensor of images.
    Tensor,
    /// A body that has yet to be taken apart.
    Body,
}

impl Sent {
    fn reading(self) -> &'static str {
        match self {
            Self::Image => "decoding this image",
            Self::Tensor => "reading this tensor",
            Self::Body => "reading this body",
        }
    }

    fn memory_advice(self) -> &'static str {
        match self {
            Self::Image => {
                "by --decode-memory-bytes, and 192 MiB for one image): send a smaller one"
            }
            Self::Tensor | Self::Body => "by --decode-memory-bytes): send fewer images at once",
        }
    }
}

impl From<DecodeError> for ApiError {
    fn from(error: DecodeError) -> Self {
        let sentence = error.to_string();
        match error {
            DecodeError::Empty => Self::EmptyImage,
            DecodeError::UnsupportedFormat
            | DecodeError::ForeignFormat { .. }
            | DecodeError::UnsupportedFeature { .. } => Self::UnsupportedImageFormat(sentence),
            DecodeError::TooLarge { .. } | DecodeError::TooMany { .. } => {
                Self::ImageTooLarge(sentence)
            }
            DecodeError::Corrupt { .. } => Self::CorruptImage(sentence),
        }
    }
}

impl From<InferError> for ApiError {
    fn from(error: InferError) -> Self {
        match error {
            InferError::Closed => Self::ShuttingDown,
            other => Self::Internal(other.to_string()),
        }
    }
}

/// A client's text in an error: short, on one line.
pub fn shown(text: &str) -> String {
    text.escape_debug().take(64).collect()
}

/// What an error says, before the request's id is known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorPayload {
    /// What is wrong and what to do.
    pub error: String,
    /// Stable and snake_case.
    pub code: &'static str,
}

/// The body of every error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong and what to do.
    pub error: String,
    /// Stable and snake_case.
    #[schema(example = "queue_full")]
    pub code: String,
    /// Also in the header `X-Request-Id`, and in the log.
    pub request_id: String,
}

impl IntoResponse for ApiError {
    /// Leaves the payload in the extensions: `request_context` knows the request's id and
    /// writes the body.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(after) = self.retry_after() {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if let Self::UnsupportedContentCoding = self {
            // RFC 9110, section 12.5.3.
            let codings = HeaderValue::from_static("gzip, deflate");
            response.headers_mut().insert(header::ACCEPT_ENCODING, codings);
        }
        if let Self::QueueFull { bound, .. } = self {
            response.extensions_mut().insert(bound);
        }
        response.extensions_mut().insert(self.payload());
        response
    }
}
