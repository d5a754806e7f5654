//! The table of routes.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::AppState;
use super::{activations, classify, explain, filters, health, model, open_inference};

/// The routes that take photos: of clients, and of the page wherever it is.
pub(super) fn photo_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(classify::classify))
        .routes(routes!(explain::explain))
        .routes(routes!(activations::activations))
}

/// The routes that clients use.
pub(super) fn public_routes() -> OpenApiRouter<AppState> {
    photo_routes().merge(open_inference::public_routes())
}

/// The routes that operators use.
pub(super) fn admin_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(model::summary))
        .routes(routes!(model::layers))
        .routes(routes!(model::labels))
        .routes(routes!(model::groups))
        .routes(routes!(filters::filters))
        .routes(routes!(health::metrics))
        .merge(open_inference::metadata_routes())
}

/// The routes of every listener.
pub(super) fn health_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .merge(open_inference::health_routes())
}
