//! JPEGs of every sampling, in every division into scans: the right pixels, or a refusal that names what
//! is not decoded. The files are made here, and held to what was put into them and to libjpeg.

use std::panic::catch_unwind;

use crate::jpeg_encoder::{Component, Picture, Scan, encode};
use bytes::Bytes;
use googlenet::decode::{DecodeError, DecodeLimits, Decoded, Warning, decode, read_header};
use image::RgbImage;

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 20, max_side_pixels: 4096 };
const FULL_SCALE: usize = usize::MAX;
const WIDTH: usize = 75;
const HEIGHT: usize = 53;
/// Of 255. What is put in has soft edges only, so that every way to enlarge chroma gives it back.
const MEAN_DIFFERENCE: f64 = 2.0;

/// Each changes in a direction of its own: a component in the place of another is seen.
const LUMA: fn(f64, f64) -> f64 = |x, y| 80.0 + 60.0 * x + 30.0 * y;
const BLUE: fn(f64, f64) -> f64 = |x, y| 105.0 + 25.0 * y + 15.0 * (6.0 * x).sin();
const RED: fn(f64, f64) -> f64 = |x, y| 150.0 - 30.0 * x + 15.0 * (5.0 * y).cos();

fn ycbcr(sampling: [(usize, usize); 3]) -> [Component; 3] {
    let [y, cb, cr] = sampling;
    let component = |id, (h, v), level| Component { id, h, v, level };
    [component(1, y, LUMA), component(2, cb, BLUE), component(3, cr, RED)]
}

/// What was put in, in RGB (JFIF 1.02).
fn expected() -> RgbImage {
    RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
        let (x, y) = ((f64::from(x) + 0.5) / WIDTH as f64, (f64::from(y) + 0.5) / HEIGHT as f64);
        let (luma, blue, red) = (LUMA(x, y), BLUE(x, y) - 128.0, RED(x, y) - 128.0);
        let rgb =
            [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
        image::Rgb(rgb.map(|level| level.round().clamp(0.0, 255.0) as u8))
    })
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

fn decode_bytes(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let file = Bytes::copy_from_slice(bytes);
    decode(&read_header(&file, &LIMITS)?, FULL_SCALE)
}

fn by_libjpeg(bytes: &[u8]) -> Option<RgbImage> {
    catch_unwind(|| {
        let mut rows = mozjpeg::Decompress::new_mem(bytes).ok()?.rgb().ok()?;
        let (width, height) = (rows.width() as u32, rows.height() as u32);
        RgbImage::from_raw(width, height, rows.read_scanlines::<u8>().ok()?)
    })
    .ok()
    .flatten()
}

/// Names, scans, and whether they are progressive.
fn divisions() -> Vec<(&'static str, bool, Vec<Scan>)> {
    let band = |components: &[usize], band, high_bit, low_bit| Scan {
        components: components.to_vec(),
        band,
        high_bit,
        low_bit,
    };
    let ac = |first, last, low_bit| (0..3).map(move |c| band(&[c], (first, last), 0, low_bit));
    let spectral =
        [vec![band(&[0, 1, 2], (0, 0), 0, 0)], ac(1, 5, 0).collect(), ac(6, 63, 0).collect()];
    let separate_dc =
        [(0..3).map(|c| band(&[c], (0, 0), 0, 0)).collect(), ac(1, 63, 0).collect::<Vec<_>>()];
    let successive = [
        vec![band(&[0, 1, 2], (0, 0), 0, 2)],
        ac(1, 63, 0).collect(),
        vec![band(&[0, 1, 2], (0, 0), 2, 1), band(&[0, 1, 2], (0, 0), 1, 0)],
    ];
    vec![
        ("one scan", false, vec![Scan::whole(&[0, 1, 2])]),
        ("a scan a component", false, (0..3).map(|c| Scan::whole(&[c])).collect()),
        ("luma, then chroma", false, vec![Scan::whole(&[0]), Scan::whole(&[1, 2])]),
        ("two, then one", false, vec![Scan::whole(&[0, 1]), Scan::whole(&[2])]),
        ("chroma first", false, vec![Scan::whole(&[1, 2]), Scan::whole(&[0])]),
        ("progressive, bands", true, spectral.concat()),
        ("progressive, a scan a component", true, separate_dc.concat()),
        ("progressive, bit by bit", true, successive.concat()),
    ]
}

