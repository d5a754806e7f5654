//! The line of the log for each request.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::StatusCode;

use super::request_id::RequestId;
use super::request_tally::RequestTally;
use super::trace_parent::TraceParent;
use crate::pipeline::milliseconds;

/// What the log has of a method and of a path: a client may send kilobytes.
const LONGEST_METHOD: usize = 32;
const LONGEST_PATH: usize = 256;

/// What is known of a request from its head on. Its line is written when it is answered, or when it is dropped
/// before that: the client has gone.
pub(super) struct RequestLog {
    pub(super) started: Instant,
    method: String,
    path: String,
    /// The client's, as trusted proxies say it.
    address: IpAddr,
    pub(super) id: RequestId,
    /// The caller's.
    trace: Option<TraceParent>,
    pub(super) tally: RequestTally,
    /// Whether it is one of those that come every few seconds.
    is_probe: bool,
    is_written: bool,
}

/// How a request was answered.
#[derive(Clone, Copy)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// The error's.
    pub(super) code: Option<&'static str>,
    /// From the head of the request to the head of the answer.
    pub(super) elapsed: Duration,
}

impl Answered {
    /// Of a probe: that the model is still being loaded is in the log already.
    fn is_expected(self) -> bool {
        self.status.is_success() || self.code == Some("not_ready")
    }
}

impl RequestLog {
    pub(super) fn begin(request: &Request, address: IpAddr, is_probe: bool) -> Self {
        let cut = |text: &str, longest: usize| text.chars().take(longest).collect();
        Self {
            started: Instant::now(),
            method: cut(request.method().as_str(), LONGEST_METHOD),
            path: cut(request.uri().path(), LONGEST_PATH),
            address,
            id: RequestId::from_headers(request.headers()),
            trace: TraceParent::from_headers(request.headers()),
            tally: RequestTally::default(),
            is_probe,
            is_written: false,
        }
    }

    /// Writes the line. All that is known of the request is in it, and nothing from the span around it: each
    /// field is there once.
    pub(super) fn answered(mut self, answered: Answered) {
        self.is_written = true;
        self.write(Some(answered));
    }

    fn write(&self, answered: Option<Answered>) {
        let elapsed = answered.map_or_else(|| self.started.elapsed(), |answered| answered.elapsed);
        macro_rules! write {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    parent: None,
                    method = self.method,
                    path = self.path,
                    status = answered.map(|answered| answered.status.as_u16()),
                    code = answered.and_then(|answered| answered.code),
                    milliseconds = milliseconds(elapsed),
                    bytes_in = self.tally.body_bytes(),
                    images = self.tally.images(),
                    client = %self.address,
                    request_id = self.id.as_str(),
                    trace_id = self.trace.as_ref().map(|trace| trace.trace_id.as_str()),
                    parent_id = self.trace.as_ref().map(|trace| trace.parent_id.as_str()),
                    $message
                )
            };
        }
        match answered {
            Some(answered) if self.is_probe && answered.is_expected() => {
                write!(debug, "answered");
            }
            Some(_) => write!(info, "answered"),
            None => write!(info, "not answered: the client has gone"),
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if !self.is_written {
            self.write(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_path_is_without_its_query_and_not_endless() {
        let path = |uri: &str| {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            RequestLog::begin(&request, IpAddr::from([0; 4]), false).path.clone()
        };
        assert_eq!(path("/classify?top_k=1"), "/classify");
        assert_eq!(path(&format!("/{}", "a".repeat(1000))).len(), LONGEST_PATH);
    }

    proptest! {
        #[test]
        fn milliseconds_have_three_decimals(micros in 0u64..10_000_000) {
            let text = milliseconds(Duration::from_micros(micros)).to_string();
            prop_assert!(text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 3), "{}", text);
        }
    }
}
