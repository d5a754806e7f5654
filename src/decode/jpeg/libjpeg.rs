//! JPEG by libjpeg: every layout, at any scale, and files that end too early or have wrong bytes in
//! them, of which it says that something is wrong.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use image::RgbImage;
use mozjpeg::ColorSpace;
use mozjpeg::decompress::DecompressBuilder;
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr};

use super::frame::Frame;
use crate::decode::rgb;
use crate::decode::spliced::Spliced;

/// Full scale, in the eighths that the decoder's scales are counted in.
pub(super) const FULL_SCALE: u8 = 8;

const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

thread_local! {
    /// Warnings of the decoder that runs on this thread: it hands its callbacks nothing of ours.
    static WARNINGS: Cell<usize> = const { Cell::new(0) };
}

/// What the decoder made of a file.
pub(super) struct Picture {
    pub(super) pixels: RgbImage,
    /// How often it found something wrong and went on.
    pub(super) warnings: usize,
}

/// Decodes at `scale` eighths, 1..=8; none when the decoder gives up.
pub(super) fn decode(bytes: &[u8], frame: &Frame, scale: u8) -> Option<Picture> {
    WARNINGS.set(0);
    let mut file = Spliced::default();
    file.push(&bytes[..frame.end]);
    if !frame.has_end {
        file.push(&END_OF_IMAGE[..]);
    }
    // The decoder reports errors by unwinding.
    let pixels = catch_unwind(AssertUnwindSafe(|| read(file, frame, scale))).ok().flatten()?;
    Some(Picture { pixels, warnings: WARNINGS.get() })
}

fn read(file: Spliced<'_>, frame: &Frame, scale: u8) -> Option<RgbImage> {
    let mut decoder = DecompressBuilder::new().with_err(unwinding()).from_reader(file).ok()?;
    if decoder.size() != (frame.width.into(), frame.height.into()) {
        return None;
    }
    decoder.scale(scale);
    let four = frame.components.len() == 4;
    let colours = if four { ColorSpace::JCS_CMYK } else { ColorSpace::JCS_RGB };
    let mut rows = decoder.to_colorspace(colours).ok()?;
    let (width, height) = (u32::try_from(rows.width()).ok()?, u32::try_from(rows.height()).ok()?);
    let samples = rows.read_scanlines::<u8>().ok()?;
    rows.finish().ok()?;
    let channels = if four { 4 } else { 3 };
    if samples.len() as u64 != channels * u64::from(width) * u64::from(height) {
        return None;
    }
    if four {
        // Adobe's programs, which mark their files, store the inverse.
        let inverted = frame.adobe_transform.is_some();
        return rgb::cmyk_to_rgb(width, height, samples, inverted);
    }
    RgbImage::from_raw(width, height, samples)
}

/// Ends at errors, counts warnings, writes nothing.
fn unwinding() -> jpeg_error_mgr {
    jpeg_error_mgr {
        error_exit: Some(error_exit),
        emit_message: Some(emit_message),
        output_message: Some(ignore),
        format_message: None,
        reset_error_mgr: Some(ignore),
        msg_code: 0,
        msg_parm: Default::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

extern "C-unwind" fn error_exit(_: &mut jpeg_common_struct) {
    let nothing: Box<dyn Any + Send> = Box::new(());
    // Not a panic: nobody hears of it but `decode`.
    resume_unwind(nothing);
}

/// Level -1 is a warning; the others are traces.
extern "C-unwind" fn emit_message(_: &mut jpeg_common_struct, level: c_int) {
    if level < 0 {
        WARNINGS.set(WARNINGS.get() + 1);
    }
}

extern "C-unwind" fn ignore(_: &mut jpeg_common_struct) {}
