//! JPEG by libjpeg: every layout, at any scale, and files that end too early or contain wrong bytes, which it reports.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_int;
use std::io::{self, BufRead, Read};
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

/// Pieces in which the decoder gets a file when it is to say what is wrong, and where.
const PIECE_BYTES: usize = 512;

thread_local! {
    /// The decoder that runs on this thread: it hands its callbacks nothing of ours.
    static RUN: Cell<Run> = const { Cell::new(Run::new(0)) };
}

/// How far a decoder has come, and what it had to say.
#[derive(Clone, Copy)]
struct Run {
    /// Warnings that stray bytes in front of the data explain.
    explained: usize,
    warnings: usize,
    /// Bytes that it has been given.
    handed_out: u64,
    /// How many when it gave its first warning that nothing explains.
    first: u64,
}

impl Run {
    const fn new(explained: usize) -> Self {
        Self { explained, warnings: 0, handed_out: 0, first: 0 }
    }
}

/// What the decoder made of a file.
pub(super) struct Picture {
    pub(super) pixels: RgbImage,
    /// How often it found something wrong and went on.
    pub(super) warnings: usize,
    /// It had all of the file when it first did so, and the picture was not complete.
    pub(super) ran_out: bool,
}

/// Decodes at `scale` eighths, 1..=8; none when the decoder gives up.
///
/// Where the decoder has much of a file at hand, it is faster, but passes over impossible codes and cannot say how far it
/// was. So a file that may be damaged comes in small pieces, and one that turns out to be comes again.
pub(super) fn decode(bytes: &[u8], frame: &Frame, scale: u8) -> Option<Picture> {
    if frame.strays == 0 && !frame.is_cut() && !frame.has_long_run {
        let picture = decode_in_pieces(bytes, frame, scale, usize::MAX)?;
        if picture.warnings == 0 {
            return Some(picture);
        }
    }
    decode_in_pieces(bytes, frame, scale, PIECE_BYTES)
}

/// `largest` bytes of the file at a time.
fn decode_in_pieces(bytes: &[u8], frame: &Frame, scale: u8, largest: usize) -> Option<Picture> {
    RUN.set(Run::new(frame.strays));
    let mut file = Spliced::default();
    file.push(&bytes[..frame.end]);
    if !frame.has_end {
        file.push(&END_OF_IMAGE[..]);
    }
    // The decoder reports errors by unwinding.
    let read = catch_unwind(AssertUnwindSafe(|| read(Pieces { file, largest }, frame, scale)));
    let (pixels, before_the_last_row) = read.ok().flatten()?;
    let run = RUN.get();
    let at_the_end = run.first + (PIECE_BYTES as u64) >= frame.end as u64;
    let ran_out = before_the_last_row > frame.strays && at_the_end;
    Some(Picture { pixels, warnings: run.warnings, ran_out })
}

/// Hands out pieces, and takes note of how far it is.
struct Pieces<'a> {
    file: Spliced<'a>,
    /// Bytes of a piece, at most.
    largest: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = self.file.fill_buf()?;
        let piece = &rest[..rest.len().min(self.largest)];
        let run = RUN.get();
        RUN.set(Run { handed_out: run.handed_out + piece.len() as u64, ..run });
        Ok(piece)
    }

    fn consume(&mut self, count: usize) {
        self.file.consume(count);
    }
}

/// The pixels, and the warnings that came before all rows were there.
fn read(file: Pieces<'_>, frame: &Frame, scale: u8) -> Option<(RgbImage, usize)> {
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
    let warnings = RUN.get().warnings;
    rows.finish().ok()?;
    let channels = if four { 4 } else { 3 };
    if samples.len() as u64 != channels * u64::from(width) * u64::from(height) {
        return None;
    }
    if four {
        let image = rgb::inverted_cmyk_to_rgb(width, height, samples)?;
        return Some((image, warnings));
    }
    Some((RgbImage::from_raw(width, height, samples)?, warnings))
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
        let run = RUN.get();
        let first = if run.warnings == run.explained { run.handed_out } else { run.first };
        RUN.set(Run { warnings: run.warnings + 1, first, ..run });
    }
}

extern "C-unwind" fn ignore(_: &mut jpeg_common_struct) {}