fn samplings() -> Vec<[(usize, usize); 3]> {
    let factors = || (1..=4).flat_map(|h| (1..=4).map(move |v| (h, v)));
    let mut all: Vec<_> =
        factors().flat_map(|luma| factors().map(move |chroma| [luma, chroma, chroma])).collect();
    all.extend([
        [(2, 2), (2, 1), (1, 2)],
        [(2, 2), (2, 2), (1, 1)],
        [(1, 1), (2, 1), (1, 1)],
        [(2, 1), (1, 1), (2, 1)],
        [(4, 2), (2, 1), (1, 1)],
        [(1, 2), (1, 1), (1, 2)],
    ]);
    all
}

#[test]
fn every_layout_is_right_or_refused_by_name() {
    std::panic::set_hook(Box::new(|_| {}));
    let expected = expected();
    let (mut right, mut refused, mut beyond) = (0, 0, 0);
    let mut failures = Vec::new();
    for sampling in samplings() {
        for (division, progressive, scans) in divisions() {
            let restart_interval = if sampling[0] == (2, 2) { 3 } else { 0 };
            let file = encode(&Picture {
                width: WIDTH,
                height: HEIGHT,
                progressive,
                components: &ycbcr(sampling),
                scans: &scans,
                restart_interval,
                extra: &[],
            });
            let name = format!("{sampling:?}, {division}");
            let libjpeg = by_libjpeg(&file);
            match catch_unwind(|| decode_bytes(&file)) {
                Err(_) => failures.push(format!("{name}: panicked")),
                Ok(Err(DecodeError::UnsupportedFeature { .. })) if libjpeg.is_none() => {
                    refused += 1
                }
                Ok(Err(error)) => failures.push(format!("{name}: {error}")),
                Ok(Ok(decoded)) => {
                    let made = mean_difference(&decoded.pixels, &expected);
                    let theirs = libjpeg.map(|theirs| mean_difference(&decoded.pixels, &theirs));
                    // What libjpeg does not take may still be right.
                    beyond += usize::from(theirs.is_none());
                    let worst = made.max(theirs.unwrap_or(0.0));
                    if worst > MEAN_DIFFERENCE || !decoded.warnings.is_empty() {
                        let warnings = decoded.warnings;
                        failures.push(format!("{name}: differs by {made:.1}, from libjpeg by {theirs:.1?}, {warnings:?}"));
                    } else {
                        right += 1;
                    }
                }
            }
        }
    }
    // Back to the usual report of failures.
    let _ = std::panic::take_hook();
    let failed = failures.len();
    println!(
        "{right} right ({beyond} that libjpeg refuses), {refused} refused by name, {failed} wrong"
    );
    assert!(right > 400 && refused > 100, "{right} {refused}\n{}", failures.join("\n"));
    assert!(
        failures.is_empty(),
        "{failed} of {}\n{}",
        right + refused + failed,
        failures.join("\n")
    );
}

#[test]
fn grey_of_any_sampling_is_right() {
    for (h, v) in (1..=4).flat_map(|h| (1..=4).map(move |v| (h, v))) {
        let file = encode(&Picture {
            width: WIDTH,
            height: HEIGHT,
            progressive: false,
            components: &[Component { id: 1, h, v, level: LUMA }],
            scans: &[Scan::whole(&[0])],
            restart_interval: 0,
            extra: &[],
        });
        let decoded = decode_bytes(&file).unwrap();
        let difference = mean_difference(&decoded.pixels, &by_libjpeg(&file).unwrap());
        assert!(difference < 1.0, "{h} x {v}: {difference}");
    }
}

