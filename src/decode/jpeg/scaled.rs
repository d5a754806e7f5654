//! Large JPEGs at a reduced scale: fewer coefficients of each block are transformed back, so that most
//! of the work, and of the memory, of a photo that is going to be shrunk anyway falls away.
//!
//! This is a shortcut, never a judge: at the first warning the file is left to the decoder of full scale,
//! which says what is wrong with it, or decodes it.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use image::RgbImage;
use mozjpeg::decompress::DecompressBuilder;
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr};

use super::Frame;

/// The decoder's scales are in eighths; at larger ones the decoder of full scale is as fast.
const LARGEST_SCALE: usize = 2;

/// Decodes at the smallest scale that leaves enough pixels on the shorter side; none where that is too
/// large a scale to save time, or the decoder has something to say.
pub(super) fn decode(bytes: &[u8], frame: &Frame, at_least: usize) -> Option<RgbImage> {
    let shorter = usize::from(frame.width.min(frame.height));
    let scale = (1..=LARGEST_SCALE).find(|scale| shorter * scale / 8 >= at_least)?;
    // Each scan is a pass over the whole picture: the other decoder bounds their number.
    let usual = !frame.progressive
        && !frame.several_scans
        && frame.adobe_transform_at.is_none()
        && matches!(frame.sampling.len(), 1 | 3);
    if !usual {
        return None;
    }
    // The decoder reports by unwinding.
    catch_unwind(AssertUnwindSafe(|| decode_scaled(bytes, frame, scale))).unwrap_or_default()
}

fn decode_scaled(bytes: &[u8], frame: &Frame, scale: usize) -> Option<RgbImage> {
    let mut decoder = DecompressBuilder::new().with_err(unwinding()).from_mem(bytes).ok()?;
    if decoder.size() != (frame.width.into(), frame.height.into()) {
        return None;
    }
    // At most LARGEST_SCALE.
    decoder.scale(scale as u8);
    let mut rows = decoder.rgb().ok()?;
    let (width, height) = (u32::try_from(rows.width()).ok()?, u32::try_from(rows.height()).ok()?);
    let samples = rows.read_scanlines::<u8>().ok()?;
    rows.finish().ok()?;
    (samples.len() as u64 == 3 * u64::from(width) * u64::from(height))
        .then(|| RgbImage::from_raw(width, height, samples))
        .flatten()
}

/// Ends at errors and at warnings; writes nothing.
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
    unwind();
}

/// Level -1 is a warning; the others are traces.
extern "C-unwind" fn emit_message(_: &mut jpeg_common_struct, level: c_int) {
    if level < 0 {
        unwind();
    }
}

extern "C-unwind" fn ignore(_: &mut jpeg_common_struct) {}

fn unwind() {
    let nothing: Box<dyn Any + Send> = Box::new(());
    // No panic: nobody is told but `decode`.
    resume_unwind(nothing);
}
