//! PNG (ISO/IEC 15948), the default image of an animated one.
//!
//! This module walks the chunks and gives the decoder only those that the pixels depend on: IHDR, PLTE, tRNS, the first
//! run of IDAT, and an IEND. So texts, profiles and animations of any size and number cost nothing. The metadata that
//! is needed is read here, under limits.
//!
//! png 0.18.1 reads texts, profiles and whole chunks under the same limit as its rows, so a large text makes a small
//! picture fail. The walk can go when it skips unrequested chunks without keeping them.

mod chunks;
mod metadata;
mod rows;

use bytes::Bytes;

pub(super) use self::chunks::Picture;

use self::chunks::Colour;
use super::stored::{Checked, Stored};
use super::{DecodeError, raster, rgb};

/// Nanoseconds a pixel, to widen it and make it RGB.
const PIXEL_NANOSECONDS: u64 = 4;
/// Nanoseconds a pixel more, when it comes in seven passes.
const INTERLACED_NANOSECONDS: u64 = 4;
/// Nanoseconds a byte of the decoder's output, to unfilter it.
const BYTE_NANOSECONDS: u64 = 3;
/// Nanoseconds a byte of the output more, where it is not inflated in long runs.
const LITERAL_NANOSECONDS: u64 = 4;
/// Bytes of the output that a deflated byte gives at least, where it is inflated in long runs.
const RUN_BYTES: u64 = 8;

/// Checks the chunks, and reads size and orientation.
pub(super) fn read_header(file: &Bytes) -> Result<Checked<Picture>, DecodeError> {
    let picture = Picture::read(file)?;
    let header = picture.header;
    let pixels = u64::from(header.width) * u64::from(header.height);
    let output = pixels.saturating_mul(bytes_a_pixel(&picture));
    let profile = if picture.profile.is_some() { metadata::MOST_PROFILE_BYTES } else { 0 };
    let literal = output.min(picture.deflated_bytes().saturating_mul(RUN_BYTES));
    let passes = if header.interlaced { INTERLACED_NANOSECONDS } else { 0 };
    Ok(Checked {
        width: header.width,
        height: header.height,
        orientation: metadata::orientation(&picture),
        decode_bytes: pixels
            .saturating_mul(rgb::RGB_BYTES)
            .saturating_add(working_bytes(&picture))
            .saturating_add(profile),
        decode_time: raster::time(output, BYTE_NANOSECONDS)
            .saturating_add(raster::time(literal, LITERAL_NANOSECONDS))
            .saturating_add(raster::time(pixels, PIXEL_NANOSECONDS + passes)),
        picture,
    })
}

/// Decodes as stored (the orientation not applied).
pub(super) fn decode(picture: &Picture) -> Result<Stored, DecodeError> {
    let size = (picture.header.width, picture.header.height);
    let pixels = rows::decode(picture.for_decoder(), size, working_bytes(picture))?;
    let mut stored = Stored::from(pixels);
    stored.colour_profile = metadata::profile(picture);
    Ok(stored)
}

/// Bytes a pixel of the decoder's output: palettes become colours, less than 8 bits become 8, and a
/// tRNS becomes a channel of alpha.
fn bytes_a_pixel(picture: &Picture) -> u64 {
    let transparent = u64::from(picture.has_transparency);
    let channels = match picture.header.colour {
        Colour::Grey => 1 + transparent,
        Colour::GreyAlpha => 2,
        Colour::Rgb | Colour::Palette => 3 + transparent,
        Colour::Rgba => 4,
    };
    channels * if picture.header.depth == 16 { 2 } else { 1 }
}

