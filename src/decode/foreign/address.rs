//! A URL in place of the image that it leads to.

/// Whether `content` is a URL (`scheme://…`, RFC 3986) in place of what it leads to.
pub fn is_address(content: &[u8]) -> bool {
    const LONGEST_SCHEME: usize = 16;
    let begin = &content[..content.len().min(LONGEST_SCHEME + 3)];
    let Some(scheme) = begin.windows(3).position(|three| three == b"://") else { return false };
    let (scheme, is_letter) = (&begin[..scheme], |byte: &u8| byte.is_ascii_alphabetic());
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.:".contains(byte);
    scheme.first().is_some_and(is_letter) && scheme.iter().all(in_scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme() {
        for address in [&b"https://example.org/a.jpg"[..], b"s3://bucket/key", b"blob:http://x/1"] {
            assert!(is_address(address));
        }
        for other in [&b"photo.jpg"[..], b"://x", b"\xff\xd8://", b"1a://x", b""] {
            assert!(!is_address(other));
        }
    }
}
