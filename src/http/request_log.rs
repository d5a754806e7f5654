//! The line of the log for each request.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;

use super::request_id::RequestId;
use super::request_tally::RequestTally;
use super::trace_parent::TraceParent;

/// What the log has of a method and of a path: a client may send kilobytes.
const LONGEST_METHOD: usize = 32;
const LONGEST_PATH: usize = 256;

/// What was asked for.
pub(super) struct RequestLine {
    method: String,
    path: String,
}

/// How it was answered.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// The error's.
    pub(super) code: Option<&'static str>,
    /// From the head of the request to the head of the answer.
    pub(super) elapsed: Duration,
    pub(super) tally: RequestTally,
    /// The client's, as trusted proxies say it.
    pub(super) address: IpAddr,
    pub(super) id: RequestId,
    /// The caller's.
    pub(super) trace: Option<TraceParent>,
    /// Whether it is one of those that come every few seconds.
    pub(super) is_probe: bool,
}

impl RequestLine {
    pub(super) fn of(request: &Request) -> Self {
        let cut = |text: &str, longest: usize| text.chars().take(longest).collect();
        Self {
            method: cut(request.method().as_str(), LONGEST_METHOD),
            path: cut(request.uri().path(), LONGEST_PATH),
        }
    }

    /// Writes it. All that is known of the request is in it, and nothing from the span around it: each
    /// field is there once.
    pub(super) fn log(&self, answered: &Answered) {
        macro_rules! write {
            ($level:ident) => {
                tracing::$level!(
                    parent: None,
                    method = self.method,
                    path = self.path,
                    status = answered.status.as_u16(),
                    code = answered.code,
                    milliseconds = milliseconds(answered.elapsed),
                    bytes_in = answered.tally.body_bytes(),
                    images = answered.tally.images(),
                    client = %answered.address,
                    request_id = answered.id.as_str(),
                    trace_id = answered.trace.as_ref().map(|trace| trace.trace_id.as_str()),
                    parent_id = answered.trace.as_ref().map(|trace| trace.parent_id.as_str()),
                    "answered"
                )
            };
        }
        if answered.is_probe && answered.status.is_success() { write!(debug) } else { write!(info) }
    }
}

/// To three decimals.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_path_is_without_its_query_and_not_endless() {
        let line =
            |uri: &str| RequestLine::of(&Request::builder().uri(uri).body(Body::empty()).unwrap());
        assert_eq!(line("/classify?top_k=1").path, "/classify");
        assert_eq!(line(&format!("/{}", "a".repeat(1000))).path.len(), LONGEST_PATH);
    }

    proptest! {
        #[test]
        fn milliseconds_have_three_decimals(micros in 0u64..10_000_000) {
            let text = milliseconds(Duration::from_micros(micros)).to_string();
            prop_assert!(text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 3), "{}", text);
        }
    }
}
