//! The marker segments of a JPEG, from its start to its end-of-image marker (ITU-T T.81, annex B).
//!
//! They are read here and not by a decoder, because they say how much memory and time decoding takes and which decoder
//! is right for the file, and this has to be known before a decoder starts.

use std::ops::Range;

use image::metadata::Orientation;

use super::frame::{Component, Frame, Scan};
use crate::decode::{DecodeError, Format};

/// Scans that a file may have; each costs a pass over the whole picture, and encoders write about ten.
const MAX_SCANS: usize = 40;
/// Parts of a colour profile; one segment holds 64 kB.
const MAX_PROFILE_PARTS: usize = 64;

/// 24 bits of 1 as stuffed bytes (F.1.2.3): no code is longer than 16 (C.2), and few values follow one with ones alone.
const LONG_RUN: [u8; 6] = [0xff, 0, 0xff, 0, 0xff, 0];

const ICC_PROFILE: &[u8] = b"ICC_PROFILE\0";

/// Reads every segment up to the end of the image.
pub(super) fn read_frame(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let mut reader = Reader::new(bytes);
    loop {
        let before = reader.segments.at;
        let segment = match reader.segments.next() {
            Ok(segment) => segment,
            // What was there is a picture, though the file ends within the segments behind a scan.
            Err(_) if reader.has_scans() => return reader.finish(before, false),
            Err(error) => return Err(error),
        };
        let taken = match segment.marker {
            0xd9 => {
                let end = reader.segments.at;
                return reader.finish(end, true);
            }
            // A second image, behind one that has no end.
            0xd8 => return reader.finish(segment.at, false),
            _ => reader.take(&segment),
        };
        match taken {
            // An end that was put behind a cut can lie within a segment.
            Err(DecodeError::Corrupt { .. }) if reader.has_scans() => {
                return reader.finish(before, false);
            }
            other => other?,
        }
    }
}

struct Reader<'a> {
    segments: Segments<'a>,
    frame: Option<Frame>,
    orientation: Option<Orientation>,
    adobe_transform: Option<u8>,
    profile: Vec<Range<usize>>,
    restart_interval: u16,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            segments: Segments { bytes, at: 2, strays: 0, has_long_run: false },
            frame: None,
            orientation: None,
            adobe_transform: None,
            profile: Vec::new(),
            restart_interval: 0,
        }
    }

    fn has_scans(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| !frame.scans.is_empty())
    }

    fn take(&mut self, segment: &Segment<'a>) -> Result<(), DecodeError> {
        match (segment.marker, segment.body) {
            (0xc0..=0xc2, body) => {
                if self.frame.is_some() {
                    return Err(corrupt("two start-of-frame segments"));
                }
                self.frame = Some(parse_start_of_frame(body, segment.marker == 0xc2)?);
            }
            // 0xc4 and 0xcc are not a start of frame; 0xc8 is reserved.
            (marker @ (0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7), _) => {
                return Err(unsupported(unsupported_process(marker)));
            }
            (0xda, body) => self.take_scan(body)?,
            (0xdd, [high, low, ..]) => self.restart_interval = u16::from_be_bytes([*high, *low]),
            (0xe1, [b'E', b'x', b'i', b'f', 0, _, tiff @ ..]) => {
                // Of several, the first counts, as everywhere.
                self.orientation = self.orientation.or_else(|| Orientation::from_exif_chunk(tiff));
            }
            (0xe2, body)
                if body.starts_with(ICC_PROFILE) && self.profile.len() < MAX_PROFILE_PARTS =>
            {
                let from = segment.body_at + ICC_PROFILE.len();
                self.profile.push(from..segment.body_at + body.len());
            }
            (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                self.adobe_transform = Some(*transform);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_scan(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let frame = self.frame.as_mut().ok_or_else(|| corrupt("a scan comes before its frame"))?;
        if frame.scans.len() == MAX_SCANS {
            return Err(DecodeError::TooMany {
                format: Format::Jpeg,
                what: "too many scans",
                most: MAX_SCANS as u64,
            });
        }
        let mut scan = parse_start_of_scan(body, frame)?;
        scan.restart_interval = self.restart_interval;
        let data_at = self.segments.at;
        scan.restarts = self.segments.skip_entropy_coded_data();
        scan.data_bytes = self.segments.at - data_at;
        frame.scans.push(scan);
        Ok(())
    }

    fn finish(self, end: usize, has_end: bool) -> Result<Frame, DecodeError> {
        let frame = self.frame.filter(Frame::has_data);
        let frame = frame.ok_or_else(|| corrupt("the file ends before its picture begins"))?;
        Ok(Frame {
            orientation: self.orientation.unwrap_or(Orientation::NoTransforms),
            adobe_transform: self.adobe_transform,
            profile: self.profile,
            strays: self.segments.strays,
            has_long_run: self.segments.has_long_run,
            end,
            has_end,
            ..frame
        })
    }
}

struct Segment<'a> {
    marker: u8,
    /// Where the marker's 0xff lies.
    at: usize,
    body: &'a [u8],
    body_at: usize,
}

struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Places where bytes stand between segments that belong to none.
    strays: usize,
    /// Whether [`LONG_RUN`] was found in entropy-coded data.
    has_long_run: bool,
}

