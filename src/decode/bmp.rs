//! Windows bitmaps, with the headers of OS/2 1 (12 bytes) and of Windows 3 to 5 (40 to 124 bytes).
//!
//! The only specification of the format is the documentation of `BITMAPFILEHEADER`, `BITMAPCOREHEADER`,
//! `BITMAPINFOHEADER` and their successors; the names here come from it. The decoder gets the headers, the palette and
//! the pixels, and nothing that may lie between or behind them.
//!
//! image 0.25.10 does not limit what its bitmap decoder allocates. The checks here can go when it compares the size
//! with the pixels in the file, and with a limit, before it allocates anything.

use std::io::BufReader;

use bytes::Bytes;
use image::ColorType;
use image::codecs::bmp::BmpDecoder;
use image::metadata::Orientation;

use super::spliced::Spliced;
use super::stored::{Checked, Stored};
use super::{DecodeError, Format, raster};

const READ_BYTES: usize = 64 << 10;

/// `BITMAPFILEHEADER`.
const FILE_HEADER_BYTES: usize = 14;

/// The largest side that the decoder takes, in pixels: `MAX_WIDTH_HEIGHT` of image 0.25.10.
const MOST_SIDE_PIXELS: u32 = 65_535;

/// Checks the headers, and that plain pixels are all there.
pub(super) fn read_header(file: &Bytes) -> Result<Checked<Picture>, DecodeError> {
    let picture = Picture::read(file)?;
    let Info { width, height, .. } = picture.info;
    let pixels = u64::from(width) * u64::from(height);
    let channels = if picture.info.has_alpha { 4 } else { 3 };
    Ok(Checked {
        width,
        height,
        orientation: Orientation::NoTransforms,
        decode_bytes: pixels.saturating_mul(channels).saturating_add(working_bytes(&picture)),
        decode_time: raster::time(pixels, nanoseconds(&picture.info)),
        picture,
    })
}

/// Decodes the pixels.
pub(super) fn decode(picture: &Picture) -> Result<Stored, DecodeError> {
    let size = (picture.info.width, picture.info.height);
    if size.0.max(size.1) > MOST_SIDE_PIXELS {
        let detail = format!("a side of more than {MOST_SIDE_PIXELS} pixels");
        return Err(DecodeError::unsupported(Format::Bmp, detail));
    }
    // The decoder reads a few bytes at a time.
    let file = BufReader::with_capacity(READ_BYTES, picture.for_decoder());
    let decoder =
        BmpDecoder::new(file).map_err(|error| DecodeError::from_image(Format::Bmp, error))?;
    let mut samples = raster::run(Format::Bmp, decoder, size, working_bytes(picture))?;
    if samples.color == ColorType::Rgba8 {
        make_opaque_if_unseen(&mut samples.bytes);
    }
    raster::to_stored(Format::Bmp, samples, size)
}

/// Writers that know no alpha leave it zero, whatever mask their header has for it: as browsers do,
/// a picture of which nothing could be seen is shown without its alpha.
fn make_opaque_if_unseen(rgba: &mut [u8]) {
    let (pixels, _) = rgba.as_chunks_mut::<4>();
    if pixels.iter().all(|pixel| pixel[3] == 0) {
        for pixel in pixels {
            pixel[3] = 255;
        }
    }
}

/// A row of indices, and small buffers.
fn working_bytes(picture: &Picture) -> u64 {
    u64::from(picture.info.width).saturating_add(raster::SMALL_BUFFERS_BYTES)
}

/// Of a pixel; runs as of those that are no longer than they have to be.
fn nanoseconds(info: &Info) -> u64 {
    match (info.compression, info.bits) {
        (Compression::Rows, 1..=8) => 4,
        (Compression::Rows, 24) => 8,
        (Compression::Rows, _) if info.has_alpha => 22,
        (Compression::Rows | Compression::Runs, _) => 16,
    }
}

/// How the pixels are stored: those of the values of `biCompression` that are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    /// `BI_RGB` and `BI_BITFIELDS`: rows of equal length.
    Rows,
    /// `BI_RLE8` and `BI_RLE4`.
    Runs,
}

