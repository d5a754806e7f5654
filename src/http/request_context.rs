//! Around every request: its id, its span, its deadline, the body of its error, its log line.

use std::net::IpAddr;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::client_address::{PeerAddress, client_address, client_key};
use super::error::{ErrorBody, ErrorPayload};
use super::request_id::RequestId;
use super::state::AppState;
use super::trace_parent::TraceParent;
use crate::batcher::ClientKey;
use crate::lifecycle::Phase;

/// What the log has of a method.
const LONGEST_METHOD: usize = 32;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When a request must be answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Who waits for an answer, and until when; in the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Tells it from others.
    pub key: ClientKey,
    /// When it must be answered.
    pub deadline: Deadline,
}

/// The middleware, outside of all others.
pub async fn request_context(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = RequestId::from_headers(request.headers());
    let endpoint = request.extensions().get::<MatchedPath>().cloned();
    let endpoint = endpoint.as_ref().map_or("other", MatchedPath::as_str);
    let span = request_span(&request, &id);
    let method = logged(request.method());
    let deadline = Deadline(started + state.config.request_timeout());
    let client = Client { key: key_of(&request, &state), deadline };
    request.extensions_mut().insert(client);

    let mut response = next.run(request).instrument(span.clone()).await;

    let code = render_error(&mut response, &id);
    if state.lifecycle.phase() >= Phase::Draining {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    let (status, elapsed) = (response.status(), started.elapsed());
    state.metrics.requests.with_label_values(&[endpoint, status.as_str()]).inc();
    state.metrics.request_seconds.with_label_values(&[endpoint]).observe(elapsed.as_secs_f64());
    if let Some(code) = code.filter(|_| status.as_u16() == 429 || status.as_u16() == 503) {
        state.metrics.rejected.with_label_values(&[code]).inc();
    }
    let _entered = span.enter();
    let duration_ms = elapsed.as_secs_f64() * 1e3;
    tracing::info!(method, endpoint, status = status.as_u16(), code, duration_ms, "answered");
    response
}

/// The method, cut where no method that anybody knows goes on: a client may send kilobytes.
fn logged(method: &Method) -> String {
    method.as_str().chars().take(LONGEST_METHOD).collect()
}

fn key_of(request: &Request, state: &AppState) -> ClientKey {
    // Every connection of the server has a peer.
    let peer = request.extensions().get::<PeerAddress>();
    let peer = peer.map_or(IpAddr::from([0; 4]), |peer| peer.0.ip());
    client_key(client_address(request.headers(), peer, &state.config.trusted_proxies))
}

fn request_span(request: &Request, id: &RequestId) -> tracing::Span {
    let parent = TraceParent::from_headers(request.headers());
    let span = tracing::info_span!(
        "request",
        request_id = id.as_str(),
        trace_id = tracing::field::Empty,
        parent_id = tracing::field::Empty
    );
    if let Some(parent) = parent {
        span.record("trace_id", parent.trace_id.as_str());
        span.record("parent_id", parent.parent_id.as_str());
    }
    span
}

/// Writes the body of an error; returns its code.
fn render_error(response: &mut Response, id: &RequestId) -> Option<&'static str> {
    let ErrorPayload { error, code } = response.extensions_mut().remove()?;
    let body = ErrorBody { error, code: code.into(), request_id: id.as_str().into() };
    // A struct of three strings is always JSON.
    let json = serde_json::to_vec(&body).unwrap_or_default();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(json);
    Some(code)
}
