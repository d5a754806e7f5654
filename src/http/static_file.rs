//! A file inside the program, as browsers keep it: with an `ETag`, 304 for those who have it, and compressed once.

use std::io::Write;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// For files whose addresses stay the same when a new version of the program brings other contents.
pub(super) const CHECK_EACH_TIME: &str = "no-cache";

/// A file as it is served.
pub(super) struct StaticFile {
    /// The last part of its address.
    pub(super) name: &'static str,
    content_type: String,
    cache_control: &'static str,
    etag: String,
    bytes: Bytes,
    gzip: Option<Bytes>,
}

impl StaticFile {
    /// A file that is sent as it is, or compressed by the layer around its route.
    pub(super) fn new(
        name: &'static str,
        content_type: &str,
        cache_control: &'static str,
        bytes: Bytes,
    ) -> Self {
        let digest = Sha256::digest(&bytes);
        let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        // Weak: the compressed form has the same one.
        let etag = format!("W/\"{digits}\"");
        Self { name, content_type: content_type.into(), cache_control, etag, bytes, gzip: None }
    }

    /// Compresses the file now, and never for a request; kept only if it is smaller so.
    pub(super) fn compressed(mut self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(&self.bytes).and_then(|()| encoder.finish());
        self.gzip = gzip.ok().filter(|gzip| gzip.len() < self.bytes.len()).map(Bytes::from);
        self
    }

    /// The file, or 304 for a client that has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let kept = [(header::CACHE_CONTROL, self.cache_control), (header::ETAG, &self.etag)];
        let vary = [(header::VARY, "accept-encoding")];
        if self.is_known(request) {
            // What compression says of the whole file (RFC 9110, section 15.4.5).
            return (StatusCode::NOT_MODIFIED, kept, vary).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, &self.content_type)];
        match &self.gzip {
            Some(gzip) if takes_gzip(request) => {
                let coding = [(header::CONTENT_ENCODING, "gzip")];
                (kept, vary, content_type, coding, gzip.clone()).into_response()
            }
            Some(_) => (kept, vary, content_type, self.bytes.clone()).into_response(),
            None => (kept, content_type, self.bytes.clone()).into_response(),
        }
    }

    /// Whether `If-None-Match` names it; weak and strong tags count alike (RFC 9110, section 13.1.2).
    fn is_known(&self, request: &HeaderMap) -> bool {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let known = bare(&self.etag);
        listed(request, &header::IF_NONE_MATCH).any(|tag| tag.trim() == "*" || bare(tag) == known)
    }
}

/// Whether `Accept-Encoding` takes gzip by name, with a weight that is not 0.
fn takes_gzip(request: &HeaderMap) -> bool {
    listed(request, &header::ACCEPT_ENCODING).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_gzip && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// The members of a header's lists.
fn listed<'a>(request: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(','))
}
