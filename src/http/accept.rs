//! What a client would rather have, by its header `Accept` (RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use axum::http::{HeaderMap, header};

/// Ranges of media types that hold one media type, from the narrowest on.
pub(super) type Ranges = [&'static str; 3];

/// JSON, which all routes have.
const JSON: Ranges = ["application/json", "application/*", "*/*"];

/// A picture.
pub(super) const PNG: Ranges = ["image/png", "image/*", "*/*"];

/// Whether the client would rather have what `ranges` hold than JSON.
pub(super) fn prefers(headers: &HeaderMap, ranges: Ranges) -> bool {
    preference(headers, ranges) > preference(headers, JSON)
}

/// What `Accept` says of a media type: its weight, then how narrow the range is that has it, then how early it stands.
/// None if it is not wanted.
fn preference(
    headers: &HeaderMap,
    ranges: Ranges,
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
