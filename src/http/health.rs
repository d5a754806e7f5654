//! `/healthz`, `/readyz`, `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::openapi::errors::route_errors;
use super::state::AppState;
use crate::lifecycle::Phase;

route_errors!(HealthErrors:);
route_errors!(ReadyErrors: NotReady, ShuttingDown);
route_errors!(MetricsErrors: Internal);

/// A probe's answer.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `alive` or `ready`.
    pub status: &'static str,
}

/// Liveness: 200 while the process can answer.
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "The process can answer", body = Health), HealthErrors))]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// Readiness: 200 when the model is loaded and warmed and the service is not draining.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "Send requests", body = Health),
        ReadyErrors))]
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Health>, ApiError> {
    ready(&state).map(|()| Json(Health { status: "ready" }))
}

/// Whether requests should come.
///
/// # Errors
/// [`ApiError::NotReady`] before, [`ApiError::ShuttingDown`] after.
pub fn ready(state: &AppState) -> Result<(), ApiError> {
    match state.lifecycle.phase() {
        Phase::Starting => Err(ApiError::NotReady),
        Phase::Ready => Ok(()),
        Phase::Draining | Phase::Stopping => Err(ApiError::ShuttingDown),
    }
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain"),
        MetricsErrors))]
pub async fn metrics(
    State(state): State<AppState>,
) -> Result<([(HeaderName, &'static str); 1], String), ApiError> {
    let text = state.metrics.render().map_err(|e| ApiError::Internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
