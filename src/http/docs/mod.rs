//! `/openapi.json`, and `/docs`, the page that shows it: Swagger UI's files and a page of our own around
//! them, all inside the program.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;

use super::error::ApiError;
use super::openapi::document;
use super::state::AppState;

/// Their addresses stay the same when a new version of the program brings other files.
const CHECK_EACH_TIME: &str = "no-cache";
/// Swagger UI's own files change rarely, and are large.
const CHECK_EACH_HOUR: &str = "public, max-age=3600, must-revalidate";

/// Files of Swagger UI that the page uses.
const SWAGGER_UI: [&str; 4] =
    ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "favicon-16x16.png"];

/// A file as it is served.
struct File {
    /// Behind `/docs/`; empty for the page itself.
    name: &'static str,
    content_type: String,
    cache_control: &'static str,
    etag: String,
    bytes: Bytes,
}

static DOCUMENT: LazyLock<File> = LazyLock::new(|| {
    // It has no map whose keys are not strings: nothing else could fail.
    let json = serde_json::to_vec(&document()).unwrap_or_default();
    File::new("openapi.json", "application/json", CHECK_EACH_TIME, json.into())
});

static PAGE_FILES: LazyLock<Vec<File>> = LazyLock::new(page_files);

/// `/openapi.json` and `/docs`.
pub(super) fn docs() -> Router<AppState> {
    Router::new()
        .route("/openapi.json", get(|headers: HeaderMap| async move { DOCUMENT.answer(&headers) }))
        // Relative, so that it also holds under a prefix that a proxy adds.
        .route("/docs", get(|| async { Redirect::to("docs/") }))
        .route("/docs/", get(|headers: HeaderMap| async move { page_file("", &headers) }))
        .route(
            "/docs/{*name}",
            get(|Path(name): Path<String>, headers: HeaderMap| async move {
                page_file(&name, &headers)
            }),
        )
}

fn page_file(name: &str, headers: &HeaderMap) -> Response {
    match PAGE_FILES.iter().find(|file| file.name == name) {
        Some(file) => file.answer(headers),
        None => ApiError::NotFound.into_response(),
    }
}

fn page_files() -> Vec<File> {
    let own = |name, content_type, text: &'static str| {
        File::new(name, content_type, CHECK_EACH_TIME, Bytes::from_static(text.as_bytes()))
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
        Some(File::new(name, &file.content_type, CHECK_EACH_HOUR, bytes))
    }));
    files
}

impl File {
    fn new(
        name: &'static str,
        content_type: &str,
        cache_control: &'static str,
        bytes: Bytes,
    ) -> Self {
        let digest = Sha256::digest(&bytes);
        let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        // Weak: the compressed form has the same one.
        let etag = format!("W/\"{digits}\"");
        Self { name, content_type: content_type.into(), cache_control, etag, bytes }
    }

    /// The file, or 304 for a client that has it.
    fn answer(&self, request: &HeaderMap) -> Response {
        let kept = [(header::CACHE_CONTROL, self.cache_control), (header::ETAG, &self.etag)];
        if self.is_known(request) {
            // What compression says of the whole file (RFC 9110, section 15.4.5).
            let vary = [(header::VARY, "accept-encoding")];
            return (StatusCode::NOT_MODIFIED, kept, vary).into_response();
        }
        (kept, [(header::CONTENT_TYPE, &self.content_type)], self.bytes.clone()).into_response()
    }

    /// Whether `If-None-Match` names it; weak and strong tags count alike (RFC 9110, section 13.1.2).
    fn is_known(&self, request: &HeaderMap) -> bool {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let known = bare(&self.etag);
        request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|tag| tag.trim() == "*" || bare(tag) == known)
    }
}
