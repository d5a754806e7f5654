//! GIF 87a and 89a, the first frame.
//!
//! This module walks the blocks and gives the decoder only those of the first frame. Comments and application data, of
//! any size and number, cost nothing.
//!
//! gif 0.14.2 keeps XMP and profiles while it reads the header, and image 0.25.10 passes it none of the caller's
//! limits. The walk can go when these limits hold from the first byte.

use bytes::Bytes;
use image::codecs::gif::GifDecoder;
use image::metadata::Orientation;

use super::spliced::Spliced;
use super::stored::{Checked, Stored};
use super::{DecodeError, Format, raster};

/// Nanoseconds a byte of the frame's data, of which the shortest codes make the most.
const DATA_NANOSECONDS: u64 = 10;
/// Nanoseconds a pixel of the frame.
const FRAME_NANOSECONDS: u64 = 2;
/// Nanoseconds a pixel of the frame more, when it is put on a wider screen.
const PLACED_NANOSECONDS: u64 = 8;
/// Nanoseconds a pixel of the screen.
const SCREEN_NANOSECONDS: u64 = 8;

/// Bytes a pixel of the decoder's output.
const RGBA_BYTES: u64 = 4;

/// Walks the blocks up to the first frame.
pub(super) fn read_header(file: &Bytes) -> Result<Checked<Picture>, DecodeError> {
    let picture = Picture::read(file)?;
    let (width, height) = picture.screen();
    let screen = u64::from(width) * u64::from(height);
    let frame = u64::from(picture.frame.width) * u64::from(picture.frame.height);
    let placed = if picture.fills_the_width() { 0 } else { PLACED_NANOSECONDS };
    Ok(Checked {
        width: width.into(),
        height: height.into(),
        orientation: Orientation::NoTransforms,
        decode_bytes: screen.saturating_mul(RGBA_BYTES).saturating_add(picture.working_bytes()),
        decode_time: raster::time(frame, FRAME_NANOSECONDS + placed)
            .saturating_add(raster::time(screen, SCREEN_NANOSECONDS))
            .saturating_add(raster::time(picture.data.len() as u64, DATA_NANOSECONDS)),
        picture,
    })
}

/// Decodes the first frame on its screen.
pub(super) fn decode(picture: &Picture) -> Result<Stored, DecodeError> {
    let (width, height) = picture.screen();
    let size = (width.into(), height.into());
    let decoder = GifDecoder::new(picture.for_decoder())
        .map_err(|error| DecodeError::from_image(Format::Gif, error))?;
    let samples = raster::run(Format::Gif, decoder, size, picture.working_bytes())?;
    raster::to_stored(Format::Gif, samples, size)
}

/// Where the frame lies on the screen (GIF89a, 20), in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    left: u16,
    top: u16,
    width: u16,
    height: u16,
}

/// The blocks of the first frame.
#[derive(Debug)]
pub(super) struct Picture {
    signature: Bytes,
    /// The size that the file states (18), in pixels.
    stated: (u16, u16),
    /// Flags, background and aspect ratio of the screen descriptor.
    screen_flags: [u8; 3],
    global_colours: Bytes,
    /// The graphic control extension's block (23).
    control: Option<[u8; 4]>,
    frame: Frame,
    frame_flags: u8,
    /// The local colour table and what follows it, up to the end of the frame's data.
    data: Bytes,
    /// Whether the data has its end within the file.
    is_whole: bool,
}

