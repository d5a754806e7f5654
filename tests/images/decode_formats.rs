//! Every format and every way to store a pixel, against what Pillow (libjpeg-turbo, libpng, libwebp,
//! libtiff) decodes from the same bytes; and damaged bytes of every kind.
//!
//! `tests/fixtures/make_fixtures.py` made the files and wrote down what is expected of them.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use googlenet::decode::{
    self, DecodeError, DecodeLimits, Decoded, Format, ImageFile, Warning, decode,
};
use proptest::prelude::*;

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 20, max_side_pixels: 4096 };
const FULL_SCALE: usize = usize::MAX;

struct Fixture {
    name: String,
    bytes: Vec<u8>,
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of fixtures")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rgb"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 50, "{} fixtures", paths.len());
    paths
        .into_iter()
        .map(|expected| {
            let path = expected.with_extension("");
            let file = fs::read(&expected).unwrap();
            let side = |at: usize| u32::from(u16::from_le_bytes([file[at], file[at + 1]]));
            Fixture {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                bytes: fs::read(&path).unwrap(),
                width: side(0),
                height: side(2),
                rgb: file[4..].to_vec(),
            }
        })
        .collect()
}

fn read_header(bytes: &[u8], limits: &DecodeLimits) -> Result<ImageFile, DecodeError> {
    decode::read_header(&Bytes::copy_from_slice(bytes), limits)
}

fn decode_bytes(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    decode(&read_header(bytes, &LIMITS)?, FULL_SCALE)
}

/// Levels by which a pixel may differ from Pillow's.
///
/// Lossless formats: none. JPEG: the two inverse transforms round differently, and so does the
/// conversion from YCbCr. Lossy WebP: rounding of the same conversion. CMYK in TIFF: the decoder
/// rounds down.
fn tolerance(name: &str) -> u8 {
    match name {
        _ if name.ends_with(".jpg") => 3,
        "lossy.webp" | "lossy_alpha.webp" | "cmyk.tiff" => 1,
        _ => 0,
    }
}

