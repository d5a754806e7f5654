//! An image in base64, as clients write it: RFC 4648 with either alphabet, with or without padding, broken
//! into lines (RFC 2045), or as a data URL (RFC 2397).

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, alphabet::Alphabet};
use bytes::Bytes;

use crate::decode::is_address;

/// Why a text is not an image in base64. The sentence goes on from the name of what it is about.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base64Error {
    /// There is nothing.
    #[error("is empty (0 bytes): send the content of an image file")]
    Empty,
    /// `https://…` and the like.
    #[error(
        "is an address, and addresses are not fetched: send the content of the image file, in base64"
    )]
    Address,
    /// `data:` without `;base64,`.
    #[error(
        "is a data URL whose data is not base64: it must begin as in `data:image/jpeg;base64,`"
    )]
    OtherDataUrl,
    /// A character that base64 does not have. Counted from 0 in the text that was sent.
    #[error("is not base64: there is {character:?} at position {position} of the text")]
    Character {
        /// What is there.
        character: char,
        /// In characters, from 0.
        position: usize,
    },
    /// It ends in the middle.
    #[error("is not base64: the text ends within a group of 4 characters, so it is incomplete")]
    Incomplete,
}

const fn engine(alphabet: &Alphabet) -> GeneralPurpose {
    let padding = DecodePaddingMode::Indifferent;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(padding);
    GeneralPurpose::new(alphabet, config.with_decode_allow_trailing_bits(true))
}

const STANDARD_BASE64: GeneralPurpose = engine(&STANDARD);
const URL_SAFE_BASE64: GeneralPurpose = engine(&URL_SAFE);

/// The bytes that `text` stands for, at least one.
///
/// # Errors
/// [`Base64Error`].
pub fn decode(text: &str) -> Result<Bytes, Base64Error> {
    let trimmed = text.trim_ascii();
    if is_address(trimmed.as_bytes()) {
        return Err(Base64Error::Address);
    }
    let data = data_of(trimmed)?;
    let digits = without_white_space(data);
    let is_url_safe = digits.iter().any(|digit| b"-_".contains(digit))
        && !digits.iter().any(|digit| b"+/".contains(digit));
    let engine = if is_url_safe { URL_SAFE_BASE64 } else { STANDARD_BASE64 };
    let decoded = engine.decode(&*digits);
    match decoded {
        Ok(bytes) if bytes.is_empty() => Err(Base64Error::Empty),
        Ok(bytes) => Ok(bytes.into()),
        Err(DecodeError::InvalidByte(digit, _)) => Err(not_a_digit(text, data, digit)),
        Err(_) => Err(Base64Error::Incomplete),
    }
}

/// What stands behind the head of a data URL, or all of `text`.
fn data_of(text: &str) -> Result<&str, Base64Error> {
    const SCHEME: &str = "data:";
    match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => {}
        _ => return Ok(text),
    }
    let (head, data) = text.split_once(',').ok_or(Base64Error::OtherDataUrl)?;
    let last = head.rsplit(';').next().unwrap_or_default();
    if last.trim_ascii().eq_ignore_ascii_case("base64") {
        Ok(data)
    } else {
        Err(Base64Error::OtherDataUrl)
    }
}

fn without_white_space(data: &str) -> Cow<'_, [u8]> {
    let bytes = data.as_bytes();
    let Some(first) = bytes.iter().position(u8::is_ascii_whitespace) else {
        return Cow::Borrowed(bytes);
    };
    let mut digits = Vec::with_capacity(bytes.len());
    digits.extend_from_slice(&bytes[..first]);
    digits.extend(bytes[first..].iter().filter(|byte| !byte.is_ascii_whitespace()));
    Cow::Owned(digits)
}

/// `data` is a part of `text`; its `digit`-th byte that is not white space is no digit of base64.
fn not_a_digit(text: &str, data: &str, digit: usize) -> Base64Error {
    let begin = data.as_ptr().addr() - text.as_ptr().addr();
    let mut digits = data.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace());
    let Some((offset, _)) = digits.nth(digit) else { return Base64Error::Incomplete };
    // All before it are digits or white space, of one byte each; so it begins a character.
    let Some(character) = data.get(offset..).and_then(|rest| rest.chars().next()) else {
        return Base64Error::Incomplete;
    };
    let position = text[..begin].chars().count() + offset;
    match character {
        '=' => Base64Error::Incomplete,
        _ => Base64Error::Character { character, position },
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, length: usize, end: &str) -> String {
        let lines = text.as_bytes().chunks(length).map(|line| std::str::from_utf8(line).unwrap());
        lines.map(|line| format!("{line}{end}")).collect()
    }

    proptest! {
        #[test]
        fn base64_is_taken_as_clients_write_it(bytes in prop::collection::vec(any::<u8>(), 1..400)) {
            let text = BASE64_STANDARD.encode(&bytes);
            let url = format!("data:image/jpeg;base64,{text}");
            for written in [
                text.clone(),
                text.trim_end_matches('=').to_owned(),
                BASE64_URL_SAFE_NO_PAD.encode(&bytes),
                lines(&text, 76, "\n"),
                lines(&text, 64, "\r\n"),
                lines(&text, 1, " \t"),
                format!(" \n{text}\n"),
                url.clone(),
                format!("DATA:IMAGE/JPEG;BASE64,{text}"),
                format!("data:image/jpeg;charset=utf-8;base64,\n{}", lines(&text, 76, "\n")),
                format!("\n{url} "),
                format!("data:;base64,{text}"),
            ] {
                let decoded = decode(&written);
                prop_assert_eq!(decoded.as_deref(), Ok(&bytes[..]), "{}", written);
            }
        }

        #[test]
        fn what_is_wrong_is_found_where_it_was_sent(
            bytes in prop::collection::vec(any::<u8>(), 30..200),
            place in any::<prop::sample::Index>(),
            character in prop::sample::select(vec!['?', '\u{e9}', '\u{0}', '%', ':', '"']),
            head in prop::sample::select(vec!["", "  ", "data:image/png;base64,", "\nDATA:;BASE64, "]),
        ) {
            let mut text = format!("{head}{}", lines(&BASE64_STANDARD.encode(&bytes), 76, "\r\n"));
            let position = head.len() + place.index(30);
            text.insert(position, character);
            prop_assert_eq!(decode(&text), Err(Base64Error::Character { character, position }));
        }

        #[test]
        fn no_text_panics(text in "\\PC*", digits in "[A-Za-z0-9+/=_ \n-]*") {
            let _ = (decode(&text), decode(&digits), decode(&format!("data:{text}")));
        }
    }

    #[test]
    fn what_is_not_base64_is_named() {
        for address in
            ["https://example.org/a.jpg", "HTTP://x", " s3://bucket/key", "blob:http://x/1"]
        {
            assert_eq!(decode(address), Err(Base64Error::Address), "{address}");
        }
        for empty in ["", " \n", "data:image/png;base64,", "data:;base64, ", "===="] {
            assert!(
                matches!(decode(empty), Err(Base64Error::Empty | Base64Error::Incomplete)),
                "{empty}"
            );
        }
        for other in ["data:image/png,abcd", "data:", "Data:text/plain;base6,aaaa"] {
            assert_eq!(decode(other), Err(Base64Error::OtherDataUrl), "{other}");
        }
        for incomplete in ["AAAAA", "AA=A", "A", "A==="] {
            assert_eq!(decode(incomplete), Err(Base64Error::Incomplete), "{incomplete}");
        }
    }
}
