//! `/openapi.json`, and `/docs`, the page that shows it: Swagger UI's files and a page of our own around
//! them, all inside the program.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use super::error::ApiError;
use super::openapi::{document, offered};
use super::path_name::Name;
use super::state::AppState;
use super::static_file::{CHECK_EACH_TIME, StaticFile};

/// Swagger UI's own files change rarely, and are large.
const CHECK_EACH_HOUR: &str = "public, max-age=3600, must-revalidate";

/// Files of Swagger UI that the page uses.
const SWAGGER_UI: [&str; 4] =
    ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "favicon-16x16.png"];

static PAGE_FILES: LazyLock<Vec<StaticFile>> = LazyLock::new(page_files);

/// `/openapi.json` and `/docs`; without what explains answers unless `explains`.
pub(super) fn docs(explains: bool) -> Router<AppState> {
    let described = Arc::new(LazyLock::new(move || described(explains)));
    let described = move |headers: HeaderMap| async move { described.answer(&headers) };
    Router::new()
        .route("/openapi.json", get(described))
        // Relative, so that it also holds under a prefix that a proxy adds.
        .route("/docs", get(|| async { Redirect::to("docs/") }))
        .route("/docs/", get(|headers: HeaderMap| async move { page_file("", &headers) }))
        .route(
            "/docs/{*name}",
            get(|Name(name): Name, headers: HeaderMap| async move { page_file(&name, &headers) }),
        )
}

fn described(explains: bool) -> StaticFile {
    // It has no map whose keys are not strings: nothing else could fail.
    let json = serde_json::to_vec(&offered(document(), explains)).unwrap_or_default();
    StaticFile::new("openapi.json", "application/json", CHECK_EACH_TIME, json.into())
}

fn page_file(name: &str, headers: &HeaderMap) -> Response {
    match PAGE_FILES.iter().find(|file| file.name == name) {
        Some(file) => file.answer(headers),
        None => ApiError::NotFound.into_response(),
    }
}

fn page_files() -> Vec<StaticFile> {
    let own = |name, content_type, text: &'static str| {
        StaticFile::new(name, content_type, CHECK_EACH_TIME, Bytes::from_static(text.as_bytes()))
    };
    let mut files = vec![
        own("", "text/html; charset=utf-8", include_str!("index.html")),
        own("googlenet.css", "text/css", include_str!("googlenet.css")),
        own("swagger-initializer.js", "text/javascript", include_str!("swagger-initializer.js")),
    ];
    let config = Arc::new(Config::default());
    files.extend(SWAGGER_UI.iter().filter_map(|name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok()??;
        let bytes = Bytes::from(file.bytes.into_owned());
        Some(StaticFile::new(name, &file.content_type, CHECK_EACH_HOUR, bytes))
    }));
    files
}
