//! What is taken out of a request, whatever form it has.

use bytes::Bytes;

use super::parameters::RawParameters;
use crate::http::error::ApiError;

/// The images of a request, in order, each with its own fate.
pub struct Upload {
    /// Encoded images; one that is not base64 does not spoil the others.
    pub images: Vec<Result<Bytes, ApiError>>,
    /// Whether the client sent a list, and gets one back.
    pub many: bool,
    /// From form fields or JSON members, after those of the query.
    pub parameters: RawParameters,
}
