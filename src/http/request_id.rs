//! `X-Request-Id`: the client's, if it sent a sane one, else our own.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};

/// 1 to 128 visible ASCII characters without quotes and backslashes: safe in a header, in a log
/// line and in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    const LONGEST: usize = 128;

    /// The client's id if it is sane, else a new one.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| Self::is_sane(id))
            .map_or_else(Self::generate, |id| Self(id.to_owned()))
    }

    fn is_sane(id: &str) -> bool {
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>');
        (1..=Self::LONGEST).contains(&id.len()) && id.bytes().all(plain)
    }

    /// Unique in this process by its counter, and between processes by a random part.
    fn generate() -> Self {
        static RANDOM: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:016x}-{:08x}", *RANDOM, COUNTER.fetch_add(1, Ordering::Relaxed)))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("visible ASCII, by construction")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_bytes(value).unwrap());
        RequestId::from_headers(&headers)
    }

    #[test]
    fn keeps_a_sane_id_and_replaces_others() {
        assert_eq!(of(b"abc-123_./=").as_str(), "abc-123_./=");
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff\xfe", &[b'x'; 129]] {
            let id = of(bad);
            assert!(RequestId::is_sane(id.as_str()), "{id:?}");
            assert_ne!(id.as_str().as_bytes(), bad);
        }
        assert_ne!(RequestId::generate(), RequestId::generate());
    }
}
