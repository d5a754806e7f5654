//! `GET /` and `GET /assets/{file}`: the page, whose files are inside the program, and for programs the list of what
//! this address serves.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use super::accept::{Ranges, prefers};
use super::error::ApiError;
use super::state::AppState;
use super::static_file::{CHECK_EACH_TIME, StaticFile};

/// The page: only for those who name it, as browsers do. Programs that take anything get JSON.
const PAGE: Ranges = ["text/html"; 3];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JPEG: &str = "image/jpeg";

macro_rules! files {
    ($($name:literal: $content_type:expr,)*) => {
        &[$(($name, $content_type, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/", $name)))),*]
    };
}

/// The files of `ui/`: name, type, content.
const FILES: &[(&str, &str, &[u8])] = files! {
    "index.html": HTML,
    "address.js": SCRIPT,
    "answer.js": SCRIPT,
    "api.js": SCRIPT,
    "app.css": CSS,
    "app.js": SCRIPT,
    "brush.js": SCRIPT,
    "camera.js": SCRIPT,
    "classify.js": SCRIPT,
    "csv.js": SCRIPT,
    "dom.js": SCRIPT,
    "evidence.js": SCRIPT,
    "folder.js": SCRIPT,
    "icon.svg": SVG,
    "inside.js": SCRIPT,
    "intake.js": SCRIPT,
    "live.js": SCRIPT,
    "metrics.js": SCRIPT,
    "network.js": SCRIPT,
    "paper.js": SCRIPT,
    "photos.js": SCRIPT,
    "sample-ball.jpg": JPEG,
    "sample-balloon.jpg": JPEG,
    "sample-daisy.jpg": JPEG,
    "sample-light.jpg": JPEG,
    "sample-mug.jpg": JPEG,
    "sample-umbrella.jpg": JPEG,
    "samples.js": SCRIPT,
    "services.js": SCRIPT,
    "shape.js": SCRIPT,
    "text.js": SCRIPT,
    "words.js": SCRIPT,
};

/// What a browser may do with the page: load and ask this address only, run no script but the page's own files.
#[rustfmt::skip] // a table
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         media-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), "camera=(self)"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

static ASSETS: LazyLock<Vec<StaticFile>> = LazyLock::new(|| {
    let file = |&(name, content_type, bytes): &(&'static str, &str, &'static [u8])| {
        StaticFile::new(name, content_type, CHECK_EACH_TIME, Bytes::from_static(bytes)).compressed()
    };
    FILES.iter().map(file).collect()
});

/// What an address serves, for programs and for the page, which shows no tab that has nothing to ask.
#[derive(Clone, Serialize)]
pub(super) struct Index {
    service: &'static str,
    /// Of the program.
    version: &'static str,
    paths: Vec<Served>,
}

/// One request that can be sent.
#[derive(Clone, Serialize)]
struct Served {
    method: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

impl Index {
    /// What these documents describe, and the page about all of it where that is served.
    pub(super) fn new(documents: &[OpenApi], has_docs: bool) -> Self {
        let paths = documents.iter().flat_map(|document| document.paths.paths.iter());
        let mut paths: Vec<Served> = paths.flat_map(|(path, item)| served(path, item)).collect();
        if has_docs {
            let page = |path: &str, summary: &str| Served {
                method: "GET",
                path: path.to_owned(),
                summary: Some(summary.to_owned()),
            };
            paths.push(page("/docs", "All of this, to read and to try."));
            paths.push(page("/openapi.json", "All of this, for generators of clients."));
        }
        Self { service: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), paths }
    }
}

fn served<'a>(path: &'a str, item: &'a PathItem) -> impl Iterator<Item = Served> + 'a {
    let operations: [(&str, &Option<Operation>); 2] = [("GET", &item.get), ("POST", &item.post)];
    operations.into_iter().filter_map(move |(method, operation)| {
        let summary = operation.as_ref()?.summary.clone();
        Some(Served { method, path: path.to_owned(), summary })
    })
}

/// `/` and `/assets/{file}`; without the page only the list at `/`.
pub(super) fn page(index: Index, has_page: bool) -> Router<AppState> {
    let root = move |headers: HeaderMap| async move {
        let mut answer = if has_page && prefers(&headers, PAGE) {
            file("index.html", &headers)
        } else {
            ([(header::CACHE_CONTROL, "no-store")], Json(index)).into_response()
        };
        answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
        answer
    };
    let router = Router::new().route("/", get(root));
    if !has_page {
        return router;
    }
    let asset = |Path(name): Path<String>, headers: HeaderMap| async move { file(&name, &headers) };
    router.route("/assets/{file}", get(asset))
}

fn file(name: &str, request: &HeaderMap) -> Response {
    match ASSETS.iter().find(|file| file.name == name) {
        Some(file) => {
            let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
            (headers, file.answer(request)).into_response()
        }
        None => ApiError::NotFound.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ui");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let there: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
        let served: BTreeSet<String> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(served, there);
        assert_eq!(served.len(), FILES.len(), "no name twice");
    }
}
