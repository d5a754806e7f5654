//! The OpenAPI 3.1 document, generated from the handlers.

pub(super) mod bodies;
pub(super) mod errors;

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;

use super::error::ErrorBody;
use super::model;
use super::routes::{admin_routes, health_routes, public_routes};
use super::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "googlenet",
        description = "Classifies images with GoogLeNet (Inception v1). Every error is \
            `{\"error\", \"code\", \"request_id\"}`; every answer carries `X-Request-Id`.",
        // An SPDX expression: there is no one page for it, so no `url`.
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    // Its route takes names with a slash, which a template of OpenAPI cannot say.
    paths(model::layer),
    components(schemas(ErrorBody)),
    tags(
        (name = "classify", description = "Images in, classes out"),
        (name = "model", description = "What the network is"),
        (name = "open inference protocol", description = "For KServe, Triton and MLServer clients"),
        (name = "operations", description = "Probes and metrics"),
    )
)]
struct Head;

/// The routes that `--explain off` takes away.
const EXPLAINING: [&str; 2] = ["/activations", "/explain"];

/// Leaves out what `--explain off` takes away, unless `is_on`.
pub(super) fn offered(mut document: Document, is_on: bool) -> Document {
    document.paths.paths.retain(|path, _| is_on || !EXPLAINING.contains(&path.as_str()));
    document
}

/// The whole document, whichever listener serves which part.
pub fn document() -> Document {
    OpenApiRouter::<AppState>::with_openapi(Head::openapi())
        .merge(public_routes())
        .merge(admin_routes())
        .merge(health_routes())
        .into_openapi()
}
