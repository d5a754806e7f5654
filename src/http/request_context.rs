//! Around every request: its id, its span, its deadline, the body of its error, its log line.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::client::{Client, Deadline};
use super::client_address::{PeerAddress, client_address, client_key};
use super::error::{ErrorBody, ErrorPayload, FullBy};
use super::request_id::RequestId;
use super::request_log::{Answered, RequestLog};
use super::state::AppState;
use crate::lifecycle::Phase;

/// What balancers, orchestrators and Prometheus ask for every few seconds, for as long as a replica lives.
const PROBES: [&str; 7] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{name}/ready",
    "/v2/models/{name}/versions/{version}/ready",
];
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a request is one of them.
pub(super) fn is_probe(request: &Request) -> bool {
    let endpoint = request.extensions().get::<MatchedPath>();
    endpoint.is_some_and(|endpoint| PROBES.contains(&endpoint.as_str()))
}

/// The middleware, outside of all others.
pub async fn request_context(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let endpoint = request.extensions().get::<MatchedPath>().cloned();
    let endpoint = endpoint.as_ref().map_or("other", MatchedPath::as_str);
    let address = address_of(&request, &state);
    let log = RequestLog::begin(&request, address, PROBES.contains(&endpoint));
    let deadline = Deadline(log.started + state.settings.request_timeout);
    request.extensions_mut().insert(Client { key: client_key(address), deadline });
    request.extensions_mut().insert(log.tally.clone());
    let span = tracing::info_span!("request", request_id = log.id.as_str());

    let mut response = next.run(request).instrument(span.clone()).await;

    let code = span.in_scope(|| render_error(&mut response, &log.id));
    if state.lifecycle.phase() >= Phase::Draining {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.headers_mut().insert(X_REQUEST_ID, log.id.header());
    let (status, elapsed) = (response.status(), log.started.elapsed());
    state.metrics.requests.with_label_values(&[endpoint, status.as_str()]).inc();
    state.metrics.request_seconds.with_label_values(&[endpoint]).observe(elapsed.as_secs_f64());
    if let Some(code) = code.filter(|_| status.as_u16() == 429 || status.as_u16() == 503) {
        let bound = response.extensions().get().copied().map_or("", FullBy::as_str);
        state.metrics.rejected.with_label_values(&[code, bound]).inc();
    }
    log.answered(Answered { status, code, elapsed });
    response
}

fn address_of(request: &Request, state: &AppState) -> IpAddr {
    // Every connection of the server has a peer.
    let peer = request.extensions().get::<PeerAddress>();
    let peer = peer.map_or(IpAddr::from([0; 4]), |peer| peer.0.ip());
    client_address(request.headers(), peer, &state.settings.trusted_proxies)
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