impl Picture {
    fn read(file: &Bytes) -> Result<Self, DecodeError> {
        let mut rest = &file[..];
        let signature = take(&mut rest, 6)?;
        let [w0, w1, h0, h1, screen_flags @ ..] = *take_array::<7>(&mut rest)?;
        let global_colours = take(&mut rest, colours_bytes(screen_flags[0]))?;
        let mut control = None;
        loop {
            match take_array::<1>(&mut rest)? {
                b"," => break,
                b"!" => {
                    let [label] = *take_array(&mut rest)?;
                    let first = skip_blocks(&mut rest)?;
                    if label == GRAPHIC_CONTROL {
                        control = first.first_chunk().copied().or(control);
                    }
                }
                // Some writers leave an empty block between others.
                b"\0" => {}
                b";" => return Err(corrupt("it has no picture")),
                _ => return Err(corrupt("it has a block of an unknown kind")),
            }
        }
        let [l0, l1, t0, t1, w2, w3, h2, h3, frame_flags] = *take_array(&mut rest)?;
        let frame = Frame {
            left: u16::from_le_bytes([l0, l1]),
            top: u16::from_le_bytes([t0, t1]),
            width: u16::from_le_bytes([w2, w3]),
            height: u16::from_le_bytes([h2, h3]),
        };
        let begin = rest;
        take(&mut rest, colours_bytes(frame_flags))?;
        take(&mut rest, 1)?;
        let is_whole = skip_blocks(&mut rest).is_ok();
        let left_over = if is_whole { rest.len() } else { 0 };
        let picture = Self {
            signature: file.slice_ref(signature),
            stated: (u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1])),
            screen_flags,
            global_colours: file.slice_ref(global_colours),
            control,
            frame,
            frame_flags,
            data: file.slice_ref(&begin[..begin.len() - left_over]),
            is_whole,
        };
        picture.placed()
    }

    /// The frame where browsers put it: a screen that is smaller than the frame, or none, counts for
    /// nothing, and neither does the place on it.
    fn placed(mut self) -> Result<Self, DecodeError> {
        let Frame { width, height, .. } = self.frame;
        if width == 0 || height == 0 {
            return Err(corrupt(&format!("its frame is {width} x {height} pixels")));
        }
        if self.stated.0 < width || self.stated.1 < height {
            self.frame = Frame { left: 0, top: 0, width, height };
            self.stated = (width, height);
        }
        // A screen of more than 65,535 pixels on a side cannot be written down for the decoder.
        let fits = |at: u16, side: u16| at.checked_add(side).is_some();
        if !fits(self.frame.left, width) || !fits(self.frame.top, height) {
            return Err(DecodeError::unsupported(Format::Gif, "its frame is far off its screen"));
        }
        Ok(self)
    }

    /// Width and height of the screen, enlarged to contain the whole frame, as browsers do.
    fn screen(&self) -> (u16, u16) {
        let Frame { left, top, width, height } = self.frame;
        let (right, bottom) = (left.saturating_add(width), top.saturating_add(height));
        (self.stated.0.max(right), self.stated.1.max(bottom))
    }

    /// Whether the frame is decoded where it belongs, and not copied there.
    fn fills_the_width(&self) -> bool {
        self.frame.left == 0 && self.frame.width == self.screen().0
    }

    /// The frame's indices and, where it does not fill the width of the screen, its colours.
    fn working_bytes(&self) -> u64 {
        let Frame { width, height, .. } = self.frame;
        let frame = u64::from(width) * u64::from(height);
        let colours = if self.fills_the_width() { 0 } else { RGBA_BYTES };
        frame.saturating_mul(1 + colours).saturating_add(raster::SMALL_BUFFERS_BYTES)
    }

    /// The first frame alone, as a file.
    fn for_decoder(&self) -> Spliced<'_> {
        let (width, height) = self.screen();
        let Frame { left, top, width: frame_width, height: frame_height } = self.frame;
        let mut file = Spliced::default();
        file.push(&self.signature[..]);
        file.push([&le(&[width, height]), self.screen_flags.as_slice()].concat());
        file.push(&self.global_colours[..]);
        if let Some([flags, d0, d1, transparent]) = self.control {
            file.push(vec![b'!', GRAPHIC_CONTROL, 4, flags, d0, d1, transparent, 0]);
        }
        let mut descriptor = vec![b','];
        descriptor.extend(le(&[left, top, frame_width, frame_height]));
        descriptor.push(self.frame_flags);
        file.push(descriptor);
        file.push(&self.data[..]);
        // Behind data that is cut off a trailer would be read as data.
        if self.is_whole {
            file.push(b";".as_slice());
        }
        file
    }
}

const GRAPHIC_CONTROL: u8 = 0xf9;

