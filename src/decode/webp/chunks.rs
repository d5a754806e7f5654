//! The chunks of a WebP file (RFC 9649, 2.3 to 2.7) and which of them make the first picture.

use bytes::Bytes;

use super::super::spliced::Spliced;
use super::super::{DecodeError, Format};

/// Of a file or of a frame. An animation has one for each frame, and each frame up to two.
const MOST_CHUNKS: usize = 65_536;

const ALPHA_FLAG: u8 = 0x10;
const ANIMATION_FLAG: u8 = 0x02;

/// Of a frame's header (2.7.1.1).
const NO_BLENDING: u8 = 0x02;

/// Width and height in pixels.
type Size = (u32, u32);

/// A bitstream, the body of its chunk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream<B> {
    /// `VP8 ` (RFC 6386).
    Lossy(B),
    /// `VP8L` (RFC 9649, 3).
    Lossless(B),
}

/// The chunks of a file that anything is read from.
#[derive(Debug)]
pub(in crate::decode) struct Picture {
    /// Of the whole picture.
    pub(super) canvas: Size,
    /// Of the frame that is decoded, which lies within the canvas.
    pub(super) frame: Size,
    /// Whether the picture has alpha that counts.
    pub(super) has_alpha: bool,
    /// The header of the first frame (2.7.1.1), if the file is animated.
    pub(super) animation: Option<[u8; 16]>,
    /// The body of ALPH.
    pub(super) alpha_plane: Option<Bytes>,
    pub(super) stream: Stream<Bytes>,
    /// The body of the first EXIF.
    pub(super) exif: Option<Bytes>,
    /// The body of the first ICCP.
    pub(super) profile: Option<Bytes>,
}

impl Picture {
    /// Walks every chunk within the length that the file states.
    pub(super) fn read(file: &Bytes) -> Result<Self, DecodeError> {
        let mut found = Found::default();
        for (count, chunk) in Chunks(riff_body(file)?).enumerate() {
            if count >= MOST_CHUNKS {
                return Err(too_many_chunks());
            }
            let (name, body) = chunk?;
            found.take(name, body, count == 0)?;
        }
        let (canvas, flags) = match found.extended {
            Some((canvas, flags)) => (Some(canvas), flags),
            None => (None, 0),
        };
        if let (Some(canvas), true) = (canvas, flags & ANIMATION_FLAG != 0) {
            let frame = found.frame.ok_or_else(|| corrupt("its first frame is missing"))?;
            return found.animated(file, frame, canvas, flags);
        }
        let Still { alpha_plane, stream } = found.still;
        let stream = stream.ok_or_else(|| corrupt("it has no picture"))?;
        let frame = stream.size()?;
        if canvas.is_some_and(|canvas| canvas != frame) {
            return Err(corrupt("its picture is not of the size of its canvas"));
        }
        let says_alpha = flags & ALPHA_FLAG != 0;
        let (has_alpha, alpha_plane) = match stream {
            Stream::Lossy(_) => {
                let plane = alpha_plane.filter(|_| says_alpha);
                (plane.is_some(), plane)
            }
            Stream::Lossless(body) => match canvas {
                Some(_) => (says_alpha, None),
                None => (body.get(4).is_some_and(|byte| byte & 0x10 != 0), None),
            },
        };
        check_alpha(alpha_plane, frame)?;
        let own = |part| file.slice_ref(part);
        Ok(Self {
            canvas: frame,
            frame,
            has_alpha,
            animation: None,
            alpha_plane: alpha_plane.map(own),
            stream: stream.within(file),
            exif: found.exif.map(own),
            profile: found.profile.map(own),
        })
    }

