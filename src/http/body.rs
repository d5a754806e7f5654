//! Reads a request's body under its limits: its bytes, its time, and the bytes of all bodies.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::sleep_until;

use super::body_memory::BodyShare;
use super::error::{ApiError, FullBy};
use super::request_context::Client;
use super::server::drain_patience;
use super::state::{AppState, Service};

/// What is read and thrown away of a body that is refused, so that a client that only reads when it has
/// written everything gets the answer instead of a reset connection.
const DISCARD_BYTES: usize = 64 << 20;
/// Reserved for a body before any of it has come.
const FIRST_BYTES: usize = 16 << 10;
/// A transparent huge page of Linux on x86-64 and, with pages of 4 KiB, on ARM.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Bodies come and go within seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A body, and its share of the memory of all bodies.
pub struct ReceivedBody {
    /// The content.
    pub bytes: Bytes,
    /// To be held until its images are answered.
    pub share: BodyShare,
}

/// The whole body, of which there will be `copies` for a while.
///
/// # Errors
/// [`ApiError::BodyTooLarge`] past `--max-body-bytes`, with or without `Content-Length`;
/// [`ApiError::RequestTimeout`] when it has not arrived by the request's deadline;
/// [`ApiError::ShuttingDown`] when it has not arrived by a part of `--drain-timeout-ms`;
/// [`ApiError::QueueFull`] when the bodies of other requests leave too little memory
/// (`--body-memory-bytes`); [`ApiError::UnsupportedContentType`] when it is compressed.
pub async fn read_body(
    request: Request,
    copies: usize,
    state: &AppState,
    service: &Service,
) -> Result<ReceivedBody, ApiError> {
    let config = &state.config;
    let (head, mut body) = request.into_parts();
    refuse_compressed(&head.headers)?;
    let deadline = head
        .extensions
        .get::<Client>()
        .map_or_else(|| Instant::now() + config.request_timeout(), |client| client.deadline.0);
    let limit = config.max_body_bytes;
    let declared = content_length(&head.headers);
    if declared.is_some_and(|length| length > limit as u64) {
        discard(body, deadline, state).await;
        return Err(ApiError::BodyTooLarge(limit));
    }
    let expected = declared.map_or(limit, |length| length as usize);
    let share = service.body_memory.share();
    let received = tokio::select! {
        biased;
        received = collect(&mut body, expected, copies, share, state) => received,
        error = out_of_time(deadline, state) => return Err(error),
    };
    if received.is_err() {
        discard(body, deadline, state).await;
    }
    received
}

/// Waits until a body may arrive no more; what its client is told then.
async fn out_of_time(deadline: Instant, state: &AppState) -> ApiError {
    let stopped = async {
        let stopping = state.lifecycle.stopping().await;
        let patience = drain_patience(state.config.drain_timeout());
        sleep_until((stopping + patience).into()).await;
    };
    tokio::select! {
        () = sleep_until(deadline.into()) => {
            ApiError::RequestTimeout(state.config.request_timeout())
        }
        () = stopped => ApiError::ShuttingDown,
    }
}

async fn collect(
    body: &mut Body,
    expected: usize,
    copies: usize,
    mut share: BodyShare,
    state: &AppState,
) -> Result<ReceivedBody, ApiError> {
    let limit = state.config.max_body_bytes;
    let mut bytes = BytesMut::with_capacity(expected.min(FIRST_BYTES));
    while let Some(frame) = body.frame().await {
        // The client broke off; nobody reads this answer.
        let frame =
            frame.map_err(|e| ApiError::InvalidInput(format!("the body broke off: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(ApiError::BodyTooLarge(limit));
        }
        if !share.grow_to(copies * resident_bytes(length, expected)) {
            return Err(ApiError::QueueFull {
                bound: FullBy::Bodies,
                retry_after: RETRY_AFTER,
                status: state.config.overload_status.into(),
            });
        }
        if length > bytes.capacity() {
            // Once, as far as the body can go: growing step by step would copy, and hold what has come
            // twice. Pages that nothing is written to take no memory.
            bytes.reserve(expected.max(length) - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(ReceivedBody { bytes: bytes.freeze(), share })
}

/// What `length` bytes take of the memory that is reserved for `expected`: the system may give it in
/// huge pages.
fn resident_bytes(length: usize, expected: usize) -> usize {
    if length <= FIRST_BYTES {
        return length;
    }
    length.next_multiple_of(HUGE_PAGE_BYTES).min(expected).max(length)
}

async fn discard(mut body: Body, deadline: Instant, state: &AppState) {
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
    tokio::select! {
        () = read => {}
        _ = out_of_time(deadline, state) => {}
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_as_the_pages_that_it_touches() {
        assert_eq!(resident_bytes(1000, 300_000), 1000);
        assert_eq!(resident_bytes(FIRST_BYTES + 1, 300_000), 300_000);
        assert_eq!(resident_bytes(FIRST_BYTES + 1, 20 << 20), 2 << 20);
        assert_eq!(resident_bytes((2 << 20) + 1, 20 << 20), 4 << 20);
        assert_eq!(resident_bytes(20 << 20, 20 << 20), 20 << 20);
        assert_eq!(resident_bytes(300_000, 200_000), 300_000, "more than was announced");
    }
}
