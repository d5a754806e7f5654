//! Probes of the protocol: the server's and the model's.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::model_path::ModelPath;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::health;
use crate::http::state::AppState;

/// The server answers.
#[derive(Serialize, ToSchema)]
pub struct Live {
    /// Always true.
    live: bool,
}

/// The server takes requests.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// Always true.
    ready: bool,
}

/// The model takes requests.
#[derive(Serialize, ToSchema)]
pub struct ModelReady<'a> {
    /// The model's name.
    #[schema(example = "googlenet")]
    name: &'a str,
    /// Always true.
    ready: bool,
}

/// Liveness, as `/healthz`.
#[utoipa::path(get, path = "/v2/health/live", tag = "open inference protocol",
    responses((status = 200, description = "The process can answer", body = Live)))]
pub async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Readiness, as `/readyz`.
#[utoipa::path(get, path = "/v2/health/ready", tag = "open inference protocol",
    responses(
        (status = 200, description = "Send requests", body = Ready),
        (status = 503, description = "Send them to another replica", body = ErrorBody)))]
pub async fn ready(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    health::ready(&state).map(|()| Json(Ready { ready: true }))
}

/// Whether the model takes requests.
#[utoipa::path(get, path = "/v2/models/{name}/ready", tag = "open inference protocol",
    params(("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet")),
    responses(
        (status = 200, description = "Send requests", body = ModelReady),
        (status = 400, description = "The name is no text", body = ErrorBody),
        (status = 404, description = "There is no such model", body = ErrorBody),
        (status = 503, description = "Send them to another replica", body = ErrorBody)))]
pub async fn model_ready(
    State(state): State<AppState>,
    path: ModelPath,
) -> Result<Response, ApiError> {
    let model = &state.service()?.model;
    path.check(model)?;
    health::ready(&state)?;
    Ok(Json(ModelReady { name: &model.identity.name, ready: true }).into_response())
}

/// Whether this version of the model takes requests.
#[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/ready", tag = "open inference protocol",
    params(
        ("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet"),
        ("version" = String, Path, description = "The model's version, or `1`", example = "1")),
    responses(
        (status = 200, description = "Send requests", body = ModelReady),
        (status = 400, description = "The name or version is no text", body = ErrorBody),
        (status = 404, description = "There is no such model or version", body = ErrorBody),
        (status = 503, description = "Send them to another replica", body = ErrorBody)))]
pub async fn version_ready(state: State<AppState>, path: ModelPath) -> Result<Response, ApiError> {
    model_ready(state, path).await
}