#[test]
fn every_fixture_decodes_to_the_pixels_that_pillow_gives() {
    let mut failures = Vec::new();
    for fixture in fixtures() {
        let decoded = match decode_bytes(&fixture.bytes) {
            Ok(decoded) => decoded,
            Err(error) => {
                failures.push(format!("{}: {error}", fixture.name));
                continue;
            }
        };
        let extension = fixture.name.rsplit('.').next().unwrap();
        let named = if extension == "jpg" { "jpeg" } else { extension };
        assert_eq!(decoded.format.as_str(), named, "{}", fixture.name);
        let size = (fixture.width, fixture.height);
        assert_eq!(decoded.pixels.dimensions(), size, "{}", fixture.name);
        assert_eq!((decoded.width, decoded.height), size, "{}", fixture.name);
        let difference = decoded
            .pixels
            .as_raw()
            .iter()
            .zip(&fixture.rgb)
            .map(|(ours, theirs)| ours.abs_diff(*theirs))
            .max()
            .unwrap();
        println!("{:<24} differs by at most {difference}", fixture.name);
        if difference > tolerance(&fixture.name) {
            failures.push(format!("{}: differs by {difference}", fixture.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_format_has_fixtures() {
    let fixtures = fixtures();
    for format in Format::ALL {
        assert!(fixtures.iter().any(|f| Format::sniff(&f.bytes) == Some(format)), "{format}");
    }
}

#[test]
fn no_cut_of_any_file_gives_a_picture_that_differs_without_a_warning() {
    for fixture in fixtures() {
        let whole = decode_bytes(&fixture.bytes).unwrap().pixels;
        for length in 0..fixture.bytes.len() {
            // Only what follows the picture (a trailer, other frames, metadata) may be missing, but of a
            // JPEG, whose answer says so.
            match decode_bytes(&fixture.bytes[..length]) {
                Ok(cut) if cut.format == Format::Jpeg => {
                    assert_eq!(
                        cut.warnings,
                        [Warning::Truncated],
                        "{} cut to {length}",
                        fixture.name
                    );
                }
                Ok(cut) => assert!(cut.pixels == whole, "{} cut to {length} bytes", fixture.name),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn nothing_and_what_is_no_image_are_told_apart() {
    assert_eq!(read_header(b"", &LIMITS).unwrap_err(), DecodeError::Empty);
    for bytes in [&b"\xff"[..], b"\x01\x02\x03"] {
        assert_eq!(read_header(bytes, &LIMITS).unwrap_err(), DecodeError::UnsupportedFormat);
    }
    for (bytes, named) in [
        (&b"hello"[..], "plain text"),
        (b"<svg/>", "SVG"),
        (b"\0\0\0\x20ftypheic", "HEIC"),
        (b"%PDF-1.7", "PDF"),
    ] {
        let error = read_header(bytes, &LIMITS).unwrap_err();
        assert!(matches!(error, DecodeError::ForeignFormat { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn sizes_beyond_the_limits_are_refused_from_the_header() {
    for fixture in fixtures() {
        let header = read_header(&fixture.bytes, &LIMITS).unwrap();
        let (side, pixels) = (header.width.max(header.height), header.width * header.height);
        let exactly = DecodeLimits { max_pixels: u64::from(pixels), max_side_pixels: side };
        assert!(read_header(&fixture.bytes, &exactly).is_ok(), "{}", fixture.name);
        for limits in [
            DecodeLimits { max_pixels: exactly.max_pixels - 1, ..exactly },
            DecodeLimits { max_side_pixels: side - 1, ..exactly },
        ] {
            let error = read_header(&fixture.bytes, &limits).unwrap_err();
            let expected = DecodeError::TooLarge {
                width: header.width,
                height: header.height,
                max_pixels: limits.max_pixels,
                max_side_pixels: limits.max_side_pixels,
            };
            assert_eq!(error, expected, "{}", fixture.name);
        }
    }
}

#[test]
fn the_largest_sizes_that_a_header_can_state_are_refused() {
    let mut bytes = fs::read("tests/fixtures/one_bit.tiff").unwrap();
    // Little-endian; the first two entries are width and height, one 32-bit value each. Without its
    // rows per strip the file has one strip, and so no number of strips that gives the size away.
    bytes[18..22].fill(0xff);
    bytes[30..34].fill(0xff);
    let rows_per_strip = bytes.windows(2).position(|tag| tag == [0x16, 0x01]).unwrap();
    bytes[rows_per_strip + 1] = 0;
    let unlimited = DecodeLimits { max_pixels: 1 << 40, max_side_pixels: u32::MAX };
    let error = read_header(&bytes, &unlimited).unwrap_err();
    let (width, height) = (u32::MAX, u32::MAX);
    let DecodeLimits { max_pixels, max_side_pixels } = unlimited;
    assert_eq!(error, DecodeError::TooLarge { width, height, max_pixels, max_side_pixels });
}

#[test]
fn a_picture_without_pixels_is_refused() {
    let mut bytes = fs::read("tests/fixtures/baseline_444.jpg").unwrap();
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[at + 5..at + 7].fill(0);
    let error = read_header(&bytes, &LIMITS).unwrap_err();
    assert!(matches!(&error, DecodeError::Corrupt { format: Format::Jpeg, .. }), "{error}");
    let mut bytes = fs::read("tests/fixtures/one_bit.bmp").unwrap();
    bytes[18..22].fill(0);
    assert!(matches!(read_header(&bytes, &LIMITS), Err(DecodeError::Corrupt { .. })));
}

#[test]
fn errors_say_what_to_do() {
    for (error, advice) in [
        (read_header(b"", &LIMITS).unwrap_err(), "send the bytes"),
        (read_header(b"hello", &LIMITS).unwrap_err(), "send JPEG"),
        (read_header(b"\xff\xd8\xff", &LIMITS).unwrap_err(), "send the whole, valid file"),
    ] {
        assert!(error.to_string().contains(advice), "{error}");
    }
}

/// Decodes whatever comes; a panic fails the test.
fn survive(bytes: &[u8]) {
    if let Ok(header) = read_header(bytes, &LIMITS) {
        assert!(u64::from(header.width) * u64::from(header.height) <= LIMITS.max_pixels);
        if let Ok(decoded) = decode(&header, 1) {
            assert!(decoded.pixels.width() > 0 && decoded.pixels.height() > 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_never_panic(
        signature in 0_usize..8, bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let signatures: [&[u8]; 8] = [
            b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x80\0\0\0WEBP", b"BM",
            b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"",
        ];
        survive(&[signatures[signature], &bytes].concat());
    }

    #[test]
    fn flipped_bits_never_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 1..6),
    ) {
        for fixture in fixtures() {
            let mut bytes = fixture.bytes;
            for (index, bit) in &flips {
                let at = index.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            survive(&bytes);
        }
    }
}

/// A photo of waves, as JPEG.
fn large_photo(width: u32, height: u32) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(width, height, |x, y| {
        let wave = |at: u32, period: u32| ((at % period).abs_diff(period / 2) * 500 / period) as u8;
        image::Rgb([wave(x, 400), wave(y, 300), wave(x + y, 500)])
    });
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
    pixels.write_with_encoder(encoder).unwrap();
    bytes
}

fn decode_at_least(bytes: &[u8], at_least: usize) -> Result<Decoded, DecodeError> {
    let limits = DecodeLimits { max_pixels: 1 << 26, max_side_pixels: u32::MAX };
    decode(&read_header(bytes, &limits)?, at_least)
}

/// Enough pixels are left, the header's size is told, and each pixel is about the mean of those that it
/// stands for.
#[test]
fn a_large_jpeg_is_decoded_at_a_reduced_scale() {
    let bytes = large_photo(1601, 1203);
    let whole = decode_at_least(&bytes, usize::MAX).unwrap();
    assert_eq!(whole.pixels.dimensions(), (1601, 1203));
    for (at_least, size, scale) in [(224, (401, 301), 2.0), (64, (201, 151), 1.0)] {
        let scaled = decode_at_least(&bytes, at_least).unwrap();
        assert_eq!(scaled.pixels.dimensions(), size);
        assert_eq!((scaled.width, scaled.height), (1601, 1203));
        for (x, y, pixel) in scaled.pixels.enumerate_pixels() {
            let at = |i: u32, most: u32| (((f64::from(i) + 0.5) * 8.0 / scale) as u32).min(most);
            let expected = whole.pixels.get_pixel(at(x, 1600), at(y, 1202));
            for (a, b) in pixel.0.iter().zip(expected.0) {
                assert!(a.abs_diff(b) <= 24, "{x} {y} at {scale}: {pixel:?} is not {expected:?}");
            }
        }
    }
    assert_eq!(decode_at_least(&bytes, 400).unwrap().pixels, whole.pixels);
}

/// The reduced scale is no way around the warning about damaged files, nor around their refusal.
#[test]
fn a_large_jpeg_that_is_damaged_is_told_at_any_scale() {
    let bytes = large_photo(1600, 1200);
    let end = bytes.len();
    let mut cut = bytes[..end / 2].to_vec();
    for _ in 0..2 {
        for at_least in [64, usize::MAX] {
            let decoded = decode_at_least(&cut, at_least).unwrap();
            assert_eq!(decoded.warnings, [Warning::Truncated]);
        }
        cut.extend([0xff, 0xd9]);
    }
    let told = |bytes: &[u8], at_least| {
        decode_at_least(bytes, at_least).map_or(true, |decoded| !decoded.warnings.is_empty())
    };
    for at in (700..end - 2).step_by(end / 40) {
        let mut damaged = bytes.clone();
        damaged[at..at + 2].copy_from_slice(&[0xff, 0xd3]);
        assert!(told(&damaged, usize::MAX), "damaged at {at}");
        assert!(told(&damaged, 64), "damaged at {at}");
    }
}
