//! The table of errors: the status, the stable code and the meaning of each. It is the only place with status codes;
//! the OpenAPI document takes them from here.

use axum::http::StatusCode;

/// What kind of error a client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the table says what each is
pub enum ErrorKind {
    InvalidParameter,
    NotExplainable,
    InvalidJson,
    InvalidBase64,
    InvalidMultipart,
    MissingImage,
    EmptyImage,
    InvalidInput,
    InvalidRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    ImageTooLarge,
    TooManyImages,
    UnsupportedContentType,
    UnsupportedImageFormat,
    CorruptImage,
    QueueFull,
    Internal,
    NotImplemented,
    ShuttingDown,
    NotReady,
    DeadlineExceeded,
}

/// A row of the table.
struct Row(StatusCode, &'static str, &'static str);

impl ErrorKind {
    /// What any request may get before it reaches its handler.
    pub const OF_ANY_REQUEST: [Self; 2] = [Self::InvalidRequest, Self::NotImplemented];

    /// The status; that of a full queue is by `--overload-status`, unless it is left as it is.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// Stable and snake_case.
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// What it means, for the OpenAPI document.
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    #[rustfmt::skip] // a table
    fn row(self) -> Row {
        use StatusCode as S;
        match self {
            Self::InvalidParameter => Row(S::BAD_REQUEST, "invalid_parameter",
                "a parameter is unknown, out of its range, not text, or given twice"),
            Self::NotExplainable => Row(S::BAD_REQUEST, "not_explainable",
                "the answers of the served network cannot be explained"),
            Self::InvalidJson => Row(S::BAD_REQUEST, "invalid_json", "the JSON is invalid"),
            Self::InvalidBase64 => Row(S::BAD_REQUEST, "invalid_base64", "an image is not base64"),
            Self::InvalidMultipart => Row(S::BAD_REQUEST, "invalid_multipart", "the form is invalid"),
            Self::MissingImage => Row(S::BAD_REQUEST, "missing_image", "there is no image"),
            Self::EmptyImage => Row(S::BAD_REQUEST, "empty_image", "an image is empty"),
            Self::InvalidInput => Row(S::BAD_REQUEST, "invalid_input",
                "the request is invalid: its path is not text, its body breaks off, or it does not fit the model"),
            Self::InvalidRequest => Row(S::BAD_REQUEST, "invalid_request",
                "the header Host is missing, repeated or not a host"),
            Self::NotFound => Row(S::NOT_FOUND, "not_found", "there is no such path, model, version or layer"),
            Self::MethodNotAllowed => Row(S::METHOD_NOT_ALLOWED, "method_not_allowed",
                "the path does not take this method"),
            Self::RequestTimeout => Row(S::REQUEST_TIMEOUT, "request_timeout", "the body did not arrive in time"),
            Self::BodyTooLarge => Row(S::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large"),
            Self::ImageTooLarge => Row(S::PAYLOAD_TOO_LARGE, "image_too_large", "an image or tensor is too large"),
            Self::TooManyImages => Row(S::PAYLOAD_TOO_LARGE, "too_many_images", "there are too many images"),
            Self::UnsupportedContentType => Row(S::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_type",
                "the Content-Type or the Content-Encoding is not supported"),
            Self::UnsupportedImageFormat => Row(S::UNSUPPORTED_MEDIA_TYPE, "unsupported_image_format",
                "an image's format is not supported"),
            Self::CorruptImage => Row(S::UNPROCESSABLE_ENTITY, "corrupt_image", "an image is corrupt"),
            Self::QueueFull => Row(S::TOO_MANY_REQUESTS, "queue_full", "the queue is full; see Retry-After"),
            Self::Internal => Row(S::INTERNAL_SERVER_ERROR, "internal", "something failed inside the service"),
            Self::NotImplemented => Row(S::NOT_IMPLEMENTED, "not_implemented",
                "Transfer-Encoding is something other than chunked"),
            Self::ShuttingDown => Row(S::SERVICE_UNAVAILABLE, "shutting_down",
                "the service is shutting down: send requests to another replica; see Retry-After"),
            Self::NotReady => Row(S::SERVICE_UNAVAILABLE, "not_ready",
                "the model is being loaded: send requests to another replica; see Retry-After"),
            Self::DeadlineExceeded => Row(S::GATEWAY_TIMEOUT, "deadline_exceeded",
                "no answer within the request timeout"),
        }
    }
}