impl<'a> Segments<'a> {
    fn next(&mut self) -> Result<Segment<'a>, DecodeError> {
        let ends = || corrupt("the file ends within its headers");
        loop {
            let rest = self.bytes.get(self.at..).ok_or_else(ends)?;
            let stray = memchr::memchr(0xff, rest).ok_or_else(ends)?;
            self.strays += usize::from(stray > 0);
            let marker_at = self.at + stray;
            self.at = marker_at + 1;
            // Any number of 0xff may stand before a marker's code (B.1.1.2).
            let marker = loop {
                let byte = *self.bytes.get(self.at).ok_or_else(ends)?;
                self.at += 1;
                if byte != 0xff {
                    break byte;
                }
            };
            match marker {
                0x00 => self.strays += 1,
                0x01 | 0xd0..=0xd7 => {}
                0xd8 | 0xd9 => {
                    return Ok(Segment { marker, at: marker_at, body: &[], body_at: self.at });
                }
                _ => {
                    let length = self.bytes.get(self.at..self.at + 2).ok_or_else(ends)?;
                    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                    let body_at = self.at + 2;
                    self.at += length;
                    if length < 2 {
                        return Err(corrupt("a segment is shorter than its own length field"));
                    }
                    let body = self.bytes.get(body_at..self.at).ok_or_else(ends)?;
                    return Ok(Segment { marker, at: marker_at, body, body_at });
                }
            }
        }
    }

    /// Goes to the marker that ends a scan's data; returns how many restart markers are in them.
    ///
    /// In the data a 0xff is followed by 0x00, by another 0xff or by a restart marker (B.1.1.5, F.1.2.3).
    fn skip_entropy_coded_data(&mut self) -> usize {
        let mut restarts = 0;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(found) = memchr::memchr(0xff, rest) else {
                self.at = self.bytes.len();
                return restarts;
            };
            self.at += found;
            match rest.get(found + 1) {
                Some(0x00) => {
                    self.has_long_run |= rest[found..].starts_with(&LONG_RUN);
                    self.at += 2;
                }
                Some(0xff) => self.at += 1,
                Some(0xd0..=0xd7) => {
                    restarts += 1;
                    self.at += 2;
                }
                Some(_) => return restarts,
                None => {
                    self.at = self.bytes.len();
                    return restarts;
                }
            }
        }
    }
}

/// B.2.2.
fn parse_start_of_frame(body: &[u8], progressive: bool) -> Result<Frame, DecodeError> {
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
    let components: Vec<_> = components
        .iter()
        .take(usize::from(*count))
        .map(|&[id, factors, _]| Component { id, h: factors >> 4, v: factors & 15 })
        .collect();
    if components.len() < usize::from(*count) {
        return Err(corrupt("the start-of-frame segment is too short"));
    }
    if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v)) {
        return Err(corrupt("a sampling factor is not in 1..=4"));
    }
    let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
    Ok(Frame::new(width, height, progressive, components))
}

