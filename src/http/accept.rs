//! Which of the forms of an answer a client would rather have, by its header `Accept`.

use std::cmp::Reverse;

use axum::http::{HeaderMap, header};

/// Whether `text/plain` is wanted more than JSON.
pub(super) fn prefers_text(headers: &HeaderMap) -> bool {
    let json = preference(headers, ["application/json", "application/*", "*/*"]);
    preference(headers, ["text/plain", "text/*", "*/*"]) > json
}

/// Whether HTML is wanted by name, as browsers do, and not less than JSON.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let weight = |ranges| preference(headers, ranges).map(|(weight, ..)| weight);
    let json = weight(["application/json", "application/*", "application/*"]);
    let html = weight(["text/html", "text/html", "text/html"]);
    html.is_some() && html >= json
}

/// What `Accept` says of a media type, whose ranges are given from the narrowest on (RFC 9110, section 12.5.1): its
/// weight, then how narrow the range is that has it, then how early it stands. None if it is not wanted.
fn preference(
    headers: &HeaderMap,
    ranges: [&str; 3],
) -> Option<(f32, Reverse<usize>, Reverse<usize>)> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accepted: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    let weight = |place: usize, range: &str| {
        let mut parts = accepted[place].split(';').map(str::trim);
        let is_it = parts.next()?.eq_ignore_ascii_case(range);
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        is_it.then(|| weight.unwrap_or(1.0))
    };
    let of_range = |(wider, range): (usize, &str)| {
        let mut places = 0..accepted.len();
        places.find_map(|at| Some((weight(at, range)?, Reverse(wider), Reverse(at))))
    };
    ranges.into_iter().enumerate().find_map(of_range).filter(|(weight, ..)| *weight > 0.0)
}
