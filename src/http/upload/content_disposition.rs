//! The head of a part of a form: its name, and whether it is a file (RFC 7578, section 4.2).

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// What `Content-Disposition` and `Content-Type` say of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    /// `None` if it has no name.
    pub(super) name: Option<String>,
    /// `None` if it is no file: a file has a file name, or a media type that is not text.
    pub(super) file: Option<FilePart>,
}

/// A part that is a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilePart {
    /// It has a file name.
    Named,
    /// It has no file name, but a media type that is not text. Some clients give one to a number.
    Typed,
    /// Its file name is empty. With 0 bytes it is what a browser sends for a file that was not chosen.
    Unnamed,
}

impl PartHead {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_DISPOSITION);
        let value = value.map_or(Cow::Borrowed(""), |v| String::from_utf8_lossy(v.as_bytes()));
        let mut head = Self::default();
        let mut file_name: Option<String> = None;
        for (key, value) in Parameters::of(&value) {
            match (key.to_ascii_lowercase().as_str(), extended(&value)) {
                ("name", _) => {
                    head.name.get_or_insert(value);
                }
                // Not allowed in forms, but there are clients that send it; it is the better one then.
                ("name*", Some(name)) => head.name = Some(name),
                ("filename" | "filename*", _) => file_name = file_name.max(Some(value)),
                _ => {}
            }
        }
        head.file = match file_name {
            Some(name) if name.is_empty() => Some(FilePart::Unnamed),
            Some(_) => Some(FilePart::Named),
            None => has_file_type(headers).then_some(FilePart::Typed),
        };
        head
    }
}

/// Text is a field's value, whatever it says of itself beyond that.
fn has_file_type(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii());
    value.is_some_and(|value| {
        value.get(..5).is_none_or(|begin| !begin.eq_ignore_ascii_case(b"text/"))
            && !value.is_empty()
    })
}

/// The value of a parameter whose name ends with a star: `UTF-8''caf%C3%A9` (RFC 8187). `None` if it is in
/// another charset, or not in this form.
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(encoded).decode_utf8().ok().map(Cow::into_owned)
}

/// The boundary that a form's Content-Type names, also unquoted with characters that have to be quoted.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let is_it = |(key, _): &(&str, String)| key.eq_ignore_ascii_case("boundary");
    Parameters::of(content_type)
        .find(is_it)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

/// The parameters of a header's value, in order: those behind the first semicolon.
struct Parameters<'a> {
    rest: &'a str,
}

impl<'a> Parameters<'a> {
    fn of(value: &'a str) -> Self {
        Self { rest: value.split_once(';').map_or("", |(_, parameters)| parameters) }
    }

    /// A quoted string, its quotes passed over. Only quotes and backslashes are escaped: clients write the
    /// backslashes of a path as they are.
    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match (character, characters.peek()) {
                ('"', _) => {
                    self.rest = &self.rest[at + 1..];
                    return value;
                }
                ('\\', Some(&(_, escaped @ ('"' | '\\')))) => {
                    value.push(escaped);
                    characters.next();
                }
                _ => value.push(character),
            }
        }
        self.rest = "";
        value
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches([' ', '\t', ';']);
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find(['=', ';']).unwrap_or(self.rest.len());
        let (key, rest) = self.rest.split_at(end);
        let Some(rest) = rest.strip_prefix('=') else {
            self.rest = rest;
            return Some((key.trim(), String::new()));
        };
        self.rest = rest.trim_start();
        let value = if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            self.quoted()
        } else {
            let end = self.rest.find(';').unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            value.trim().to_owned()
        };
        Some((key.trim(), value))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn head(disposition: &str, content_type: &str) -> PartHead {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(disposition.as_bytes()).unwrap();
        headers.insert(header::CONTENT_DISPOSITION, value);
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        PartHead::of(&headers)
    }

    fn name(disposition: &str) -> Option<String> {
        head(disposition, "").name
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for written in [
            "form-data; name=\"image\"",
            "form-data; name=image",
            "form-data;name=image",
            "form-data; NAME = \"image\" ; x=y",
            "form-data; filename=\"name=x.jpg\"; name=\"image\"",
            "form-data; filename=\"a; name=\\\"b\\\".jpg\"; name=\"image\"",
            "form-data; filename=\"C:\\photos\\; name=q\"; name=image",
            "form-data; filename*=UTF-8''name%3Dx; name=image",
            "form-data; name*=UTF-8''image",
            "form-data; name=other; name*=utf-8'en'im%61ge",
            "attachment; name=image",
        ] {
            assert_eq!(name(written).as_deref(), Some("image"), "{written}");
        }
        assert_eq!(name("form-data; name=\"caf\u{e9}\"").as_deref(), Some("caf\u{e9}"));
        assert_eq!(name("form-data; name=\"a\\\"b\\\\c\"").as_deref(), Some("a\"b\\c"));
        for nameless in
            ["form-data", "form-data; filename=\"name.jpg\"", "form-data; name*=latin1''a", ""]
        {
            assert_eq!(name(nameless), None, "{nameless}");
        }
    }

    #[test]
    fn a_file_has_a_file_name_or_a_type() {
        let file = |disposition, content_type| head(disposition, content_type).file;
        assert_eq!(file("form-data; name=a", ""), None);
        assert_eq!(file("form-data; name=a", "text/plain; charset=utf-8"), None);
        assert_eq!(file("form-data; name=a", "image/jpeg"), Some(FilePart::Typed));
        assert_eq!(file("form-data; name=a; filename=x", "text/plain"), Some(FilePart::Named));
        assert_eq!(file("form-data; name=a; filename*=UTF-8''x", ""), Some(FilePart::Named));
        assert_eq!(file("form-data; name=a; filename=\"\"", "image/png"), Some(FilePart::Unnamed));
        assert_eq!(file("form-data; name=a; filename=", ""), Some(FilePart::Unnamed));
        assert_eq!(file("form-data; filename=\"\"; filename*=UTF-8''x", ""), Some(FilePart::Named));
    }

    #[test]
    fn boundaries_are_found_however_they_are_written() {
        for (written, expected) in [
            ("multipart/form-data; boundary=xyz", "xyz"),
            ("multipart/form-data; charset=utf-8; boundary=\"a b\"", "a b"),
            ("multipart/form-data; boundary================4273==", "===============4273=="),
            ("multipart/form-data; boundary=----=_Part_1_123.456", "----=_Part_1_123.456"),
            ("multipart/form-data ; ; Boundary = a(b,c/d:e?f ", "a(b,c/d:e?f"),
        ] {
            assert_eq!(boundary(written).as_deref(), Some(expected), "{written}");
        }
        for none in ["multipart/form-data", "multipart/form-data; boundary=", "boundary=x"] {
            assert_eq!(boundary(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_name_comes_back(text in "[^\\\\\"\\pC]*", file in "\\PC*") {
            let file = file.replace('\\', "\\\\").replace('"', "\\\"");
            let written = format!("form-data; filename=\"{file}\"; name=\"{text}\"");
            prop_assert_eq!(name(&written), Some(text));
        }
    }
}
