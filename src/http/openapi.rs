//! The OpenAPI 3.1 document, generated from the handlers, and the page that shows it.

use axum::Router;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::model;
use super::router::{admin_routes, health_routes, public_routes};
use super::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "googlenet",
        description = "Classifies images with GoogLeNet (Inception v1). Every error is \
            `{\"error\", \"code\", \"request_id\"}`; every answer carries `X-Request-Id`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    // Its route takes names with a slash, which a template of OpenAPI cannot say.
    paths(model::layer),
    tags(
        (name = "classify", description = "Images in, classes out"),
        (name = "model", description = "What the network is"),
        (name = "open inference protocol", description = "For KServe, Triton and MLServer clients"),
        (name = "operations", description = "Probes and metrics"),
    )
)]
struct Head;

/// The body of `POST /classify` as a form.
#[derive(ToSchema)]
#[allow(dead_code)] // only described, never read
pub(super) struct ClassifyForm {
    /// An image; several parts of this name are a batch, answered in order.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// How many classes to list.
    #[schema(minimum = 1, maximum = 1000)]
    top_k: Option<u32>,
    /// Leaves out classes with a lower probability.
    #[schema(minimum = 0.0, maximum = 1.0)]
    min_probability: Option<f32>,
    /// 1, 5 or 10.
    crops: Option<u32>,
}

/// The body of `POST /classify` as JSON: `image` or `images`.
#[derive(ToSchema)]
#[allow(dead_code)] // only described, never read
pub(super) struct ClassifyJson {
    /// An image in base64.
    #[schema(content_encoding = "base64", nullable = false)]
    image: Option<String>,
    /// Several, answered in order.
    #[schema(nullable = false)]
    images: Option<Vec<String>>,
    /// How many classes to list.
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    top_k: Option<u32>,
    /// Leaves out classes with a lower probability.
    #[schema(minimum = 0.0, maximum = 1.0, nullable = false)]
    min_probability: Option<f32>,
    /// 1, 5 or 10.
    #[schema(nullable = false)]
    crops: Option<u32>,
}

/// The whole document, whichever listener serves which part.
pub fn document() -> utoipa::openapi::OpenApi {
    OpenApiRouter::<AppState>::with_openapi(Head::openapi())
        .merge(public_routes())
        .merge(admin_routes())
        .merge(health_routes())
        .into_openapi()
}

/// `/openapi.json` and `/docs`, whose files are inside the program.
pub(super) fn docs() -> Router<AppState> {
    let config = Config::from("/openapi.json").validator_url("none");
    SwaggerUi::new("/docs").url("/openapi.json", document()).config(config).into()
}