fn le(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Bytes of the colour table that the flags of a descriptor announce (18, 20): none, or three for each
/// of 2 to 256 colours.
fn colours_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Passes sub-blocks and their terminator (15, 16); returns the first.
fn skip_blocks<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let mut first = None;
    loop {
        let [length] = *take_array(rest)?;
        let block = take(rest, length.into())?;
        if block.is_empty() {
            return Ok(first.unwrap_or_default());
        }
        first = first.or(Some(block));
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    rest.split_off(..length).ok_or_else(|| corrupt("it ends before its picture does"))
}

fn take_array<'a, const LENGTH: usize>(
    rest: &mut &'a [u8],
) -> Result<&'a [u8; LENGTH], DecodeError> {
    let taken = take(rest, LENGTH)?;
    taken.first_chunk().ok_or_else(|| corrupt("it ends before its picture does"))
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::Gif, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_header(bytes: &[u8]) -> Result<Checked<Picture>, DecodeError> {
        super::read_header(&Bytes::copy_from_slice(bytes))
    }

    fn decode(bytes: &[u8]) -> Result<Stored, DecodeError> {
        super::decode(&read_header(bytes)?.picture)
    }

    /// The pixels of a frame of 2 x 2, the colours in their order. The codes are 4 (clear), 0, 1, 2 of
    /// three bits, and 3, 5 (end) of four.
    const DATA: [u8; 6] = [2, 3, 0x44, 0x34, 0x05, 0];

    const COLOURS: [u8; 12] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0];

    fn descriptor(left: u16, top: u16, flags: u8) -> Vec<u8> {
        [b",".as_slice(), &le(&[left, top, 2, 2]), &[flags]].concat()
    }

    fn file(screen: (u16, u16), offset: (u16, u16), between: &[u8]) -> Vec<u8> {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend(le(&[screen.0, screen.1]));
        bytes.extend([0x81, 0, 0]);
        bytes.extend(COLOURS);
        bytes.extend(between);
        bytes.extend(descriptor(offset.0, offset.1, 0));
        bytes.extend(DATA);
        bytes.push(b';');
        bytes
    }

    fn pixels(bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), DecodeError> {
        let header = read_header(bytes)?;
        let decoded = decode(bytes)?.pixels;
        assert_eq!((header.width, header.height), decoded.dimensions());
        Ok((header.width, header.height, decoded.into_raw()))
    }

    fn size(screen: (u16, u16), offset: (u16, u16)) -> (u32, u32) {
        let (width, height, _) = pixels(&file(screen, offset, b"")).unwrap();
        (width, height)
    }

    #[test]
    fn the_screen_is_the_one_that_browsers_take() {
        assert_eq!(pixels(&file((2, 2), (0, 0), b"")), Ok((2, 2, COLOURS.to_vec())));
        for (screen, offset) in
            [((0, 0), (0, 0)), ((0, 0), (9, 9)), ((1, 9), (3, 3)), ((9, 1), (1, 1))]
        {
            assert_eq!(pixels(&file(screen, offset, b"")), Ok((2, 2, COLOURS.to_vec())));
        }
        assert_eq!(size((5, 4), (1, 1)), (5, 4));
        assert_eq!(size((5, 4), (4, 1)), (6, 4));
        assert_eq!(size((5, 4), (0, 7)), (5, 9));
        let (_, _, rgb) = pixels(&file((3, 2), (1, 0), b"")).unwrap();
        assert_eq!(rgb[..9], [255, 255, 255, 255, 0, 0, 0, 255, 0]);
    }

    #[test]
    fn a_frame_that_cannot_be_on_any_screen_is_refused() {
        assert!(pixels(&file((9, 9), (u16::MAX, 0), b"")).is_err());
        let mut bytes = file((9, 9), (0, 0), b"");
        let at = bytes.len() - 1 - DATA.len() - 5;
        bytes[at..at + 2].fill(0);
        assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })));
    }

    #[test]
    fn extensions_of_any_size_are_passed_and_the_last_control_counts() {
        let comment =
            [b"!\xfe".to_vec(), [vec![255], vec![b'x'; 255]].concat().repeat(9000), vec![0]];
        let xmp = [b"!\xff\x0bXMP DataXMP".to_vec(), vec![1; 2_000_000], vec![0]].concat();
        let unknown = b"!\x42\x02ab\0".to_vec();
        let control = |flags: u8, index: u8| vec![b'!', 0xf9, 4, flags, 0, 0, index, 0];
        let many = [b"!\xfe\0".repeat(300_000), comment.concat(), xmp, unknown].concat();
        assert_eq!(pixels(&file((2, 2), (0, 0), &many)), Ok((2, 2, COLOURS.to_vec())));
        let between = [control(1, 2), many, control(1, 0)].concat();
        let (_, _, rgb) = pixels(&file((2, 2), (0, 0), &between)).unwrap();
        assert_eq!(rgb[..3], [255; 3]);
        assert_eq!(rgb[3..], COLOURS[3..]);
        let broken = b"!\xf9\x01\x01\0".to_vec();
        let (_, _, rgb) = pixels(&file((2, 2), (0, 0), &[control(1, 0), broken].concat())).unwrap();
        assert_eq!(rgb[..3], [255; 3]);
    }

    #[test]
    fn a_local_colour_table_goes_before_the_global_one() {
        let mut bytes = file((2, 2), (0, 0), b"");
        let at = bytes.len() - 1 - DATA.len();
        bytes[at - 1] = 0x81;
        let local = [9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1];
        bytes.splice(at..at, local);
        assert_eq!(pixels(&bytes), Ok((2, 2, local.to_vec())));
    }

    #[test]
    fn every_cut_is_an_error_or_the_same_picture() {
        let whole = file((2, 2), (0, 0), b"!\xf9\x04\x01\0\0\x09\0!\xfe\x03abc\0");
        for length in 6..whole.len() {
            if let Ok((_, _, rgb)) = pixels(&whole[..length]) {
                assert_eq!(rgb, COLOURS, "{length}");
            }
        }
        assert!(pixels(&whole[..whole.len() - 1]).is_ok());
        assert!(pixels(&whole[..whole.len() - 4]).is_err());
    }

    #[test]
    fn files_without_a_picture_are_damage() {
        for end in [&b";"[..], b"", b"!", b"!\xfe", b"!\xfe\x09abc", b"x", b",\0\0"] {
            let bytes = [b"GIF89a\x02\0\x02\0\0\0\0".as_slice(), end].concat();
            assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })), "{end:?}");
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = file((3, 3), (1, 1), b"!\xf9\x04\x01\0\0\x09\0!\xfe\x03abc\0");
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(checked) = read_header(&bytes)
                && checked.width * checked.height < 1 << 16
            {
                let _ = decode(&bytes);
            }
        }
    }
}
