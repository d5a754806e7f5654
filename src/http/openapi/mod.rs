//! The OpenAPI 3.1 document, generated from the handlers.

pub(super) mod bodies;

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

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
    tags(
        (name = "classify", description = "Images in, classes out"),
        (name = "model", description = "What the network is"),
        (name = "open inference protocol", description = "For KServe, Triton and MLServer clients"),
        (name = "operations", description = "Probes and metrics"),
    )
)]
struct Head;

/// The whole document, whichever listener serves which part.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = OpenApiRouter::<AppState>::with_openapi(Head::openapi())
        .merge(public_routes())
        .merge(admin_routes())
        .merge(health_routes())
        .into_openapi();
    for path in document.paths.paths.values_mut() {
        path.get.iter_mut().chain(&mut path.post).for_each(add_refusals);
    }
    document
}

/// What any request may get before it reaches its handler, where the handler does not say so itself.
fn add_refusals(operation: &mut Operation) {
    let refusals = [
        ("400", "The header Host is missing, repeated or not a host"),
        ("501", "Transfer-Encoding is something other than chunked"),
    ];
    for (status, description) in refusals {
        let refusal = || refusal(description).into();
        operation.responses.responses.entry(status.to_owned()).or_insert_with(refusal);
    }
}

fn refusal(description: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new().description(description).content("application/json", body).build()
}