/// Rows before and after they are unfiltered, widened and made RGB, as buffers that grow by doubling.
fn working_bytes(picture: &Picture) -> u64 {
    let row = u64::from(picture.header.width).saturating_mul(bytes_a_pixel(picture));
    row.saturating_mul(16).saturating_add(raster::SMALL_BUFFERS_BYTES)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use image::metadata::Orientation;
    use proptest::prelude::*;

    use super::*;

    fn read_header(bytes: &[u8]) -> Result<Checked<Picture>, DecodeError> {
        super::read_header(&Bytes::copy_from_slice(bytes))
    }

    fn decode(bytes: &[u8]) -> Result<Stored, DecodeError> {
        super::decode(&read_header(bytes)?.picture)
    }

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(body);
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length, kind.as_slice(), body, &crc.sum().to_be_bytes()].concat()
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn ihdr(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        chunk(b"IHDR", &[size.as_slice(), &[depth, colour, 0, 0, 0]].concat())
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat()
    }

    /// 2 x 2, grey: 10, 20; 30, 40.
    fn pixels() -> Vec<u8> {
        chunk(b"IDAT", &deflated(&[0, 10, 20, 0, 30, 40]))
    }

    /// With `before` in front of the pixels and `behind` after them.
    fn grey(before: &[Vec<u8>], behind: &[Vec<u8>]) -> Vec<u8> {
        let head = [ihdr(2, 2, 8, 0), before.concat(), pixels()].concat();
        file(&[head, behind.concat(), chunk(b"IEND", b"")])
    }

    fn grey_levels(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let header = read_header(bytes)?;
        assert_eq!((header.width, header.height), (2, 2));
        Ok(decode(bytes)?.pixels.pixels().map(|pixel| pixel.0[0]).collect())
    }

    /// A directory with nothing but an orientation (EXIF 2.32, 4.6.2).
    fn exif(orientation: u8) -> Vec<u8> {
        let mut bytes = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        bytes.extend([orientation, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn raw_profile(exif: &[u8]) -> String {
        let hex: String = exif.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\nexif\n{:8}\n{}\n{}\n", exif.len(), &hex[..20], &hex[20..])
    }

    fn keyword(text: &[u8]) -> Vec<u8> {
        [b"Raw profile type exif\0".as_slice(), text].concat()
    }

    #[test]
    fn metadata_of_any_size_and_number_changes_nothing() {
        let plain = grey_levels(&grey(&[], &[])).unwrap();
        assert_eq!(plain, [10, 20, 30, 40]);
        let xmp = [b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), &vec![b' '; 3 << 20]].concat();
        let xmp = chunk(b"iTXt", &xmp);
        let million = vec![chunk(b"tEXt", b"a\0b"); 1_000_000];
        let animated = [chunk(b"acTL", &[0, 0, 0, 9, 0, 0, 0, 0]), chunk(b"fcTL", &[0; 26])];
        for extra in [&[xmp][..], &million, &animated, &[chunk(b"gAMA", &[0; 900])]] {
            assert_eq!(grey_levels(&grey(extra, &[])), Ok(plain.clone()));
            assert_eq!(grey_levels(&grey(&[], extra)), Ok(plain.clone()));
        }
        let with_tail = [grey(&[], &[]), vec![0x55; 1000]].concat();
        assert_eq!(grey_levels(&with_tail), Ok(plain));
    }

    #[test]
    fn the_pieces_for_the_decoder_do_not_grow_with_the_file() {
        let empty = vec![chunk(b"IDAT", b""); 10_000];
        let bytes = grey(&[vec![chunk(b"tEXt", b"a\0b"); 10_000].concat()], &empty);
        assert_eq!(grey_levels(&bytes), Ok(vec![10, 20, 30, 40]));
        assert!(read_header(&bytes).unwrap().picture.pieces() <= 5);
    }

    #[test]
    fn orientation_comes_from_exif_or_else_from_the_raw_profile() {
        let eight = raw_profile(&exif(8));
        let text = chunk(b"tEXt", &keyword(eight.as_bytes()));
        let zipped = keyword(&[b"\0".as_slice(), &deflated(eight.as_bytes())].concat());
        let itxt = keyword(&[b"\x01\0en\0\0".as_slice(), &deflated(eight.as_bytes())].concat());
        let plain_itxt = keyword(&[b"\0\0en\0exif\0", eight.as_bytes()].concat());
        let six = chunk(b"eXIf", &exif(6));
        let prefixed = chunk(b"eXIf", &[b"Exif\0\0", exif(6).as_slice()].concat());
        for (chunks, expected) in [
            (vec![text.clone()], Orientation::Rotate270),
            (vec![chunk(b"zTXt", &zipped)], Orientation::Rotate270),
            (vec![chunk(b"iTXt", &itxt)], Orientation::Rotate270),
            (vec![chunk(b"iTXt", &plain_itxt)], Orientation::Rotate270),
            (vec![six.clone()], Orientation::Rotate90),
            (vec![prefixed], Orientation::Rotate90),
            (vec![text.clone(), six.clone()], Orientation::Rotate90),
            (vec![six, text], Orientation::Rotate90),
            (vec![chunk(b"tEXt", b"Title\0\nexif\n 2\n0000\n")], Orientation::NoTransforms),
        ] {
            assert_eq!(read_header(&grey(&chunks, &[])).unwrap().orientation, expected);
            assert_eq!(read_header(&grey(&[], &chunks)).unwrap().orientation, expected);
        }
    }

    #[test]
    fn texts_and_profiles_that_inflate_beyond_their_limit_are_ignored() {
        let bomb = deflated(&vec![b' '; 64 << 20]);
        let text = keyword(&[b"\0".as_slice(), &bomb].concat());
        let profile = [b"icc\0\0".as_slice(), &bomb].concat();
        let bytes = grey(&[chunk(b"zTXt", &text), chunk(b"iCCP", &profile)], &[]);
        assert_eq!(read_header(&bytes).unwrap().orientation, Orientation::NoTransforms);
        assert_eq!(grey_levels(&bytes), Ok(vec![10, 20, 30, 40]));
        let pixels = chunk(b"IDAT", &deflated(&[0, 1, 2, 3]));
        let rgb = |profile: &[u8]| {
            let profile = chunk(b"iCCP", &[b"icc\0\0", profile].concat());
            let head = [ihdr(1, 1, 8, 2), profile].concat();
            decode(&file(&[head, pixels.clone(), chunk(b"IEND", b"")])).unwrap().colour_profile
        };
        let mut profile = vec![0; 200];
        profile[16..20].copy_from_slice(b"RGB ");
        assert_eq!(rgb(&deflated(&profile)), Some(profile.clone()));
        profile[16..20].copy_from_slice(b"GRAY");
        assert_eq!(rgb(&deflated(&profile)), None);
        assert_eq!(rgb(&bomb), None);
        assert_eq!(rgb(b"not deflated"), None);
    }

    #[test]
    fn transparency_is_over_white_and_counted() {
        let end = chunk(b"IEND", b"");
        let plte = chunk(b"PLTE", &[1, 2, 3, 4, 5, 6]);
        let trns = chunk(b"tRNS", &[0]);
        let pixels = chunk(b"IDAT", &deflated(&[0, 0b0100_0000]));
        let bytes = file(&[ihdr(2, 1, 1, 3), plte.clone(), trns, pixels.clone(), end.clone()]);
        assert_eq!(decode(&bytes).unwrap().pixels.as_raw(), &[255, 255, 255, 4, 5, 6]);
        let opaque = file(&[ihdr(2, 1, 1, 3), plte, pixels.clone(), end.clone()]);
        assert_eq!(decode(&opaque).unwrap().pixels.as_raw(), &[1, 2, 3, 4, 5, 6]);
        let (more, less) = (read_header(&bytes).unwrap(), read_header(&opaque).unwrap());
        assert!(more.decode_bytes > less.decode_bytes);
        assert!(read_header(&file(&[ihdr(2, 1, 1, 3), pixels, end])).is_err());
    }

    /// Passes 1, 4, 6 and 7 have pixels of a picture of 3 x 2 (8.2).
    #[test]
    fn interlaced_pixels_come_to_their_places() {
        let passes: [&[u8]; 4] = [&[10], &[30], &[20], &[40, 50, 60]];
        for depth in [8, 16] {
            let widen = |level: &u8| vec![*level; usize::from(depth) / 8];
            let row = |levels: &&[u8]| [vec![0], levels.iter().flat_map(widen).collect()].concat();
            let pixels: Vec<u8> = passes.iter().flat_map(row).collect();
            let sides = [3_u32.to_be_bytes(), 2_u32.to_be_bytes()].concat();
            let ihdr = chunk(b"IHDR", &[sides.as_slice(), &[depth, 0, 0, 0, 1]].concat());
            let bytes = file(&[ihdr, chunk(b"IDAT", &deflated(&pixels)), chunk(b"IEND", b"")]);
            let decoded = decode(&bytes).unwrap().pixels;
            let expected: Vec<u8> = [10, 20, 30, 40, 50, 60].iter().flat_map(|l| [*l; 3]).collect();
            assert_eq!(decoded.as_raw(), &expected, "{depth} bits");
        }
    }

    /// Whatever a pixel takes in the file, three bytes of it are held.
    #[test]
    fn wide_samples_take_no_more_memory_than_narrow_ones() {
        let large = |depth: u8, colour: u8| {
            let bytes = file(&[ihdr(4000, 4000, depth, colour), pixels(), chunk(b"IEND", b"")]);
            read_header(&bytes).unwrap().decode_bytes
        };
        let rgb_bytes = 4000 * 4000 * 3;
        for (depth, colour) in [(1, 0), (8, 2), (16, 2), (16, 4), (16, 6)] {
            let bytes = large(depth, colour);
            assert!((rgb_bytes..rgb_bytes + (4 << 20)).contains(&bytes), "{bytes}");
        }
    }

    #[test]
    fn lengths_that_lie_are_damage() {
        let whole = grey(&[chunk(b"tEXt", b"a\0b")], &[]);
        for at in [8, 33, 49] {
            let mut bytes = whole.clone();
            bytes[at] = 0x7f;
            assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })), "{at}");
            bytes[at..at + 4].fill(0xff);
            assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })), "{at}");
        }
    }

    #[test]
    fn combinations_that_the_format_does_not_have_are_damage() {
        let end = chunk(b"IEND", b"");
        for (depth, colour) in [(3, 0), (16, 3), (4, 2), (8, 1), (8, 5), (2, 6), (8, 7), (0, 0)] {
            let bytes = file(&[ihdr(2, 2, depth, colour), pixels(), end.clone()]);
            assert!(matches!(read_header(&bytes), Err(DecodeError::Corrupt { .. })));
        }
        let apple = file(&[chunk(b"CgBI", &[0x50, 0, 0x20, 2]), ihdr(2, 2, 8, 2), pixels()]);
        let error = read_header(&apple).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedFeature { .. }), "{error}");
    }

    #[test]
    fn every_cut_is_an_error_or_the_same_picture() {
        let whole = grey(&[chunk(b"tEXt", b"a\0b")], &[chunk(b"eXIf", &exif(6))]);
        for length in 8..whole.len() {
            if let Ok(levels) = grey_levels(&whole[..length]) {
                assert_eq!(levels, [10, 20, 30, 40], "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived_within_bounds(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let chunks = [chunk(b"eXIf", &exif(6)), chunk(b"tEXt", &keyword(b"\nexif\n4\n00000000"))];
            let mut bytes = grey(&chunks, &chunks);
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(checked) = read_header(&bytes)
                && checked.width < 100 && checked.height < 100
            {
                let _ = decode(&bytes);
            }
        }
    }
}
