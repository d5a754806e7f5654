//! The memory of answers that their clients have yet to take.
//!
//! An answer is made while its image's memory is held, but a client may take it slowly, or not at all. So a large one has
//! a share of a memory of its own until its last byte has been handed to the system: those who do not read take nothing
//! from those who send.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body as HttpBody;

use super::error::{ApiError, FullBy};
use super::request_context::is_probe;
use super::state::{AppState, Service};

/// Less is no more than what a connection takes anyway; the reserve is for that.
const SMALL_BYTES: usize = 32 << 10;
/// Most clients take their answers at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The middleware, around the handlers whose answers are made anew for each request; inside of compression, which takes
/// an answer piece by piece.
pub(super) async fn answer_memory(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    // Who watches the service must see it when it is full.
    let is_probe = is_probe(&request);
    let response = next.run(request).await;
    match state.service.get() {
        Some(service) if !is_probe => counted(response, &state, service).await,
        _ => response,
    }
}

/// The answer with its share, or the refusal when others leave too little.
async fn counted(response: Response, state: &AppState, service: &Service) -> Response {
    let length = response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let Some(length) = length.filter(|length| *length > SMALL_BYTES) else { return response };
    let Some(share) = service.answer_memory.share_of(length) else {
        return ApiError::QueueFull {
            bound: FullBy::Answers,
            retry_after: RETRY_AFTER,
            status: state.settings.overload_status.into(),
        }
        .into_response();
    };
    let (head, body) = response.into_parts();
    match to_bytes(body, length).await {
        Ok(bytes) => Response::from_parts(head, Body::from(share.held_with(bytes))),
        Err(error) => ApiError::Internal(format!("an answer broke off: {error}")).into_response(),
    }
}
