//! Reads a request's body under its limits: its bytes, its time, and the bytes of all bodies.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::timeout_at;

use super::body_memory::BodyShare;
use super::error::ApiError;
use super::request_context::Deadline;
use super::state::AppState;

/// What is read and thrown away of a body that is too large, so that a client that only reads
/// when it has written everything gets the answer instead of a reset connection.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// Bodies come and go within seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A body, and its share of the memory of all bodies, which is held until the answer.
pub struct ReceivedBody {
    /// The content.
    pub bytes: Bytes,
    _share: BodyShare,
}

/// The whole body.
///
/// # Errors
/// [`ApiError::BodyTooLarge`] past `--max-body-bytes`, with or without `Content-Length`;
/// [`ApiError::RequestTimeout`] when it has not arrived by the request's deadline;
/// [`ApiError::QueueFull`] when the bodies of other requests leave too little memory
/// (`--body-memory-bytes`); [`ApiError::UnsupportedContentType`] when it is compressed.
pub async fn read_body(request: Request, state: &AppState) -> Result<ReceivedBody, ApiError> {
    let config = &state.config;
    let (head, body) = request.into_parts();
    refuse_compressed(&head.headers)?;
    let deadline = head
        .extensions
        .get::<Deadline>()
        .map_or_else(|| Instant::now() + config.request_timeout(), |deadline| deadline.0);
    let limit = config.max_body_bytes;
    let declared = content_length(&head.headers);
    if declared.is_some_and(|length| length > limit as u64) {
        discard(body).await;
        return Err(ApiError::BodyTooLarge(limit));
    }
    let expected = declared.map_or(0, |length| length as usize);
    timeout_at(deadline.into(), collect(body, expected, state))
        .await
        .map_err(|_| ApiError::RequestTimeout(config.request_timeout()))?
}

async fn collect(
    mut body: Body,
    expected: usize,
    state: &AppState,
) -> Result<ReceivedBody, ApiError> {
    let limit = state.config.max_body_bytes;
    let mut share = state.body_memory.share();
    // Memory follows the bytes that came, not those that were announced.
    let mut bytes = BytesMut::with_capacity(expected.min(64 << 10));
    while let Some(frame) = body.frame().await {
        // The client broke off; nobody reads this answer.
        let frame =
            frame.map_err(|e| ApiError::InvalidInput(format!("the body broke off: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            drop(bytes);
            discard(body).await;
            return Err(ApiError::BodyTooLarge(limit));
        }
        if !share.grow_to(bytes.len() + data.len()) {
            drop((bytes, share));
            discard(body).await;
            return Err(ApiError::QueueFull {
                retry_after: RETRY_AFTER,
                status: state.config.overload_status.into(),
            });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(ReceivedBody { bytes: bytes.freeze(), _share: share })
}

async fn discard(mut body: Body) {
    let read = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Running out of time is as good as having read all: the connection is closed then.
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refuse_compressed(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(ApiError::UnsupportedContentType(
            "compressed bodies are not taken (images are compressed already): send it without \
             Content-Encoding"
                .into(),
        )),
        _ => Ok(()),
    }
}