/// What the header says.
#[derive(Clone, Copy, Debug)]
struct Info {
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
    /// `biBitCount`.
    bits: u16,
    compression: Compression,
    /// Whether there is a mask for alpha.
    has_alpha: bool,
    /// Bytes of masks behind the header, and of the palette.
    tables_bytes: usize,
}

/// The parts of a file.
#[derive(Debug)]
pub(super) struct Picture {
    info: Info,
    /// Both headers, masks and palette.
    head: Bytes,
    /// The pixels, and for runs what follows them.
    pixels: Bytes,
}

impl Picture {
    fn read(bytes: &Bytes) -> Result<Self, DecodeError> {
        let header_bytes = u32_at(bytes, 14)?;
        let info = match header_bytes {
            12 => core_header(bytes)?,
            40 | 52 | 56 | 108 | 124 => info_header(bytes, header_bytes)?,
            0..12 => return Err(corrupt("its header is too short")),
            _ => {
                let detail = format!("a header of {header_bytes} bytes");
                return Err(DecodeError::unsupported(Format::Bmp, detail));
            }
        };
        let head_bytes = FILE_HEADER_BYTES + header_bytes as usize + info.tables_bytes;
        let head = bytes.get(..head_bytes).ok_or_else(cut_off)?;
        let pixels = usize::try_from(u32_at(bytes, 10)?).ok().and_then(|at| bytes.get(at..));
        let mut pixels = pixels.ok_or_else(cut_off)?;
        if info.compression == Compression::Rows {
            let row = (u64::from(info.width) * u64::from(info.bits)).div_ceil(32) * 4;
            let length = usize::try_from(row.saturating_mul(info.height.into())).ok();
            pixels = length.and_then(|length| pixels.get(..length)).ok_or_else(cut_off)?;
        }
        Ok(Self { info, head: bytes.slice_ref(head), pixels: bytes.slice_ref(pixels) })
    }

    /// The headers with the pixels right behind them, as a file.
    fn for_decoder(&self) -> Spliced<'_> {
        let mut file = Spliced::default();
        // Nothing reads the file's length or the reserved bytes; the offset is that of the pixels.
        let offset = u32::try_from(self.head.len()).unwrap_or(u32::MAX);
        file.push([b"BM\0\0\0\0\0\0\0\0".as_slice(), &offset.to_le_bytes()].concat());
        file.push(self.head.get(FILE_HEADER_BYTES..).unwrap_or_default());
        file.push(&self.pixels[..]);
        file
    }
}

/// `BITMAPCOREHEADER`: sides of 16 bits, three bytes a colour.
fn core_header(bytes: &[u8]) -> Result<Info, DecodeError> {
    let bits = u16_at(bytes, 24)?;
    let tables_bytes = match bits {
        1 | 4 | 8 => 3 << bits,
        24 => 0,
        _ => return Err(corrupt(&format!("{bits} bits a pixel"))),
    };
    Ok(Info {
        width: u16_at(bytes, 18)?.into(),
        height: u16_at(bytes, 20)?.into(),
        bits,
        compression: Compression::Rows,
        has_alpha: false,
        tables_bytes,
    })
}

/// `BITMAPINFOHEADER` and its successors, which begin like it.
fn info_header(bytes: &[u8], header_bytes: u32) -> Result<Info, DecodeError> {
    let width = u32_at(bytes, 18)?;
    // Negative when the first row is the topmost.
    let height = u32_at(bytes, 22)?.cast_signed();
    if width.cast_signed() < 0 {
        return Err(corrupt("its width is negative"));
    }
    let (bits, compression) = (u16_at(bytes, 28)?, u32_at(bytes, 30)?);
    let stored = match (compression, bits) {
        (0, 1 | 2 | 4 | 8 | 16 | 24 | 32) | (3, 16 | 32) => Compression::Rows,
        (1, 8) | (2, 4) => Compression::Runs,
        (0..=3, _) => return Err(corrupt(&format!("{bits} bits a pixel"))),
        _ => return Err(DecodeError::unsupported(Format::Bmp, compression_name(compression))),
    };
    if height < 0 && stored == Compression::Runs {
        return Err(corrupt("its rows are compressed from the top down"));
    }
    let has_masks = compression == 3;
    let tables_bytes = match bits {
        1..=8 => 4 * colours(bytes, bits)?,
        // A successor has the masks within.
        _ if has_masks && header_bytes == 40 => 12,
        _ => 0,
    };
    Ok(Info {
        width,
        height: height.unsigned_abs(),
        bits,
        compression: stored,
        has_alpha: has_masks && header_bytes >= 56 && u32_at(bytes, 66)? != 0,
        tables_bytes,
    })
}

