//! WebP (RFC 9649), lossy and lossless; the first frame of an animated one.
//!
//! This module walks the chunks and gives the decoder a file with only those of the first picture, always in the
//! extended format (RFC 9649, 2.7). On the whole file the decoder would read beyond the end that the file states, trust
//! the lengths of metadata, and compare the size of a bitstream with the canvas only after it has decoded it.
//!
//! This is image-webp 0.2.4, whose memory limit is only for metadata, and image 0.25.10 sets none. The walk can go when
//! one limit covers all that it allocates, and sizes are compared before anything is decoded.

mod chunks;
mod prefix_groups;

use std::time::Duration;

use bytes::Bytes;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;

pub(super) use self::chunks::Picture;

use self::chunks::Stream;
use super::embedded::{MOST_PROFILE_BYTES, orientation_of_exif, rgb_profile};
use super::stored::{Checked, Stored};
use super::{DecodeError, Format, raster};

/// Nanoseconds a pixel of a lossy frame.
const LOSSY_NANOSECONDS: u64 = 12;
/// Nanoseconds a byte of a lossy bitstream.
const LOSSY_BYTE_NANOSECONDS: u64 = 60;
/// Nanoseconds a pixel of a lossless frame, or of its alpha.
const LOSSLESS_NANOSECONDS: u64 = 20;
/// Nanoseconds a pixel of the canvas, to make it RGB.
const CANVAS_NANOSECONDS: u64 = 3;
/// Nanoseconds a pixel of the canvas more, to put a frame on it.
const ANIMATION_NANOSECONDS: u64 = 8;

/// Groups of prefix codes; encoders make at most 2,600.
const MOST_GROUPS: u32 = 4096;
/// In a larger picture the groups are not counted when the header is read, which has to be quick, but taken
/// for as many as there may be.
const MOST_COUNTED_PIXELS: u64 = 1 << 26;
/// Of a group: five tables of at most 1,024 entries of four bytes, and what is around them.
const GROUP_BYTES: u64 = 21 << 10;

/// Checks every chunk, and reads size and orientation.
pub(super) fn read_header(file: &Bytes) -> Result<Checked<Picture>, DecodeError> {
    let picture = Picture::read(file)?;
    let (width, height) = picture.canvas;
    let groups = if counts_groups_late(&picture) { MOST_GROUPS } else { prefix_groups(&picture)? };
    let orientation = picture.exif.as_deref().and_then(orientation_of_exif);
    Ok(Checked {
        width,
        height,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        decode_bytes: area(picture.canvas)
            .saturating_mul(if picture.has_alpha { 4 } else { 3 })
            .saturating_add(working_bytes(&picture))
            .saturating_add(u64::from(groups) * GROUP_BYTES)
            .saturating_add(picture.profile.as_ref().map_or(0, |profile| profile.len() as u64)),
        decode_time: decode_time(&picture),
        picture,
    })
}

fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

fn counts_groups_late(picture: &Picture) -> bool {
    area(picture.canvas) > MOST_COUNTED_PIXELS
}

fn decode_time(picture: &Picture) -> Duration {
    let frame = area(picture.frame);
    let stream = match &picture.stream {
        Stream::Lossy(stream) => raster::time(frame, LOSSY_NANOSECONDS)
            .saturating_add(raster::time(stream.len() as u64, LOSSY_BYTE_NANOSECONDS)),
        Stream::Lossless(_) => raster::time(frame, LOSSLESS_NANOSECONDS),
    };
    let alpha = if picture.alpha_plane.is_some() { LOSSLESS_NANOSECONDS } else { 0 };
    let animation = if picture.animation.is_some() { ANIMATION_NANOSECONDS } else { 0 };
    stream
        .saturating_add(raster::time(frame, alpha))
        .saturating_add(raster::time(area(picture.canvas), CANVAS_NANOSECONDS + animation))
}

/// Decodes as stored (the orientation not applied).
pub(super) fn decode(picture: &Picture) -> Result<Stored, DecodeError> {
    if counts_groups_late(picture) {
        prefix_groups(picture)?;
    }
    let decoder = WebPDecoder::new(picture.for_decoder())
        .map_err(|error| DecodeError::from_image(Format::WebP, error))?;
    let samples = raster::run(Format::WebP, decoder, picture.canvas, working_bytes(picture))?;
    let mut stored = raster::to_stored(Format::WebP, samples, picture.canvas)?;
    let profile =
        picture.profile.as_ref().filter(|profile| profile.len() as u64 <= MOST_PROFILE_BYTES);
    stored.colour_profile = profile.and_then(|profile| rgb_profile(profile.to_vec()));
    Ok(stored)
}

/// Groups of prefix codes in the lossless part of the picture.
fn prefix_groups(picture: &Picture) -> Result<u32, DecodeError> {
    let groups = match (&picture.stream, picture.alpha_plane.as_deref()) {
        (Stream::Lossless(body), _) => prefix_groups::count(body.get(5..), picture.frame),
        // Compressed alpha has the same form, without a header.
        (Stream::Lossy(_), Some([info, plane @ ..])) if info & 3 == 1 => {
            prefix_groups::count(Some(plane), picture.frame)
        }
        (Stream::Lossy(_), _) => return Ok(0),
    };
    // Where it is damaged, the decoder finds it damaged before it comes to the groups.
    let groups = groups.unwrap_or(1);
    if groups > MOST_GROUPS {
        let what = "too many prefix codes";
        return Err(DecodeError::TooMany { format: Format::WebP, what, most: MOST_GROUPS.into() });
    }
    Ok(groups)
}

/// What the decoder reserves beside its output.
fn working_bytes(picture: &Picture) -> u64 {
    let frame = area(picture.frame);
    // Macroblocks are of 16 x 16; brightness a byte a pixel, two colour planes of a quarter each.
    let blocks = area((picture.frame.0.next_multiple_of(16), picture.frame.1.next_multiple_of(16)));
    let stream = match &picture.stream {
        // With what is remembered of a block, and copies of the bitstream.
        Stream::Lossy(stream) => {
            (blocks.saturating_mul(7) / 4).saturating_add((stream.len() as u64).saturating_mul(3))
        }
        // Four bytes a pixel, and transforms and codes for blocks of at least 4 x 4.
        Stream::Lossless(_) => frame.saturating_mul(5),
    };
    // Decoded like a lossless frame, then copied.
    let alpha = if picture.alpha_plane.is_some() { frame.saturating_mul(6) } else { 0 };
    // Its own copy of the frame, and the canvas, four bytes a pixel.
    let animation = match picture.animation {
        Some(_) => area(picture.canvas).saturating_add(frame).saturating_mul(4),
        None => 0,
    };
    stream
        .saturating_add(alpha)
        .saturating_add(animation)
        .saturating_add(raster::SMALL_BUFFERS_BYTES)
}
