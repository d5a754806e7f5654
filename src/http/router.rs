//! The routers of the listeners: the routes, and what surrounds them.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;

use super::answer_memory::answer_memory;
use super::docs::docs;
use super::error::ApiError;
use super::index::Index;
use super::message_checks::message_checks;
use super::model;
use super::openapi::offered;
use super::page::page;
use super::request_context::request_context;
use super::routes::{admin_routes, health_routes, photo_routes, public_routes};
use super::state::AppState;
use super::unread_body::unread_body;
use crate::metrics::PanicPlace;

/// How long a browser remembers that it may send a request: the longest that Chromium takes.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(7200);

/// One router for each listener.
pub struct Routers {
    /// `--listen`.
    pub public: Router,
    /// `--admin-listen`, if there is one.
    pub admin: Option<Router>,
}

/// Builds the routers for the listeners that `state.settings` asks for.
pub fn routers(state: &AppState) -> Routers {
    let has_page = state.settings.page;
    let explains = state.settings.explain;
    let described =
        |router: &OpenApiRouter<AppState>| offered(router.get_openapi().clone(), explains);
    let public = public_routes().merge(health_routes());
    let admin = admin_routes();
    if state.settings.admin_listen.is_none() {
        let index = Index::new(&[described(&public), described(&admin)], true);
        let all =
            measured(public, state).merge(operators(admin, state)).merge(page(index, has_page));
        return Routers { public: surround(all, state), admin: None };
    }
    let mut beside = health_routes();
    if has_page {
        // The page has all its tabs there.
        beside = beside.merge(photo_routes());
    }
    let for_clients = Index::new(&[described(&public)], false);
    let for_operators = Index::new(&[described(&beside), described(&admin)], true);
    let public = measured(public, state).merge(page(for_clients, has_page));
    let beside = measured(beside, state).merge(page(for_operators, has_page));
    Routers {
        public: surround(public, state),
        admin: Some(surround(beside.merge(operators(admin, state)), state)),
    }
}

/// The routes of operators, with those that no document describes.
fn operators(described: OpenApiRouter<AppState>, state: &AppState) -> Router<AppState> {
    measured(described, state)
        // Names of layers contain a slash.
        .route("/model/layers/{*name}", get(model::layer))
        .merge(docs(state.settings.explain))
        .layer(CompressionLayer::new())
}

/// The routes whose answers are made anew for each request: their memory counts until they are sent. Files inside the
/// program have it anyway.
fn measured(described: OpenApiRouter<AppState>, state: &AppState) -> Router<AppState> {
    Router::from(described).layer(from_fn_with_state(state.clone(), answer_memory))
}

/// What every request passes, from the outside in: context, what is left of the body, checks of the message,
/// CORS, panics.
fn surround(router: Router<AppState>, state: &AppState) -> Router {
    let panics = state.metrics.panics(PanicPlace::Handler);
    let panicked = move |panic: Box<dyn std::any::Any + Send>| {
        panics.inc();
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        ApiError::Internal(format!("a handler panicked: {}", text.unwrap_or_default()))
            .into_response()
    };
    let mut router = router
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ));
    if let Some(cors) = cors(&state.settings.cors_origins) {
        router = router.layer(cors).layer(timing_allow_origin(&state.settings.cors_origins));
    }
    router = router.layer(from_fn(message_checks));
    router = router.layer(from_fn_with_state(state.clone(), unread_body));
    router.layer(from_fn_with_state(state.clone(), request_context)).with_state(state.clone())
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_methods(Any)
        .allow_headers(Any)
        .expose_headers(Any)
        .max_age(PREFLIGHT_MAX_AGE);
    if origins.iter().any(|origin| origin == "*") {
        return Some(layer.allow_origin(Any));
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    Some(layer.allow_origin(AllowOrigin::list(origins)))
}

/// Without it the scripts of those origins see neither `Server-Timing` nor how long a request took.
fn timing_allow_origin(origins: &[String]) -> SetResponseHeaderLayer<Option<HeaderValue>> {
    let any = origins.iter().any(|origin| origin == "*");
    let list = if any { "*".to_owned() } else { origins.join(", ") };
    let name = HeaderName::from_static("timing-allow-origin");
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_str(&list).ok())
}
