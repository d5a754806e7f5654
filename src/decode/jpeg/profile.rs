//! The ICC profile of a JPEG, out of its segments (ICC.1:2022, B.4).

use super::frame::Frame;

/// Puts the parts together; none when one is missing, or where the picture has no RGB profile.
pub(super) fn collect(bytes: &[u8], frame: &Frame) -> Option<Vec<u8>> {
    if frame.components.len() != 3 {
        return None;
    }
    // Each part begins with its number, from 1, and how many there are.
    let mut parts: Vec<(u8, &[u8])> = Vec::new();
    for range in &frame.profile {
        let [number, count, part @ ..] = bytes.get(range.clone())? else { return None };
        if usize::from(*count) != frame.profile.len() {
            return None;
        }
        parts.push((*number, part));
    }
    parts.sort_by_key(|(number, _)| *number);
    let complete =
        parts.iter().zip(1..).all(|((number, _), expected)| u16::from(*number) == expected);
    (complete && !parts.is_empty())
        .then(|| parts.iter().flat_map(|(_, part)| *part).copied().collect())
}
