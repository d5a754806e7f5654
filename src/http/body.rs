//! Reads a request's body under its limits: its bytes, its time, and the bytes of all bodies.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::task::yield_now;

use super::body_memory::BodyShare;
use super::client::Client;
use super::content_coding::{ContentCoding, FIRST_BYTES, INFLATE_AT_ONCE, Inflater};
use super::deadline::out_of_time;
use super::error::{ApiError, FullBy};
use super::state::{AppState, Service};
use crate::config::OverloadStatus;

/// A transparent huge page of Linux on x86-64 and, with pages of 4 KiB, on ARM.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Bodies come and go within seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A body, and its share of the memory of all bodies.
pub struct ReceivedBody {
    /// The content.
    pub bytes: Bytes,
    /// To be held until its images are decoded, or its elements read.
    pub share: BodyShare,
}

/// The whole body, inflated if it is compressed, of which there will be `copies` for a while.
///
/// # Errors
/// [`ApiError::BodyTooLarge`] past `--max-body-bytes`, with or without `Content-Length`, as it is sent or
/// inflated; [`ApiError::RequestTimeout`] when it has not arrived by the request's deadline;
/// [`ApiError::ShuttingDown`] when it has not arrived by a part of `--drain-timeout-ms`;
/// [`ApiError::QueueFull`] when the bodies of other requests leave too little memory
/// (`--body-memory-bytes`); [`ApiError::UnsupportedContentCoding`]; [`ApiError::InvalidInput`] when it breaks
/// off, or cannot be inflated.
pub async fn read_body(
    request: Request,
    copies: usize,
    state: &AppState,
    service: &Service,
) -> Result<ReceivedBody, ApiError> {
    let settings = &state.settings;
    let (head, mut body) = request.into_parts();
    let coding = ContentCoding::of(&head.headers)?;
    let deadline = head
        .extensions
        .get::<Client>()
        .map_or_else(|| Instant::now() + settings.request_timeout, |client| client.deadline.0);
    let limit = settings.max_body_bytes;
    let declared = content_length(&head.headers);
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::BodyTooLarge(limit));
    }
    let memory =
        Memory { share: service.body_memory.share(), copies, status: settings.overload_status };
    let collected = async {
        match coding.inflater(limit) {
            Some(inflater) => collect_inflated(&mut body, inflater, limit, memory).await,
            None => {
                let expected = declared.map_or(limit, |length| length as usize);
                collect(&mut body, expected, limit, memory).await
            }
        }
    };
    tokio::select! {
        biased;
        collected = collected => collected,
        error = out_of_time(deadline, state) => Err(error),
    }
}

/// What a body takes of the memory of all bodies.
struct Memory {
    share: BodyShare,
    copies: usize,
    status: OverloadStatus,
}

impl Memory {
    /// For `length` bytes, of `expected` that are reserved.
    fn hold(&mut self, length: usize, expected: usize) -> Result<(), ApiError> {
        if self.share.grow_to(self.copies * resident_bytes(length, expected)) {
            return Ok(());
        }
        Err(ApiError::QueueFull {
            bound: FullBy::Bodies,
            retry_after: RETRY_AFTER,
            status: self.status.into(),
        })
    }
}

/// The next piece of a body; none at its end.
async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        // The client broke off, or its chunks are no chunks.
        let frame =
            frame.map_err(|e| ApiError::InvalidInput(format!("the body broke off: {e}")))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn collect(
    body: &mut Body,
    expected: usize,
    limit: usize,
    mut memory: Memory,
) -> Result<ReceivedBody, ApiError> {
    let mut bytes = BytesMut::with_capacity(expected.min(FIRST_BYTES));
    while let Some(data) = next_piece(body).await? {
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(ApiError::BodyTooLarge(limit));
        }
        memory.hold(length, expected)?;
        if length > bytes.capacity() {
            // Once, as far as the body can go: growing step by step would copy, and hold what has come
            // twice. Pages that nothing is written to take no memory.
            bytes.reserve(expected.max(length) - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(ReceivedBody { bytes: bytes.freeze(), share: memory.share })
}

async fn collect_inflated(
    body: &mut Body,
    mut inflater: Inflater,
    limit: usize,
    mut memory: Memory,
) -> Result<ReceivedBody, ApiError> {
    let mut compressed = 0;
    while let Some(data) = next_piece(body).await? {
        compressed += data.len();
        // Endless data may inflate to nothing.
        if compressed > limit {
            return Err(ApiError::BodyTooLarge(limit));
        }
        for piece in data.chunks(INFLATE_AT_ONCE) {
            inflater.write(piece)?;
            memory.hold(inflater.len(), limit)?;
            // A small piece may inflate to a megabyte: other requests of this thread go on in between.
            yield_now().await;
        }
    }
    Ok(ReceivedBody { bytes: inflater.finish()?.freeze(), share: memory.share })
}

/// What `length` bytes take of the memory that is reserved for `expected`: the system may give it in
/// huge pages.
fn resident_bytes(length: usize, expected: usize) -> usize {
    if length <= FIRST_BYTES {
        return length;
    }
    length.next_multiple_of(HUGE_PAGE_BYTES).min(expected).max(length)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
