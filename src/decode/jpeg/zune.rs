//! JPEG by zune-jpeg: the fastest decoder, for the layouts that it gets right.
//!
//! It gets the picture without its end-of-image marker. So if the picture ends early, there are no more bytes, which is
//! an error in the decoder's strict mode. With the marker, the decoder would take it for the end and fill the rest with
//! grey.

use image::RgbImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::frame::{Component, Frame};
use super::zune_reader::{Reader, ReaderOf};

/// Whether the layout is one that this decoder is right for. It is not for several scans, for
/// components sampled more than the first, and for colours other than grey and YCbCr (zune-jpeg
/// 0.5.15, its issues 419, 422, 436 and 442: each layout can come back when its issue is closed).
/// Of several scans that each hold the whole picture it decodes every one.
pub(super) fn is_right_for(frame: &Frame) -> bool {
    let usual = match frame.components[..] {
        [_] => true,
        [y, cb, cr] => {
            let ycbcr = [y.id, cb.id, cr.id] != *b"RGB" && frame.adobe_transform.unwrap_or(1) == 1;
            let whole = |c: Component| (c.h, c.v) == (1, 1);
            ycbcr && whole(cb) && whole(cr) && y.h <= 2 && y.v <= 2
        }
        _ => false,
    };
    let clean = frame.strays == 0 && !frame.is_cut() && !frame.has_stray_restarts();
    usual && frame.is_one_scan() && frame.scans.len() == 1 && clean
}

/// Bytes behind the last unit that say nothing: some encoders fill up.
const MOST_LEFT_OVER: u64 = 2;

/// Decodes at full scale; none when anything is wrong with the file, as far as the decoder tells.
pub(super) fn decode(bytes: &[u8], frame: &Frame) -> Option<RgbImage> {
    let without_end = bytes[..frame.end].strip_suffix(&[0xff, 0xd9])?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(frame.width.into())
        .set_max_height(frame.height.into())
        .jpeg_set_max_scans(1)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut reader = Reader::new(without_end);
    let mut decoder = JpegDecoder::new_with_options(ReaderOf(&mut reader), options);
    decoder.decode_headers().ok()?;
    if decoder.dimensions() != Some((frame.width.into(), frame.height.into())) {
        return None;
    }
    let mut samples = vec![0; decoder.output_buffer_size()?];
    decoder.decode_into(&mut samples).ok()?;
    if reader.left_over() > MOST_LEFT_OVER {
        return None;
    }
    RgbImage::from_raw(frame.width.into(), frame.height.into(), samples)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Scan;
    use super::*;

    #[test]
    fn a_whole_scan_that_comes_again_is_not_for_it() {
        let mut frame = Frame::new(8, 8, false, vec![Component { id: 1, h: 1, v: 1 }]);
        frame.has_end = true;
        frame.scans.push(Scan::new(vec![0], 0..=63, 0));
        assert!(is_right_for(&frame));
        frame.scans.push(frame.scans[0].clone());
        assert!(!is_right_for(&frame));
    }
}