/// How many colours the palette has.
fn colours(bytes: &[u8], bits: u16) -> Result<usize, DecodeError> {
    let most = 1 << bits;
    match usize::try_from(u32_at(bytes, 46)?) {
        Ok(0) => Ok(most),
        Ok(used) if used <= most => Ok(used),
        _ => Err(corrupt("its palette has more colours than its pixels can tell apart")),
    }
}

fn compression_name(compression: u32) -> String {
    match compression {
        4 => "it is a JPEG within a BMP".to_owned(),
        5 => "it is a PNG within a BMP".to_owned(),
        6 => "its masks are of the kind BI_ALPHABITFIELDS".to_owned(),
        11..=13 => "its colours are CMYK".to_owned(),
        _ => format!("it is compressed in a way of number {compression}"),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, DecodeError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map(|field| u16::from_le_bytes(*field)).ok_or_else(cut_off)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, DecodeError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map(|field| u32::from_le_bytes(*field)).ok_or_else(cut_off)
}

fn cut_off() -> DecodeError {
    corrupt("it ends before its picture does")
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::Bmp, detail)
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

    const RGBA_MASKS: [u32; 4] = [0xff_0000, 0xff00, 0xff, 0xff00_0000];

    /// A file with a header of `header_bytes`, its tail filled with `tail`.
    fn file(
        header_bytes: u32,
        (width, height): (i32, i32),
        (bits, compression): (u16, u32),
        tail: &[u8],
        pixels: &[u8],
    ) -> Vec<u8> {
        let mut header = header_bytes.to_le_bytes().to_vec();
        header.extend(width.to_le_bytes());
        header.extend(height.to_le_bytes());
        header.extend([1, 0]);
        header.extend(bits.to_le_bytes());
        header.extend(compression.to_le_bytes());
        header.extend([0; 20]);
        header.extend(tail);
        header.resize(header.len().max(header_bytes as usize), 0);
        let offset = u32::try_from(FILE_HEADER_BYTES + header.len()).unwrap();
        [b"BM\0\0\0\0\0\0\0\0".as_slice(), &offset.to_le_bytes(), &header, pixels].concat()
    }

    fn masks(count: usize) -> Vec<u8> {
        RGBA_MASKS.iter().take(count).flat_map(|mask| mask.to_le_bytes()).collect()
    }

    fn rgb(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let checked = read_header(bytes)?;
        let pixels = decode(bytes)?.pixels;
        assert_eq!(pixels.dimensions(), (checked.width, checked.height));
        Ok(pixels.into_raw())
    }

    #[test]
    fn alpha_that_is_zero_everywhere_is_none() {
        for header_bytes in [56, 108, 124] {
            let alpha = |first: u8, second: u8| {
                let pixels = [30, 20, 10, first, 60, 50, 40, second];
                rgb(&file(header_bytes, (2, 1), (32, 3), &masks(4), &pixels)).unwrap()
            };
            assert_eq!(alpha(0, 0), [10, 20, 30, 40, 50, 60]);
            assert_eq!(alpha(255, 255), [10, 20, 30, 40, 50, 60]);
            assert_eq!(alpha(0, 255), [255, 255, 255, 40, 50, 60]);
        }
        let pixels = [30, 20, 10, 0, 60, 50, 40, 0];
        for (header_bytes, kind, tail) in
            [(40, (32, 0), vec![]), (40, (32, 3), masks(3)), (52, (32, 3), masks(3))]
        {
            let bytes = file(header_bytes, (2, 1), kind, &tail, &pixels);
            assert_eq!(rgb(&bytes), Ok(vec![10, 20, 30, 40, 50, 60]), "{header_bytes} {kind:?}");
        }
    }

    #[test]
    fn rows_go_up_or_down() {
        let pixels = [3, 2, 1, 0, 6, 5, 4, 0];
        let up = file(40, (1, 2), (24, 0), &[], &pixels);
        assert_eq!(rgb(&up), Ok(vec![4, 5, 6, 1, 2, 3]));
        let down = file(40, (1, -2), (24, 0), &[], &pixels);
        assert_eq!(rgb(&down), Ok(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn the_header_of_os2_is_read() {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0\x20\0\0\0\x0c\0\0\0\x02\0\x01\0\x01\0\x01\0".to_vec();
        bytes.extend([3, 2, 1, 6, 5, 4]);
        bytes.extend([0x40, 0, 0, 0]);
        assert_eq!(rgb(&bytes), Ok(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn runs_give_many_pixels_from_few_bytes() {
        let mut palette = vec![0; 4 * 256];
        palette[4..7].copy_from_slice(&[3, 2, 1]);
        let runs = [200, 1, 0, 0, 0, 1];
        let bytes = file(40, (200, 300), (8, 1), &palette, &runs);
        let pixels = rgb(&bytes).unwrap();
        let last_row = 200 * 299 * 3;
        assert_eq!(pixels[last_row..last_row + 3], [1, 2, 3]);
        assert!(pixels[..last_row].iter().all(|&level| level == 0));
        assert!(rgb(&bytes[..bytes.len() - 2]).is_err());
    }

    #[test]
    fn pixels_may_lie_anywhere_behind_the_headers() {
        let mut bytes = file(40, (1, 1), (24, 0), &[], &[9; 8]);
        bytes[10] = 58;
        bytes[58..61].copy_from_slice(&[3, 2, 1]);
        assert_eq!(rgb(&bytes), Ok(vec![1, 2, 3]));
        bytes[10] = 59;
        assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })));
        bytes[13] = 0xff;
        assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })));
    }

    #[test]
    fn sizes_without_pixels_behind_them_are_damage_before_anything_is_reserved() {
        for (bits, compression) in [(1, 0), (8, 0), (24, 0), (32, 0)] {
            let tail = vec![0; 1024];
            let bytes = file(40, (i32::MAX, i32::MIN), (bits, compression), &tail, &[0; 64]);
            assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })), "{bits}");
        }
    }

    #[test]
    fn what_is_compressed_otherwise_is_named() {
        for (compression, expected) in [(4, "JPEG"), (5, "PNG"), (6, "ALPHA"), (11, "CMYK")] {
            let error =
                read_header(&file(40, (1, 1), (32, compression), &[], &[0; 9])).unwrap_err();
            assert!(matches!(error, DecodeError::UnsupportedFeature { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let error = read_header(&file(64, (1, 1), (24, 0), &[], &[0; 9])).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedFeature { .. }), "{error}");
        for kind in [(3, 0), (24, 3), (4, 1), (8, 2)] {
            let error = read_header(&file(40, (1, 1), kind, &[], &[0; 9])).unwrap_err();
            assert!(matches!(error, DecodeError::Corrupt { .. }), "{error}");
        }
    }

    #[test]
    fn every_cut_is_an_error_or_the_same_picture() {
        for bytes in [
            file(124, (2, 1), (32, 3), &masks(4), &[1, 2, 3, 4, 5, 6, 7, 8]),
            file(40, (3, 1), (8, 1), &[7; 1024], &[3, 1, 0, 1]),
        ] {
            let whole = rgb(&bytes).unwrap();
            for length in 2..bytes.len() {
                if let Ok(pixels) = rgb(&bytes[..length]) {
                    assert_eq!(pixels, whole, "{length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(
            changes in prop::collection::vec((0_usize..70, any::<u8>()), 1..6), runs: bool,
        ) {
            let kind = if runs { (8, 1) } else { (32, 3) };
            let mut bytes = file(124, (2, 1), kind, &[masks(4), vec![0; 1024]].concat(), &[2; 64]);
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if let Ok(checked) = read_header(&bytes)
                && u64::from(checked.width) * u64::from(checked.height) < 1 << 16
                && checked.width > 0 && checked.height > 0
            {
                let _ = decode(&bytes);
            }
        }
    }
}
