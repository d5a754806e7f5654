//! Refuses messages that two readers could interpret differently (RFC 9112, sections 3.2 and 6.1).
//!
//! hyper has already refused others: a body with two lengths, and transfer codings that do not end with `chunked`. If a
//! request has both `Content-Length` and `Transfer-Encoding`, hyper uses the latter, removes the former, and closes the
//! connection after the answer.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// The middleware, in front of the handlers.
pub(super) async fn message_checks(request: Request, next: Next) -> Response {
    match check(request.version(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            let mut response = error.into_response();
            // Where the next request begins is in doubt.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

fn check(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    check_host(version, headers)?;
    check_transfer_coding(headers)
}

fn check_host(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let wrong = |what: &str| Err(ApiError::InvalidRequest(format!("the request has {what}")));
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => wrong("no header Host, which HTTP/1.1 demands"),
        (Some(_), Some(_)) => wrong("more than one header Host"),
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => wrong("a header Host that is not a host"),
    }
}

/// A name or an address, with a port or without, or nothing.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    text.is_empty() || (!text.contains('@') && text.parse::<Authority>().is_ok())
}

fn check_transfer_coding(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            Ok(())
        }
        _ => Err(ApiError::UnknownTransferCoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(version: Version, lines: &[(&'static str, &'static str)]) -> &'static str {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        check(version, &headers).map_or_else(|error| error.kind().code(), |()| "taken")
    }

    #[test]
    fn one_host_is_needed_since_http_1_1() {
        assert_eq!(code(Version::HTTP_11, &[]), "invalid_request");
        assert_eq!(code(Version::HTTP_10, &[]), "taken");
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(code(version, &[("host", "a"), ("host", "a")]), "invalid_request");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in ["", "a", "my_service.web:8080", "127.0.0.1:1", "[::1]:80", "a.example."] {
            assert_eq!(code(Version::HTTP_11, &[("host", host)]), "taken", "{host}");
        }
        for host in ["a b", "a/b", "user@a", "http://a", "a\tb", "a?b", "a, b"] {
            assert_eq!(code(Version::HTTP_11, &[("host", host)]), "invalid_request", "{host}");
        }
    }

    #[test]
    fn chunked_is_the_only_transfer_coding() {
        let coded =
            |coding| code(Version::HTTP_11, &[("host", "a"), ("transfer-encoding", coding)]);
        assert_eq!((coded("chunked"), coded("Chunked")), ("taken", "taken"));
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "", "xchunked"] {
            assert_eq!(coded(coding), "not_implemented", "{coding}");
        }
    }
}
