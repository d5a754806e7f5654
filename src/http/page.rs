//! `GET /` and `GET /assets/{file}`: the page, whose files are inside the program; programs get the list of what this
//! address serves.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;

use super::accept::{Ranges, prefers};
use super::error::ApiError;
use super::index::Index;
use super::path_name::Name;
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

/// `/` and `/assets/{file}`; without the page only the list at `/`.
pub(super) fn page(index: Index, has_page: bool) -> Router<AppState> {
    let root = move |State(state): State<AppState>, headers: HeaderMap| async move {
        let mut answer = if has_page && prefers(&headers, PAGE) {
            file("index.html", &headers)
        } else {
            index.answer(state.service.get())
        };
        answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
        answer
    };
    let router = Router::new().route("/", get(root));
    if !has_page {
        return router;
    }
    let asset = |Name(name): Name, headers: HeaderMap| async move { file(&name, &headers) };
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