/// Without a JFIF or an Adobe segment the identifiers say what the components are; with Adobe's, it does.
#[test]
fn components_that_are_rgb_are_taken_for_rgb() {
    let file = |ids: [u8; 3], extra: &[u8]| {
        let components = ycbcr([(1, 1); 3]);
        let components: Vec<_> =
            components.iter().zip(ids).map(|(c, id)| Component { id, ..*c }).collect();
        encode(&Picture {
            width: WIDTH,
            height: HEIGHT,
            progressive: false,
            components: &components,
            scans: &[Scan::whole(&[0, 1, 2])],
            restart_interval: 0,
            extra,
        })
    };
    let adobe =
        |transform: u8| [&[0xff, 0xee, 0, 14][..], b"Adobe\0\x64\0\0\0\0", &[transform]].concat();
    let jfif = [&[0xff, 0xe0, 0, 16][..], b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"].concat();
    for (ids, extra, is_rgb) in [
        ([1, 2, 3], Vec::new(), false),
        (*b"RGB", Vec::new(), true),
        ([1, 2, 3], adobe(0), true),
        ([1, 2, 3], adobe(1), false),
        (*b"RGB", adobe(1), false),
        (*b"RGB", jfif, false),
    ] {
        let file = file(ids, &extra);
        let pixels = decode_bytes(&file).unwrap().pixels;
        assert!(mean_difference(&pixels, &by_libjpeg(&file).unwrap()) < 1.0, "{ids:?} {extra:?}");
        let same = mean_difference(&pixels, &expected()) < MEAN_DIFFERENCE;
        assert_eq!(same, !is_rgb, "{ids:?} {extra:?}");
    }
}

/// The part of the picture that is there, decoded, and a warning; at every place of the cut.
#[test]
fn a_file_that_is_cut_is_answered_with_a_warning() {
    for (division, progressive, scans) in divisions() {
        for restart_interval in [0, 3] {
            let file = encode(&Picture {
                width: WIDTH,
                height: HEIGHT,
                progressive,
                components: &ycbcr([(2, 2), (1, 1), (1, 1)]),
                scans: &scans,
                restart_interval,
                extra: &[],
            });
            let data = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 15;
            // The last bytes may hold nothing but the fill of the last bits.
            for length in data..file.len() - 4 {
                for end in [&[][..], &[0xff, 0xd9]] {
                    let cut = [&file[..length], end].concat();
                    let name =
                        format!("{division}, every {restart_interval}, {length} of {}", file.len());
                    let decoded = match decode_bytes(&cut) {
                        Ok(decoded) => decoded,
                        // The cut fell into a segment in front of the first data.
                        Err(error) => panic!("{name}: {error}"),
                    };
                    assert!(
                        decoded.warnings.contains(&Warning::Truncated),
                        "{name}: {:?}",
                        decoded.warnings
                    );
                }
            }
            assert_eq!(decode_bytes(&file).unwrap().warnings, []);
        }
    }
}

#[test]
fn stray_bytes_between_segments_are_passed_over_with_a_warning() {
    let whole = |extra: &[u8]| {
        encode(&Picture {
            width: WIDTH,
            height: HEIGHT,
            progressive: false,
            components: &ycbcr([(2, 2), (1, 1), (1, 1)]),
            scans: &[Scan::whole(&[0, 1, 2])],
            restart_interval: 0,
            extra,
        })
    };
    // An empty comment, and bytes that belong to nothing behind it.
    const STRAY: [u8; 7] = [0xff, 0xfe, 0, 2, 1, 2, 3];
    let (clean, stray) =
        (decode_bytes(&whole(&STRAY[..4])).unwrap(), decode_bytes(&whole(&STRAY)).unwrap());
    assert_eq!((clean.warnings, stray.warnings), (vec![], vec![Warning::Damaged]));
    assert!(mean_difference(&clean.pixels, &stray.pixels) < 1.0);
}

/// Bytes that were put in or lost in the middle leave the decoder with too many or too few: either is told,
/// by another name than that of a file that was cut.
#[test]
fn bytes_that_were_put_in_are_told() {
    let waves = RgbImage::from_fn(320, 240, |x, y| {
        let level =
            |at: u32, period: u32| ((at % period).abs_diff(period / 2) * 500 / period) as u8;
        image::Rgb([level(x, 40), level(y, 30), level(x + y, 50)])
    });
    let mut file = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 90);
    waves.write_with_encoder(encoder).unwrap();
    assert_eq!(decode_bytes(&file).unwrap().warnings, []);
    let mut told = 0;
    for at in (file.len() / 4..file.len() * 3 / 4).step_by(file.len() / 40) {
        let damaged = [&file[..at], &[0x55; 100], &file[at..]].concat();
        told += usize::from(decode_bytes(&damaged).map_or(true, |d| !d.warnings.is_empty()));
    }
    // A few of them happen to be read as whole units.
    assert!(told >= 14, "{told} of 21");
}

/// Bits of 1 that no code begins with, of the length of what was there and shorter: the decoder passes over them where it
/// is fast, and may run out of data at the end, but the file was not cut.
#[test]
fn impossible_codes_are_damage() {
    let noise = RgbImage::from_fn(320, 240, |x, y| {
        let level = |seed: u32| (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729) ^ seed) as u8;
        image::Rgb([level(1), level(77), level(1000)])
    });
    let mut file = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 75);
    noise.write_with_encoder(encoder).unwrap();
    assert_eq!(decode_bytes(&file).unwrap().warnings, []);
    let ones = [0xff, 0x00].repeat(4);
    for at in (file.len() / 4..file.len() * 3 / 4).step_by(file.len() / 40) {
        for lost in [ones.len(), 100] {
            let damaged = [&file[..at], &ones, &file[at + lost..]].concat();
            let warnings = decode_bytes(&damaged).unwrap().warnings;
            assert_eq!(warnings, [Warning::Damaged], "{lost} bytes lost at {at}");
        }
    }
}