/// B.2.3 and G.1.1.1.
fn parse_start_of_scan(body: &[u8], frame: &Frame) -> Result<Scan, DecodeError> {
    let short = || corrupt("the start-of-scan segment is too short");
    let (&count, rest) = body.split_first().ok_or_else(short)?;
    let (selectors, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(short)?;
    let &[first, last, bits, ..] = rest else { return Err(short()) };
    let mut components = Vec::new();
    for &[id, _] in selectors.as_chunks::<2>().0 {
        let index = frame.components.iter().position(|component| component.id == id);
        components.push(index.ok_or_else(|| corrupt("a scan of a component that is not there"))?);
    }
    if components.is_empty() || components.len() > 4 {
        return Err(corrupt("a scan has not 1 to 4 components"));
    }
    let (high_bit, low_bit) = (bits >> 4, bits & 15);
    if !frame.progressive {
        return Ok(Scan::new(components, 0..=63, 0));
    }
    let band_is_right = if first == 0 { last == 0 } else { components.len() == 1 && last <= 63 };
    let bits_are_right = low_bit <= 13 && (high_bit == 0 || high_bit == low_bit + 1);
    if first > last || !band_is_right || !bits_are_right {
        return Err(corrupt("a scan's coefficients or bits are not ones that a scan can have"));
    }
    Ok(Scan::new(components, first..=last, low_bit))
}

fn unsupported_process(marker: u8) -> &'static str {
    match marker {
        0xc3 => "lossless JPEG",
        0xc9..=0xcb | 0xcd..=0xcf => "arithmetic coding",
        0xf7 => "JPEG-LS",
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

    fn scan(components: &[u8]) -> Vec<u8> {
        let mut body = vec![components.len() as u8];
        body.extend(components.iter().flat_map(|&id| [id, 0]));
        body.extend([0, 0, 0]);
        segment(0xda, &body)
    }

    const END: [u8; 2] = [0xff, 0xd9];

    #[test]
    fn size_sampling_and_scans_are_read() {
        let bytes = file(&[
            segment(0xdd, &[0, 4]),
            segment(0xc2, &frame_body(&[(2, 2), (1, 1), (1, 1)])),
            scan(&[0]),
            vec![1, 0xff, 0, 0xff, 0xd0, 2, 0xff, 0xff, 0xd1],
            scan(&[1, 2]),
            vec![1],
            END.to_vec(),
            b"trailer".to_vec(),
        ]);
        let frame = read_frame(&bytes).unwrap();
        assert_eq!((frame.width, frame.height), (0x0304, 0x0102));
        assert!(frame.progressive && frame.has_end);
        assert_eq!(frame.components[0], Component { id: 0, h: 2, v: 2 });
        assert_eq!(frame.end, bytes.len() - 7);
        assert_eq!(frame.scans.len(), 2);
        assert_eq!(frame.scans[0].components, [0]);
        assert_eq!((frame.scans[0].restarts, frame.scans[0].restart_interval), (2, 4));
        assert_eq!(frame.scans[1].components, [1, 2]);
        assert_eq!(frame.strays, 0);
        assert!(!frame.has_long_run);
    }

    #[test]
    fn a_long_run_of_ones_is_found_in_the_data_alone() {
        let has_long_run = |comment: &[u8], data: &[u8]| {
            let bytes = file(&[
                segment(0xfe, comment),
                segment(0xc0, &frame_body(&[(1, 1)])),
                scan(&[0]),
                data.to_vec(),
                END.to_vec(),
            ]);
            read_frame(&bytes).unwrap().has_long_run
        };
        assert!(has_long_run(&[], &[1, 0xff, 0, 0xff, 0, 0xff, 0, 2]));
        assert!(has_long_run(&[], &[0xff, 0xff, 0, 0xff, 0, 0xff, 0]));
        assert!(!has_long_run(&[], &[0xff, 0, 0xff, 0, 1, 0xff, 0]));
        assert!(!has_long_run(&LONG_RUN, &[0xff, 0, 0xff, 0]));
    }

    #[test]
    fn fill_bytes_are_no_stray_bytes() {
        let whole = |between: &[u8]| {
            let mut bytes = vec![0xff, 0xd8];
            bytes.extend(between);
            bytes.extend(segment(0xc0, &frame_body(&[(1, 1)])));
            bytes.extend(scan(&[0]));
            bytes.push(1);
            bytes.extend(END);
            read_frame(&bytes).unwrap().strays
        };
        assert_eq!(whole(&[0xff, 0xff]), 0);
        assert_eq!(whole(&[0x12, 0x13]), 1);
    }

    #[test]
    fn processes_that_are_not_decoded_are_named() {
        for (marker, name) in
            [(0xc3, "lossless"), (0xc9, "arithmetic"), (0xc5, "hierarchical"), (0xf7, "JPEG-LS")]
        {
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
    fn every_cut_within_the_headers_is_an_error_and_one_behind_them_is_seen() {
        let bytes = file(&[
            segment(0xe0, b"JFIF\0"),
            segment(0xc0, &frame_body(&[(1, 1)])),
            scan(&[0]),
            vec![1, 2, 3],
            END.to_vec(),
        ]);
        for length in 2..bytes.len() - 4 {
            assert!(read_frame(&bytes[..length]).is_err(), "{length}");
        }
        for length in bytes.len() - 4..bytes.len() {
            let frame = read_frame(&bytes[..length]).unwrap();
            assert!(!frame.has_end, "{length}");
            assert!(frame.end <= length, "{length}");
        }
    }

    #[test]
    fn scans_are_counted_and_bounded() {
        let with = |scans: usize| {
            let one = [scan(&[0]), vec![1]].concat();
            let head = [segment(0xc2, &frame_body(&[(1, 1)])), one.repeat(scans)];
            read_frame(&file(&[head.concat(), END.to_vec()]))
        };
        assert_eq!(with(MAX_SCANS).unwrap().scans.len(), MAX_SCANS);
        assert!(matches!(with(MAX_SCANS + 1), Err(DecodeError::TooMany { .. })));
    }
}
