//! Text in place of an image: SVG, web pages, JSON, base64, or just text.

use super::address::is_address;

/// How much of the beginning is looked at, in bytes.
const LOOKED_AT_BYTES: usize = 4096;

/// Fewest characters by which base64 is told from words.
const BASE64_CHARACTERS: usize = 24;

const BASE64: &str = "an image as base64 text, which has to be decoded first (or sent within JSON)";

/// What the text is; `None` for what is no text.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    let begin = &bytes[..bytes.len().min(LOOKED_AT_BYTES)];
    if begin.starts_with(b"\xff\xfe") || begin.starts_with(b"\xfe\xff") {
        return Some("UTF-16 text, not an image");
    }
    let text = text_of(begin)?.trim_ascii_start();
    Some(match text.as_bytes().first()? {
        b'<' => of_markup(text),
        b'{' | b'[' => "JSON, not an image",
        _ if starts_with(text, "data:") => {
            "a data URL, which has to be decoded first (or sent within JSON)"
        }
        _ if is_base64_of_image(text) => BASE64,
        _ if is_address(text.as_bytes()) => "an address, and addresses are not fetched",
        _ => "plain text, not an image",
    })
}

/// The longest beginning that is UTF-8 without control characters, if that is all but a character
/// which the end cuts through.
fn text_of(begin: &[u8]) -> Option<&str> {
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let text = match str::from_utf8(begin) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(begin.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
    (!text.contains(is_control)).then_some(text)
}

fn of_markup(text: &str) -> &'static str {
    let lower = text.to_ascii_lowercase();
    // The root element: behind a prolog, a document type and comments, which may name others.
    let mut rest = lower.as_str();
    loop {
        let end = match () {
            () if rest.starts_with("<!--") => "-->",
            () if rest.starts_with("<?") => "?>",
            () if rest.starts_with("<!doctype svg") => return "SVG",
            () if rest.starts_with("<!doctype html") => return "an HTML page",
            () if rest.starts_with("<!") => ">",
            () => break,
        };
        let Some((_, behind)) = rest.split_once(end) else {
            break;
        };
        rest = behind.trim_ascii_start();
    }
    match rest.strip_prefix('<').unwrap_or_default() {
        root if root.starts_with("svg") => "SVG",
        root if ["html", "head", "body"].iter().any(|name| root.starts_with(name)) => {
            "an HTML page"
        }
        // `<prefix:svg xmlns:prefix="...">`
        root if root.split([' ', '>', '\n']).next().is_some_and(|name| name.ends_with(":svg")) => {
            "SVG"
        }
        _ => "XML, not an image",
    }
}

/// Whether the text decodes to the signature of an image.
fn is_base64_of_image(text: &str) -> bool {
    const SIGNATURES: [&str; 7] =
        ["/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "Qk"];
    let mut begin = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    SIGNATURES.iter().any(|signature| text.starts_with(signature))
        && text.len() >= BASE64_CHARACTERS
        && !text.trim_ascii_end().contains(' ')
        && begin.all(is_base64)
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn svg_is_found_behind_whatever_may_precede_it() {
        for text in [
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "\u{feff}<?xml version=\"1.0\"?>\n<svg>",
            "<?xml version=\"1.0\"?><!-- <html> --><!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\"",
            "  <!-- drawn by hand -->\n<SVG>",
            "<s:svg xmlns:s=\"http://www.w3.org/2000/svg\">",
        ] {
            assert_eq!(name(text.as_bytes()), Some("SVG"), "{text}");
        }
    }

    #[test]
    fn other_text_is_told_apart() {
        for (text, expected) in [
            ("<!DOCTYPE html><html>", "an HTML page"),
            ("<html lang=\"en\">", "an HTML page"),
            ("<?xml version=\"1.0\"?><error/>", "XML, not an image"),
            ("<", "XML, not an image"),
            ("{\"image\": \"\"}", "JSON, not an image"),
            ("  [1, 2]", "JSON, not an image"),
            ("hello", "plain text, not an image"),
            ("/9j/ is how JPEG begins in base64", "plain text, not an image"),
            ("https://example.com/cat.jpg", "an address, and addresses are not fetched"),
            ("iVBORw0KGgoAAAANSUhEUgAA\nAAEAAAABCAYAAAAfFcSJ", BASE64),
            ("/9j/4AAQSkZJRgABAQAAAQABAAD=", BASE64),
        ] {
            assert_eq!(name(text.as_bytes()), Some(expected), "{text}");
        }
        assert!(name(b"data:image/png;base64,iVBORw0KGgo=").unwrap().contains("data URL"));
        assert!(name(b"\xff\xfe<\0s\0").unwrap().contains("UTF-16"));
    }

    #[test]
    fn what_is_no_text_has_no_name() {
        assert_eq!(name(b""), None);
        assert_eq!(name(b"   "), None);
        assert_eq!(name(b"abc\0def"), None);
        assert_eq!(name(b"abc\xffdef"), None);
        let long = "ä".repeat(LOOKED_AT_BYTES);
        assert_eq!(name(&long.as_bytes()[..LOOKED_AT_BYTES + 9]), Some("plain text, not an image"));
        assert_eq!(name(&["x", &long].concat().into_bytes()), Some("plain text, not an image"));
    }
}
