//! Probes of the protocol: the server's and the model's.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::model_path::ModelPath;
use crate::http::error::ApiError;
use crate::http::health;
use crate::http::openapi::errors::route_errors;
use crate::http::state::AppState;

route_errors!(LiveErrors:);
route_errors!(ReadyErrors: NotReady, ShuttingDown);
route_errors!(NamedModelErrors: InvalidInput, NotFound, NotReady, ShuttingDown);

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
    responses((status = 200, description = "The process can answer", body = Live), LiveErrors))]
pub async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Readiness, as `/readyz`.
#[utoipa::path(get, path = "/v2/health/ready", tag = "open inference protocol",
    responses(
        (status = 200, description = "Send requests", body = Ready),
        ReadyErrors))]
pub async fn ready(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    health::ready(&state).map(|()| Json(Ready { ready: true }))
}

/// Whether the model takes requests.
#[utoipa::path(get, path = "/v2/models/{name}/ready", tag = "open inference protocol",
    params(("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet")),
    responses(
        (status = 200, description = "Send requests", body = ModelReady),
        NamedModelErrors))]
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
        NamedModelErrors))]
pub async fn version_ready(state: State<AppState>, path: ModelPath) -> Result<Response, ApiError> {
    model_ready(state, path).await
}
