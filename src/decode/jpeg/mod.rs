//! JPEG to RGB.
//!
//! By libjpeg, large photos at a reduced scale. A file that ends before its picture does is decoded as browsers do: the
//! missing part is filled in, and the answer says so. Bytes behind the end-of-image marker, which phones append, are
//! ignored.

mod frame;
mod libjpeg;
mod markers;
mod profile;

use bytes::Bytes;

use super::stored::{Checked, Stored, Warning};
use super::{DecodeError, Format};
use frame::Frame;
use libjpeg::Picture;
use markers::read_frame;

/// At larger scales, in eighths, decoding saves little.
const LARGEST_REDUCED_SCALE: u8 = 2;

/// A file and what its segments say.
#[derive(Debug)]
pub(super) struct Photo {
    file: Bytes,
    frame: Frame,
}

impl Photo {
    /// Whether a reduced scale saves most of the time.
    pub(super) fn is_faster_reduced(&self) -> bool {
        self.frame.is_one_scan()
    }

    /// The reduced scale, in eighths, at which [`decode`] leaves `at_least` pixels on the shorter side, if it does.
    pub(super) fn scale(&self, at_least: usize) -> Option<u8> {
        reduced_scale(&self.frame, at_least)
    }
}

/// Reads the file's segments.
pub(super) fn read_header(file: &Bytes) -> Result<Checked<Photo>, DecodeError> {
    let frame = read_frame(file)?;
    frame.check()?;
    Ok(Checked {
        width: frame.width.into(),
        height: frame.height.into(),
        orientation: frame.orientation,
        decode_bytes: frame.decode_bytes(),
        decode_time: frame.decode_time(),
        picture: Photo { file: file.clone(), frame },
    })
}

/// Decodes as stored (the orientation not applied): a large photo at a reduced scale that leaves at least
/// `at_least` pixels on the shorter side, any other at full scale.
pub(super) fn decode(
    Photo { file, frame }: &Photo,
    at_least: usize,
) -> Result<Stored, DecodeError> {
    let scale = reduced_scale(frame, at_least).unwrap_or(libjpeg::FULL_SCALE);
    let picture = libjpeg::decode(file, frame, scale)
        .ok_or_else(|| DecodeError::corrupt(Format::Jpeg, "its compressed data cannot be read"))?;
    let warnings = warnings(frame, &picture);
    Ok(Stored { pixels: picture.pixels, colour_profile: profile::collect(file, frame), warnings })
}

/// The smallest scale, in eighths, that leaves enough pixels; none where it would save little.
fn reduced_scale(frame: &Frame, at_least: usize) -> Option<u8> {
    let shorter = usize::from(frame.width.min(frame.height));
    let enough = |scale: &u8| shorter * usize::from(*scale) / 8 >= at_least;
    (1..=LARGEST_REDUCED_SCALE).find(enough)
}

/// What the decoder's warnings mean: that its data ran out, or, when stray bytes do not explain them, that
/// some are wrong.
fn warnings(frame: &Frame, picture: &Picture) -> Vec<Warning> {
    let truncated = frame.is_cut() || picture.ran_out;
    let unexplained = picture.warnings > frame.strays && !truncated;
    let found =
        [(truncated, Warning::Truncated), (frame.strays > 0 || unexplained, Warning::Damaged)];
    found.into_iter().filter_map(|(is, warning)| is.then_some(warning)).collect()
}
