//! `traceparent` (W3C Trace Context, level 1): the ids that a log line carries, so that it is found
//! from the trace of the caller.

use axum::http::HeaderMap;

/// The caller's ids, in lowercase hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// 32 digits, not all zero.
    pub trace_id: String,
    /// 16 digits, not all zero.
    pub parent_id: String,
}

impl TraceParent {
    /// `None` when the header is missing or malformed: the standard says to ignore it then.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("traceparent")?.to_str().ok()?;
        let mut fields = value.split('-');
        let version = hex(fields.next()?, 2).filter(|version| *version != "ff")?;
        let trace_id = hex(fields.next()?, 32).filter(|id| id.bytes().any(|b| b != b'0'))?;
        let parent_id = hex(fields.next()?, 16).filter(|id| id.bytes().any(|b| b != b'0'))?;
        hex(fields.next()?, 2)?;
        if version == "00" && fields.next().is_some() {
            return None;
        }
        Some(Self { trace_id: trace_id.into(), parent_id: parent_id.into() })
    }
}

fn hex(field: &str, digits: usize) -> Option<&str> {
    let lowercase = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (field.len() == digits && field.bytes().all(lowercase)).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Option<TraceParent> {
        let headers =
            HeaderMap::from_iter([("traceparent".parse().unwrap(), value.parse().unwrap())]);
        TraceParent::from_headers(&headers)
    }

    #[test]
    fn takes_what_the_standard_allows() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = "00f067aa0ba902b7";
        let expected = TraceParent { trace_id: id.into(), parent_id: parent.into() };
        assert_eq!(parse(&format!("00-{id}-{parent}-01")).as_ref(), Some(&expected));
        assert_eq!(parse(&format!("01-{id}-{parent}-01-more")).as_ref(), Some(&expected));
        for bad in [
            "".to_owned(),
            format!("00-{id}-{parent}"),
            format!("00-{id}-{parent}-01-more"),
            format!("ff-{id}-{parent}-01"),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{}-{parent}-01", id.to_uppercase()),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }
}