    /// The first picture alone, as an extended file.
    pub(super) fn for_decoder(&self) -> Spliced<'_> {
        let alpha = if self.has_alpha { ALPHA_FLAG } else { 0 };
        let animation = if self.animation.is_some() { ANIMATION_FLAG } else { 0 };
        let mut canvas = vec![alpha | animation, 0, 0, 0];
        for side in [self.canvas.0, self.canvas.1] {
            canvas.extend(side.saturating_sub(1).to_le_bytes().iter().take(3));
        }
        let mut head = [b"VP8X\x0a\0\0\0".as_slice(), &canvas].concat();
        let stream = self.stream.body();
        let frame_bytes =
            self.alpha_plane.as_deref().map_or(0, chunk_bytes).saturating_add(chunk_bytes(stream));
        if let Some(frame) = self.animation {
            // What the background is, and how often it is repeated, does not matter to one frame.
            head.extend(b"ANIM\x06\0\0\0\0\0\0\0\0\0ANMF");
            head.extend(le_length(frame.len() + frame_bytes));
            head.extend(frame);
        }
        let mut file = Spliced::default();
        file.push(b"RIFF".as_slice());
        file.push(le_length(4 + head.len() + frame_bytes).to_vec());
        file.push(b"WEBP".as_slice());
        file.push(head);
        if let Some(plane) = &self.alpha_plane {
            push_chunk(&mut file, b"ALPH", plane);
        }
        push_chunk(&mut file, self.stream.name(), stream);
        file
    }
}

/// What the walk has found so far.
#[derive(Default)]
struct Found<'a> {
    /// Canvas and flags of VP8X (2.7).
    extended: Option<(Size, u8)>,
    /// The body of the first ANMF.
    frame: Option<&'a [u8]>,
    still: Still<'a>,
    exif: Option<&'a [u8]>,
    profile: Option<&'a [u8]>,
}

/// The first bitstream, and the plane of alpha before it.
#[derive(Default)]
struct Still<'a> {
    alpha_plane: Option<&'a [u8]>,
    stream: Option<Stream<&'a [u8]>>,
}

impl<'a> Still<'a> {
    fn take(&mut self, name: &[u8; 4], body: &'a [u8]) {
        match name {
            b"ALPH" if self.stream.is_none() => {
                self.alpha_plane.get_or_insert(body);
            }
            b"VP8 " => {
                self.stream.get_or_insert(Stream::Lossy(body));
            }
            b"VP8L" => {
                self.stream.get_or_insert(Stream::Lossless(body));
            }
            _ => {}
        }
    }
}

impl<'a> Found<'a> {
    fn take(&mut self, name: &[u8; 4], body: &'a [u8], first: bool) -> Result<(), DecodeError> {
        match name {
            // Any other place has no meaning (2.7).
            b"VP8X" if first => self.extended = Some(extended(body)?),
            b"ANMF" => {
                self.frame.get_or_insert(body);
            }
            b"EXIF" => {
                self.exif.get_or_insert(body);
            }
            b"ICCP" => {
                self.profile.get_or_insert(body);
            }
            _ => self.still.take(name, body),
        }
        Ok(())
    }

    fn animated(
        self,
        file: &Bytes,
        frame: &'a [u8],
        canvas: Size,
        flags: u8,
    ) -> Result<Picture, DecodeError> {
        let (header, chunks) =
            frame.split_first_chunk::<16>().ok_or_else(|| corrupt("its first frame is cut off"))?;
        let mut still = Still::default();
        for (count, chunk) in Chunks(chunks).enumerate() {
            if count >= MOST_CHUNKS {
                return Err(too_many_chunks());
            }
            let (name, body) = chunk?;
            still.take(name, body);
        }
        let stream = still.stream.ok_or_else(|| corrupt("its first frame has no picture"))?;
        let [x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..] = *header;
        let (left, top) = (le_24([x0, x1, x2]) * 2, le_24([y0, y1, y2]) * 2);
        let size = (le_24([w0, w1, w2]) + 1, le_24([h0, h1, h2]) + 1);
        if stream.size()? != size {
            return Err(corrupt("its first frame is not of the size that is stated"));
        }
        if left + size.0 > canvas.0 || top + size.1 > canvas.1 {
            return Err(corrupt("its first frame is not within the canvas"));
        }
        // Over a canvas on which nothing is yet, blending changes no colour, but by rounding.
        let mut unblended = *header;
        unblended[15] |= NO_BLENDING;
        // Alpha belongs to lossy frames; lossless ones have their own.
        let alpha_plane = still.alpha_plane.filter(|_| matches!(stream, Stream::Lossy(_)));
        check_alpha(alpha_plane, size)?;
        let own = |part| file.slice_ref(part);
        Ok(Picture {
            canvas,
            frame: size,
            has_alpha: flags & ALPHA_FLAG != 0,
            animation: Some(unblended),
            alpha_plane: alpha_plane.map(own),
            stream: stream.within(file),
            exif: self.exif.map(own),
            profile: self.profile.map(own),
        })
    }
}

