//! The marker segments before a JPEG's first scan (ITU-T T.81, annex B).
//!
//! They are read here and not by the decoder, because the memory that decoding takes follows from
//! them, and has to be known before the decoder is started.

use image::metadata::Orientation;

use crate::decode::{DecodeError, Format};

/// What the segments before the first scan say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Frame {
    pub(in crate::decode) width: u16,
    pub(in crate::decode) height: u16,
    pub(in crate::decode) progressive: bool,
    /// Horizontal and vertical sampling factors of each component, 1..=4.
    pub(in crate::decode) sampling: Vec<(u8, u8)>,
    /// Fewer components in the first scan than in the frame: the others follow in scans of their own.
    pub(in crate::decode) several_scans: bool,
    /// Where the Adobe segment's colour transform byte lies.
    pub(in crate::decode) adobe_transform_at: Option<usize>,
    pub(in crate::decode) orientation: Orientation,
    /// Where the entropy-coded data begin.
    pub(in crate::decode) scan_at: usize,
}

/// Reads up to the first start of scan.
pub(in crate::decode) fn read_frame(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let mut segments = Segments { bytes, at: 2 };
    let mut start_of_frame = None;
    let mut adobe_transform_at = None;
    let mut orientation = Orientation::NoTransforms;
    loop {
        let segment = segments.next()?;
        match (segment.marker, segment.body) {
            (0xc0..=0xc2, body) => {
                if start_of_frame.is_some() {
                    return Err(corrupt("two start-of-frame segments"));
                }
                start_of_frame = Some((segment.marker == 0xc2, parse_start_of_frame(body)?));
            }
            // 0xc4, 0xc8 and 0xcc are no start of frame.
            (marker @ (0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf), _) => {
                return Err(unsupported(unsupported_process(marker)));
            }
            (0xe1, [b'E', b'x', b'i', b'f', 0, _, tiff @ ..]) => {
                orientation = Orientation::from_exif_chunk(tiff).unwrap_or(orientation);
            }
            (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, _transform, ..]) => {
                adobe_transform_at = Some(segment.body_at + 11);
            }
            (0xd9, _) => return Err(corrupt("the end of the image comes before any scan")),
            (0xda, body) => {
                let (progressive, (width, height, sampling)) =
                    start_of_frame.ok_or_else(|| corrupt("a scan comes before its frame"))?;
                let in_scan = usize::from(*body.first().unwrap_or(&0));
                return Ok(Frame {
                    width,
                    height,
                    progressive,
                    several_scans: in_scan < sampling.len(),
                    sampling,
                    adobe_transform_at,
                    orientation,
                    scan_at: segments.at,
                });
            }
            _ => {}
        }
    }
}

/// Whether an end-of-image marker follows the start of the scan.
///
/// Entropy-coded data never contain the marker's two bytes (a 0xff in them is followed by 0x00), so
/// a file that was cut off has none.
pub(in crate::decode) fn has_end_of_image(bytes: &[u8], scan_at: usize) -> bool {
    bytes[scan_at.min(bytes.len())..].windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
    body_at: usize,
}

struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    fn next(&mut self) -> Result<Segment<'a>, DecodeError> {
        let ends = || corrupt("the file ends within its headers");
        loop {
            let rest = self.bytes.get(self.at..).ok_or_else(ends)?;
            let marker_at = rest.iter().position(|&byte| byte == 0xff).ok_or_else(ends)?;
            self.at += marker_at + 1;
            // Any number of 0xff may stand before a marker's code (B.1.1.2).
            let marker = loop {
                let byte = *self.bytes.get(self.at).ok_or_else(ends)?;
                self.at += 1;
                if byte != 0xff {
                    break byte;
                }
            };
            match marker {
                0x00 | 0x01 | 0xd0..=0xd8 => {}
                0xd9 => return Ok(Segment { marker, body: &[], body_at: self.at }),
                _ => {
                    let length = self.bytes.get(self.at..self.at + 2).ok_or_else(ends)?;
                    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                    let body_at = self.at + 2;
                    self.at += length;
                    if length < 2 {
                        return Err(corrupt("a segment is shorter than its own length field"));
                    }
                    let body = self.bytes.get(body_at..self.at).ok_or_else(ends)?;
                    return Ok(Segment { marker, body, body_at });
                }
            }
        }
    }
}

