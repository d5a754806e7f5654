//! Open Inference Protocol v2 over HTTP, for the clients of KServe, Triton, MLServer and OVMS.
//!
//! Sources: the protocol's `open_inference_rest` specification, and Triton's extensions
//! `binary_tensor_data` and `classification`.

mod answer;
mod elements;
mod health;
mod infer;
mod metadata;
mod model_path;
mod request;
mod request_json;
mod short_arrays;
mod tensor;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::AppState;

/// What clients use: the server's metadata, whether the model is ready, inference.
pub(super) fn public_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(metadata::server))
        .routes(routes!(health::model_ready))
        .routes(routes!(health::version_ready))
        .routes(routes!(infer::infer))
        .routes(routes!(infer::infer_version))
}

/// What `--admin-listen` moves: the model's metadata.
pub(super) fn metadata_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metadata::model)).routes(routes!(metadata::version))
}

/// The probes.
pub(super) fn health_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready))
}