impl Stream<Bytes> {
    fn name(&self) -> &'static [u8; 4] {
        match self {
            Self::Lossy(_) => b"VP8 ",
            Self::Lossless(_) => b"VP8L",
        }
    }

    fn body(&self) -> &[u8] {
        match self {
            Self::Lossy(body) | Self::Lossless(body) => body,
        }
    }
}

impl Stream<&[u8]> {
    fn within(self, file: &Bytes) -> Stream<Bytes> {
        match self {
            Self::Lossy(body) => Stream::Lossy(file.slice_ref(body)),
            Self::Lossless(body) => Stream::Lossless(file.slice_ref(body)),
        }
    }

    /// Width and height as the bitstream states them: RFC 6386, 9.1; RFC 9649, 3.4.
    fn size(self) -> Result<Size, DecodeError> {
        match self {
            Self::Lossy(body) => {
                let [t0, t1, t2, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, rest @ ..] = body else {
                    return Err(corrupt("its bitstream has no header"));
                };
                let tag = le_24([*t0, *t1, *t2]);
                if tag & 1 != 0 {
                    return Err(corrupt("its bitstream does not begin with a whole frame"));
                }
                // The decoder reserves the length that is stated before it reads.
                if (tag >> 5) as usize > rest.len() {
                    return Err(corrupt("its bitstream is cut off"));
                }
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                Ok((side(*w0, *w1), side(*h0, *h1)))
            }
            Self::Lossless(body) => {
                let [0x2f, s0, s1, s2, s3, ..] = body else {
                    return Err(corrupt("its bitstream has no header"));
                };
                let header = u32::from_le_bytes([*s0, *s1, *s2, *s3]);
                if header >> 29 != 0 {
                    return Err(corrupt("its bitstream is of an unknown version"));
                }
                Ok(((header & 0x3fff) + 1, (header >> 14 & 0x3fff) + 1))
            }
        }
    }
}

/// A plane of alpha (2.7.1.2) has the size of its frame, plainly or compressed without a size of its
/// own.
fn check_alpha(plane: Option<&[u8]>, (width, height): Size) -> Result<(), DecodeError> {
    let Some(plane) = plane else {
        return Ok(());
    };
    let (info, rest) = plane.split_first().ok_or_else(|| corrupt("its alpha is empty"))?;
    let is_whole = rest.len() as u64 >= u64::from(width) * u64::from(height);
    match info & 3 {
        0 if is_whole => Ok(()),
        1 => Ok(()),
        0 => Err(corrupt("its alpha is cut off")),
        _ => Err(corrupt("its alpha is compressed in an unknown way")),
    }
}

/// Canvas and flags of VP8X (2.7).
fn extended(body: &[u8]) -> Result<(Size, u8), DecodeError> {
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = *body else {
        return Err(corrupt("its canvas is cut off"));
    };
    Ok(((le_24([w0, w1, w2]) + 1, le_24([h0, h1, h2]) + 1), flags))
}

/// The chunks within the length that the file states.
fn riff_body(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let cut_off = || corrupt("the file is shorter than its header says");
    let size = bytes.get(4..).and_then(|rest| rest.first_chunk()).ok_or_else(cut_off)?;
    let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
    let end = size.checked_add(8).ok_or_else(cut_off)?;
    // A last chunk of odd length may lack its padding byte.
    if end > bytes.len() + 1 {
        return Err(cut_off());
    }
    bytes.get(12..end.min(bytes.len())).ok_or_else(cut_off)
}

/// The chunks of a RIFF body: four letters, a length, that many bytes, padded to an even number (2.3).
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<(&'a [u8; 4], &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some(body) = rest.get(..length) else {
            self.0 = &[];
            return Some(Err(corrupt("a chunk is longer than the file")));
        };
        self.0 = rest.get(length + length % 2..).unwrap_or_default();
        Some(Ok((name, body)))
    }
}

fn push_chunk<'a>(file: &mut Spliced<'a>, name: &'static [u8; 4], body: &'a [u8]) {
    file.push(name.as_slice());
    file.push(le_length(body.len()).to_vec());
    file.push(body);
    if !body.len().is_multiple_of(2) {
        file.push([0].as_slice());
    }
}