type StartOfFrame = (u16, u16, Vec<(u8, u8)>);

fn parse_start_of_frame(body: &[u8]) -> Result<StartOfFrame, DecodeError> {
    let [precision, h1, h0, w1, w0, count, components @ ..] = body else {
        return Err(corrupt("the start-of-frame segment is too short"));
    };
    if *precision != 8 {
        return Err(unsupported(format!("{precision} bits a sample instead of 8")));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(unsupported(format!("{count} components instead of 1, 3 or 4")));
    }
    let (components, _) = components.as_chunks::<3>();
    let sampling: Vec<_> = components
        .iter()
        .take(usize::from(*count))
        .map(|&[_, factors, _]| (factors >> 4, factors & 15))
        .collect();
    if sampling.len() < usize::from(*count) {
        return Err(corrupt("the start-of-frame segment is too short"));
    }
    if sampling.iter().any(|&(h, v)| !(1..=4).contains(&h) || !(1..=4).contains(&v)) {
        return Err(corrupt("a sampling factor is not in 1..=4"));
    }
    Ok((u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]), sampling))
}

fn unsupported_process(marker: u8) -> &'static str {
    match marker {
        0xc3 => "lossless JPEG",
        0xc9..=0xcb | 0xcd..=0xcf => "arithmetic coding",
        _ => "hierarchical JPEG",
    }
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::Jpeg, detail)
}

fn unsupported(detail: impl ToString) -> DecodeError {
    DecodeError::unsupported(Format::Jpeg, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], length.as_slice(), body].concat()
    }

    fn frame_body(components: &[(u8, u8)]) -> Vec<u8> {
        let count = u8::try_from(components.len()).unwrap();
        let mut body = vec![8, 0x01, 0x02, 0x03, 0x04, count];
        for (id, &(h, v)) in components.iter().enumerate() {
            body.extend([u8::try_from(id).unwrap(), h << 4 | v, 0]);
        }
        body
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        [vec![0xff, 0xd8], parts.concat()].concat()
    }

    #[test]
    fn size_sampling_and_scans_are_read() {
        let bytes = file(&[
            segment(0xc2, &frame_body(&[(2, 2), (1, 1), (1, 1)])),
            segment(0xda, &[1, 0, 0, 0, 63, 0]),
        ]);
        let frame = read_frame(&bytes).unwrap();
        assert_eq!((frame.width, frame.height), (0x0304, 0x0102));
        assert!(frame.progressive && frame.several_scans);
        assert_eq!(frame.sampling, [(2, 2), (1, 1), (1, 1)]);
        assert_eq!(frame.scan_at, bytes.len());
    }

    #[test]
    fn fill_bytes_and_stray_bytes_between_segments_are_skipped() {
        let mut bytes = vec![0xff, 0xd8, 0x12, 0xff, 0xff];
        bytes.extend(segment(0xc0, &frame_body(&[(1, 1)])));
        bytes.extend(segment(0xda, &[1, 0, 0, 0, 63, 0]));
        assert!(!read_frame(&bytes).unwrap().several_scans);
    }

    #[test]
    fn processes_that_are_not_decoded_are_named() {
        for (marker, name) in [(0xc3, "lossless"), (0xc9, "arithmetic"), (0xc5, "hierarchical")] {
            let bytes = file(&[segment(marker, &frame_body(&[(1, 1)]))]);
            let message = read_frame(&bytes).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        let mut twelve_bits = frame_body(&[(1, 1)]);
        twelve_bits[0] = 12;
        let message = read_frame(&file(&[segment(0xc1, &twelve_bits)])).unwrap_err().to_string();
        assert!(message.contains("12 bits"), "{message}");
    }

    #[test]
    fn every_cut_within_the_headers_is_an_error() {
        let bytes = file(&[
            segment(0xe0, b"JFIF\0"),
            segment(0xc0, &frame_body(&[(1, 1)])),
            segment(0xda, &[1, 0, 0, 0, 63, 0]),
        ]);
        for length in 2..bytes.len() {
            assert!(read_frame(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn an_end_of_image_before_the_scan_does_not_count() {
        let bytes = [0xff, 0xd9, 0xff, 0x00, 0xd9, 0xff];
        assert!(!has_end_of_image(&bytes, 1));
        assert!(has_end_of_image(&bytes, 0));
        assert!(!has_end_of_image(&bytes, 99));
    }
}
