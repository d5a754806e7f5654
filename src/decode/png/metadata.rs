//! Orientation and colour profile of a PNG file, each read under a limit of its own.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::super::embedded::{orientation_of_exif, rgb_profile};
use super::chunks::{Colour, Picture, Text};

pub(super) use super::super::embedded::MOST_PROFILE_BYTES;

/// Of a text with EXIF in hexadecimal digits; the EXIF is half as much.
const MOST_TEXT_BYTES: u64 = 256 << 10;

/// As the eXIf chunk says or, where there is none, the text in which ImageMagick keeps EXIF.
pub(super) fn orientation(picture: &Picture) -> Orientation {
    let orientation = match (&picture.exif, &picture.raw_exif) {
        (Some(exif), _) => orientation_of_exif(exif),
        (None, Some(text)) => plain(text).and_then(|text| orientation_of_exif(&from_hex(&text)?)),
        (None, None) => None,
    };
    orientation.unwrap_or(Orientation::NoTransforms)
}

/// The profile of iCCP (ISO/IEC 15948, 11.3.2.3): a name, a zero, the method (0), deflated bytes.
pub(super) fn profile(picture: &Picture) -> Option<Vec<u8>> {
    if !matches!(picture.header.colour, Colour::Rgb | Colour::Palette | Colour::Rgba) {
        return None;
    }
    let [0, deflated @ ..] = behind_zero(picture.profile.as_ref()?)? else {
        return None;
    };
    rgb_profile(inflate(deflated, MOST_PROFILE_BYTES)?)
}

/// The text itself, inflated if need be (11.3.3.2 to 11.3.3.4).
fn plain(text: &Text) -> Option<Cow<'_, [u8]>> {
    let (is_deflated, body) = match (&text.kind, &text.body[..]) {
        (b"tEXt", body) => (false, body),
        (b"zTXt", [0, body @ ..]) => (true, body),
        // Behind the method: a language and the keyword in it, each with a zero.
        (b"iTXt", [flag @ (0 | 1), 0, body @ ..]) => (*flag == 1, behind_zero(behind_zero(body)?)?),
        _ => return None,
    };
    if is_deflated {
        return inflate(body, MOST_TEXT_BYTES).map(Cow::Owned);
    }
    (body.len() as u64 <= MOST_TEXT_BYTES).then_some(Cow::Borrowed(body))
}

/// EXIF behind two lines, its name and its length, digits and white space.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.trim_ascii_start().splitn(3, |byte| *byte == b'\n');
    let (_name, length, digits) = (lines.next()?, lines.next()?, lines.next()?);
    let length: usize = str::from_utf8(length.trim_ascii()).ok()?.parse().ok()?;
    let mut digits = digits
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map_while(|byte| char::from(*byte).to_digit(16));
    let byte = |high: u32, low: u32| u8::try_from(high << 4 | low).ok();
    let pairs = std::iter::from_fn(|| byte(digits.next()?, digits.next()?));
    Some(pairs.take(length).collect())
}

fn behind_zero(bytes: &[u8]) -> Option<&[u8]> {
    let zero = bytes.iter().position(|byte| *byte == 0)?;
    bytes.get(zero + 1..)
}

/// `None` for what is no zlib stream, or inflates to more than `most` bytes.
///
/// Inflates twice: a buffer that grows would take three times the length at its peak.
fn inflate(deflated: &[u8], most: u64) -> Option<Vec<u8>> {
    let length = io::copy(&mut ZlibDecoder::new(deflated).take(most + 1), &mut io::sink()).ok()?;
    let mut bytes = vec![0; usize::try_from(length).ok().filter(|_| length <= most)?];
    ZlibDecoder::new(deflated).read_exact(&mut bytes).ok()?;
    Some(bytes)
}