/// Of a chunk with its name, its length and its padding.
fn chunk_bytes(body: &[u8]) -> usize {
    8 + body.len().next_multiple_of(2)
}

/// Saturating: a longer one has been refused for the length that its file states.
fn le_length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn le_24([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

fn too_many_chunks() -> DecodeError {
    DecodeError::TooMany { format: Format::WebP, what: "too many chunks", most: MOST_CHUNKS as u64 }
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::WebP, detail)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use image::metadata::Orientation;
    use proptest::prelude::*;

    use super::super::super::stored::{Checked, Stored};
    use super::*;

    fn read_header(bytes: &[u8]) -> Result<Checked<Picture>, DecodeError> {
        super::super::read_header(&Bytes::copy_from_slice(bytes))
    }

    fn decode(bytes: &[u8]) -> Result<Stored, DecodeError> {
        super::super::decode(&read_header(bytes)?.picture)
    }

    fn read(bytes: &[u8]) -> Result<Picture, DecodeError> {
        Picture::read(&Bytes::copy_from_slice(bytes))
    }

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let padding = vec![0; body.len() % 2];
        [name.as_slice(), &length, body, &padding].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = [b"WEBP".to_vec(), chunks.concat()].concat();
        chunk(b"RIFF", &body)
    }

    /// A header of a bitstream, without one.
    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let frame = [&[0, 0, 0, 0x9d, 1, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes()];
        chunk(b"VP8 ", &frame.concat())
    }

    fn canvas(flags: u8, width: u8, height: u8) -> Vec<u8> {
        chunk(b"VP8X", &[flags, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0])
    }

    fn frame(left: u8, top: u8, (width, height): (u8, u8), chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut header = vec![left, 0, 0, top, 0, 0, width - 1, 0, 0, height - 1, 0, 0];
        header.extend([0; 4]);
        chunk(b"ANMF", &[header, chunks.concat()].concat())
    }

    /// 3 x 2 pixels, lossless.
    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut bytes);
        let pixels: Vec<u8> = (0..18).map(|value| value * 13).collect();
        encoder.encode(&pixels, 3, 2, image::ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    fn lossless() -> Vec<u8> {
        encoded()[12..].to_vec()
    }

    fn rgb(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        read_header(bytes)?;
        Ok(decode(bytes)?.pixels.into_raw())
    }

    #[test]
    fn a_bitstream_of_another_size_than_its_canvas_is_refused() {
        let fits = |bytes: Vec<u8>| read(&bytes).is_ok();
        assert!(fits(file(&[canvas(0, 16, 8), lossy(16, 8)])));
        assert!(!fits(file(&[canvas(0, 16, 8), lossy(17, 8)])));
        assert!(!fits(file(&[canvas(0, 16, 8), lossy(16, 7)])));
        let animated = |left, top, size, inner| {
            fits(file(&[canvas(2, 16, 8), frame(left, top, size, &[inner])]))
        };
        assert!(animated(0, 0, (16, 8), lossy(16, 8)));
        assert!(animated(2, 1, (12, 6), lossy(12, 6)));
        assert!(!animated(3, 1, (12, 6), lossy(12, 6)));
        assert!(!animated(2, 2, (12, 6), lossy(12, 6)));
        assert!(!animated(0, 0, (16, 8), lossy(12, 6)));
        assert!(!animated(0, 0, (12, 6), lossy(16, 8)));
        assert!(!animated(0, 0, (12, 6), lossy(16_383, 16_383)));
    }

    #[test]
    fn what_follows_the_end_that_is_stated_does_not_exist() {
        let mut bytes = file(&[canvas(0, 16, 8), lossy(16, 8)]);
        let stated = bytes.len();
        bytes.extend(lossy(16_383, 12_000));
        let picture = read(&bytes).unwrap();
        let mut given = Vec::new();
        picture.for_decoder().read_to_end(&mut given).unwrap();
        assert_eq!(given, bytes[..stated]);
        let hidden = file(&[canvas(0, 16, 8)]);
        assert!(read(&[hidden, lossy(16_383, 12_000)].concat()).is_err());
    }

    #[test]
    fn lengths_beyond_the_file_are_refused() {
        let whole = file(&[canvas(0, 16, 8), lossy(16, 8)]);
        for length in 12..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        let mut lying = file(&[canvas(0, 16, 8), lossy(16, 8), chunk(b"EXIF", &[0; 4])]);
        let at = lying.len() - 8;
        lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(read(&lying).is_err());
        let mut partition = file(&[lossy(16, 8)]);
        partition[22] = 0xff;
        assert!(read(&partition).is_err());
    }

    #[test]
    fn alpha_is_of_the_size_of_its_frame() {
        let plane = |body: &[u8]| {
            read(&file(&[canvas(0x10, 4, 2), chunk(b"ALPH", body), lossy(4, 2)])).is_ok()
        };
        assert!(plane(&[0; 9]));
        assert!(!plane(&[0; 8]));
        assert!(plane(&[1]));
        assert!(!plane(&[2; 9]));
        assert!(!plane(&[]));
        let bytes = file(&[canvas(0x10, 4, 2), lossy(4, 2)]);
        assert!(!read(&bytes).unwrap().has_alpha);
    }

    #[test]
    fn chunks_without_number_are_refused_and_those_of_others_are_passed() {
        let expected = rgb(&encoded()).unwrap();
        let other = chunk(b"abcd", b"efg");
        let with = |count: usize| file(&[canvas(0x2c, 3, 2), other.repeat(count), lossless()]);
        assert_eq!(rgb(&with(5000)), Ok(expected));
        let error = rgb(&with(MOST_CHUNKS)).unwrap_err();
        assert!(matches!(error, DecodeError::TooMany { .. }), "{error}");
    }

    #[test]
    fn a_picture_is_the_same_plain_extended_and_as_the_first_frame() {
        let plain = rgb(&encoded()).unwrap();
        assert_eq!(plain, (0..18).map(|value| value * 13).collect::<Vec<u8>>());
        let exif =
            chunk(b"EXIF", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0");
        let mut profile = vec![0; 200];
        profile[16..20].copy_from_slice(b"RGB ");
        let iccp = chunk(b"ICCP", &profile);
        let extended = file(&[canvas(0x28, 3, 2), iccp, lossless(), exif]);
        assert_eq!(rgb(&extended), Ok(plain.clone()));
        assert_eq!(read_header(&extended).unwrap().orientation, Orientation::Rotate90);
        assert_eq!(decode(&extended).unwrap().colour_profile, Some(profile));
        let broken = frame(9, 9, (200, 200), &[lossy(3, 3)]);
        let first = frame(0, 0, (3, 2), &[lossless()]);
        let anim = chunk(b"ANIM", &[0; 6]);
        assert_eq!(rgb(&file(&[canvas(0x02, 3, 2), anim, first, broken])), Ok(plain));
    }

    #[test]
    fn the_largest_lossless_width_is_read() {
        let mut body = vec![0x2f];
        body.extend((16_383_u32 | 4 << 14).to_le_bytes());
        let bytes = file(&[chunk(b"VP8L", &body)]);
        let checked = read_header(&bytes).unwrap();
        assert_eq!((checked.width, checked.height), (16_384, 5));
        assert!(matches!(decode(&bytes), Err(DecodeError::Corrupt { .. })));
    }

    #[test]
    fn every_cut_is_an_error_or_the_same_picture() {
        let whole = file(&[canvas(0, 3, 2), lossless(), chunk(b"XMP ", b"odd")]);
        let expected = rgb(&whole).unwrap();
        for length in 12..whole.len() {
            if let Ok(pixels) = rgb(&whole[..length]) {
                assert_eq!(pixels, expected, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            animated: bool,
        ) {
            let first = frame(0, 0, (3, 2), &[lossless()]);
            let mut bytes = if animated {
                file(&[canvas(0x12, 3, 2), first])
            } else {
                file(&[canvas(0x10, 3, 2), chunk(b"ALPH", &[0; 7]), lossy(3, 2)])
            };
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read_header(&bytes);
            if let Ok(picture) = read(&bytes) {
                let mut given = Vec::new();
                picture.for_decoder().read_to_end(&mut given).unwrap();
                let again = read(&given).unwrap();
                prop_assert_eq!((again.canvas, again.frame), (picture.canvas, picture.frame));
                prop_assert_eq!(again.has_alpha, picture.has_alpha);
            }
        }
    }
}
