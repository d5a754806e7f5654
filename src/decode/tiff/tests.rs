//! Pictures in every form, and files with false statements.

use bytes::Bytes;
use image::RgbImage;
use proptest::prelude::*;

use super::super::stored::{Checked, Stored};
use super::super::{DecodeError, rgb};
use super::directory::Directory;
use super::tags;
use super::test_file::{BYTE, FORMS, Form, LONG, LONG8, RATIONAL, SHORT, Written, compress, file};

const CLASSIC: Form = FORMS[0];

fn read_header(bytes: &[u8]) -> Result<Checked<Directory>, DecodeError> {
    super::read_header(&Bytes::copy_from_slice(bytes))
}

fn decode(bytes: &[u8]) -> Result<Stored, DecodeError> {
    super::decode(&read_header(bytes)?.picture)
}

fn pixels(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let checked = read_header(bytes)?;
    assert!(u64::from(checked.width) * u64::from(checked.height) < 1 << 20, "{checked:?}");
    let stored = decode(bytes)?;
    assert_eq!(stored.pixels.dimensions(), (checked.width, checked.height));
    Ok(stored.pixels)
}

fn one(directory: Written) -> Result<RgbImage, DecodeError> {
    pixels(&file(CLASSIC, &[directory]))
}

fn error(directory: Written) -> String {
    one(directory).unwrap_err().to_string()
}

/// A picture of random samples and how it is written.
#[derive(Clone, Debug)]
struct Picture {
    form: Form,
    width: usize,
    height: usize,
    /// 1 grey, 3 RGB, 4 CMYK.
    channels: usize,
    extra: usize,
    bits: usize,
    in_planes: bool,
    /// Width and height of a tile, or the rows of a strip.
    tile: Option<(usize, usize)>,
    rows_per_strip: usize,
    compression: u64,
    predictor: bool,
    reversed: bool,
    samples: Vec<u64>,
}

fn picture() -> impl Strategy<Value = Picture> {
    let shape = (1_usize..40, 1_usize..40, prop::sample::select(vec![1_usize, 3, 4]), 0_usize..3);
    let depth = prop::sample::select(vec![1_usize, 2, 4, 8, 16, 32]);
    let side = || prop::sample::select(vec![16_usize, 32, 48]);
    let cut = (prop::option::of((side(), side())), 1_usize..50);
    let compression = prop::sample::select(vec![1_u64, 5, 8, 32_946, 32_773]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::sample::select(&FORMS[..]));
    (shape, depth, cut, compression, flags, any::<u64>()).prop_map(
        |((width, height, channels, extra), bits, cut, compression, flags, seed)| {
            let (in_planes, predictor, reversed, form) = flags;
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 32) & ((1 << bits) - 1)
            };
            let count = width * height * (channels + extra);
            Picture {
                form,
                width,
                height,
                channels,
                extra,
                bits,
                in_planes,
                tile: cut.0,
                rows_per_strip: cut.1,
                compression,
                predictor: predictor && bits >= 8 && matches!(compression, 5 | 8 | 32_946),
                reversed,
                samples: (0..count).map(|_| next()).collect(),
            }
        },
    )
}

impl Picture {
    fn per_pixel(&self) -> usize {
        self.channels + self.extra
    }

    /// Samples beyond the picture's edge, in tiles, are zero.
    fn sample(&self, x: usize, y: usize, channel: usize) -> u64 {
        if x < self.width && y < self.height {
            self.samples[(y * self.width + x) * self.per_pixel() + channel]
        } else {
            0
        }
    }

    fn row(
        &self,
        x: std::ops::Range<usize>,
        y: usize,
        channels: std::ops::Range<usize>,
    ) -> Vec<u8> {
        let most = (1_u64 << self.bits) - 1;
        let together = channels.len();
        let samples: Vec<u64> = x
            .flat_map(|x| channels.clone().map(move |channel| self.sample(x, y, channel)))
            .collect();
        let coded = samples.iter().enumerate().map(|(index, sample)| {
            let before =
                if self.predictor && index >= together { samples[index - together] } else { 0 };
            sample.wrapping_sub(before) & most
        });
        if self.bits >= 8 {
            return coded.flat_map(|sample| self.form.number(sample, self.bits / 8)).collect();
        }
        let coded: Vec<u64> = coded.collect();
        let byte = |group: &[u64]| {
            let place = |(index, sample): (usize, &u64)| sample << (8 - self.bits * (index + 1));
            group.iter().enumerate().map(place).sum::<u64>() as u8
        };
        coded.chunks(8 / self.bits).map(byte).collect()
    }

    fn chunks(&self) -> Vec<Vec<u8>> {
        let strip = (self.width, self.rows_per_strip);
        let (width, height) = self.tile.unwrap_or(strip);
        let all = 0..self.per_pixel();
        let planes: Vec<_> =
            if self.in_planes { all.map(|plane| plane..plane + 1).collect() } else { vec![all] };
        let mut chunks = Vec::new();
        for channels in planes {
            for top in (0..self.height).step_by(height) {
                let end = top + height;
                let end = if self.tile.is_some() { end } else { end.min(self.height) };
                for left in (0..self.width).step_by(width) {
                    let row = |y| self.row(left..left + width, y, channels.clone());
                    let plain: Vec<u8> = (top..end).flat_map(row).collect();
                    let mut chunk = compress(self.compression, &plain);
                    if self.reversed {
                        chunk.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
                    }
                    chunks.push(chunk);
                }
            }
        }
        chunks
    }

    fn written(&self) -> Written {
        let photometric = [1, 2, 5][self.channels / 2];
        let mut entries = vec![
            (tags::IMAGE_WIDTH, SHORT, vec![self.width as u64]),
            (tags::IMAGE_LENGTH, LONG, vec![self.height as u64]),
            (tags::BITS_PER_SAMPLE, SHORT, vec![self.bits as u64; self.per_pixel()]),
            (tags::COMPRESSION, SHORT, vec![self.compression]),
            (tags::PHOTOMETRIC_INTERPRETATION, BYTE, vec![photometric]),
            (tags::SAMPLES_PER_PIXEL, SHORT, vec![self.per_pixel() as u64]),
            (tags::PLANAR_CONFIGURATION, SHORT, vec![1 + u64::from(self.in_planes)]),
            (tags::PREDICTOR, SHORT, vec![1 + u64::from(self.predictor)]),
            (tags::FILL_ORDER, SHORT, vec![1 + u64::from(self.reversed)]),
        ];
        match self.tile {
            Some((width, height)) => {
                entries.push((tags::TILE_WIDTH, SHORT, vec![width as u64]));
                entries.push((tags::TILE_LENGTH, LONG, vec![height as u64]));
            }
            None => {
                entries.push((tags::ROWS_PER_STRIP, LONG, vec![self.rows_per_strip as u64]));
            }
        }
        if self.extra > 0 {
            entries.push((tags::EXTRA_SAMPLES, SHORT, vec![0; self.extra]));
        }
        Written { entries, chunks: self.chunks(), in_tiles: self.tile.is_some() }
    }

    fn bytes(&self) -> Vec<u8> {
        file(self.form, &[self.written()])
    }

    fn expected(&self) -> RgbImage {
        let most = ((1_u64 << self.bits) - 1) as f64;
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let level = |channel: usize| {
                let sample = self.sample(x as usize, y as usize, channel);
                (sample as f64 * 255.0 / most).round()
            };
            image::Rgb([0, 1, 2].map(|channel| match self.channels {
                1 => level(0) as u8,
                3 => level(channel) as u8,
                _ => {
                    let light = 255.0 - level(3);
                    (light - (level(channel) * light / 255.0).round()) as u8
                }
            }))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_picture_is_the_same_in_every_form(picture in picture()) {
        prop_assert_eq!(pixels(&picture.bytes()).unwrap(), picture.expected());
    }

    #[test]
    fn what_a_header_promises_is_enough_for_the_picture(picture in picture()) {
        let checked = read_header(&picture.bytes()).unwrap();
        let rgb = picture.width * picture.height * 3;
        prop_assert!(checked.decode_bytes >= rgb as u64);
        prop_assert!(!checked.decode_time.is_zero());
    }

    #[test]
    fn a_cut_file_is_refused_or_the_same(picture in picture(), cut in any::<prop::sample::Index>()) {
        let bytes = picture.bytes();
        if let Ok(cut) = pixels(&bytes[..cut.index(bytes.len())]) {
            prop_assert_eq!(cut, picture.expected());
        }
    }

    #[test]
    fn changed_bytes_never_panic(
        picture in picture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        in_directory in any::<bool>(),
    ) {
        let mut bytes = picture.bytes();
        // The directory is at the end.
        let from = if in_directory { bytes.len().saturating_sub(400) } else { 0 };
        for (index, byte) in changes {
            let at = from + index.index(bytes.len() - from);
            bytes[at] = byte;
        }
        if let Ok(checked) = read_header(&bytes)
            && checked.decode_bytes < 1 << 24
        {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn arbitrary_fax_data_never_panics(
        compression in 2_u64..=4, options in 0_u64..2, width in 1_u64..400,
        data in prop::collection::vec(any::<u8>(), 1..300),
    ) {
        let _ = one(Written::new(&[
            (tags::IMAGE_WIDTH, SHORT, &[width]),
            (tags::IMAGE_LENGTH, SHORT, &[50]),
            (tags::COMPRESSION, SHORT, &[compression]),
            (tags::PHOTOMETRIC_INTERPRETATION, SHORT, &[0]),
            (tags::T4_OPTIONS, LONG, &[options]),
        ], &[&data]));
    }

    #[test]
    fn an_entry_of_any_kind_never_panics(
        tag in prop::sample::select(vec![
            254_u16, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 317, 320,
            322, 323, 324, 325, 332, 338, 339, 529, 530, 532, 34_675,
        ]),
        kind in 0_u64..20,
        count in prop::sample::select(vec![0_u64, 1, 2, 3, 65_536, u32::MAX as u64, u64::MAX]),
        value in prop::sample::select(vec![0_u64, 1, 2, 8, 9, 65_535, u32::MAX as u64, u64::MAX]),
        form in prop::sample::select(&FORMS[..]),
    ) {
        let word = if form.big_tiff { 8 } else { 4 };
        let directory = Written::grey(4, &[7; 16], &[(tag, LONG, &[0xaaaa])]);
        let mut bytes = file(form, &[directory]);
        let entry = [form.number(tag.into(), 2), form.number(LONG.into(), 2)].concat();
        let at = bytes.windows(4).rposition(|window| window == entry).unwrap();
        let hostile =
            [form.number(kind, 2), form.number(count, word), form.number(value, word)].concat();
        bytes[at + 2..at + 2 + hostile.len()].copy_from_slice(&hostile);
        if let Ok(checked) = read_header(&bytes)
            && checked.decode_bytes < 1 << 24
        {
            let _ = decode(&bytes);
        }
    }
}

#[test]
fn a_compression_in_a_byte_with_rubbish_behind_it_is_what_the_byte_says() {
    let jpeg = Written::grey(4, &[7; 16], &[(tags::COMPRESSION, BYTE, &[7])]);
    assert!(error(jpeg).contains("JPEG inside TIFF"));
    let plain = Written::grey(4, &[7; 16], &[(tags::COMPRESSION, BYTE, &[1])]);
    assert_eq!(one(plain).unwrap().as_raw(), &[7; 48]);
}

#[test]
fn features_that_are_not_decoded_are_named() {
    for (tag, value, name) in [
        (tags::COMPRESSION, 6, "JPEG inside TIFF"),
        (tags::COMPRESSION, 7, "JPEG inside TIFF"),
        (tags::COMPRESSION, 34_712, "JPEG 2000"),
        (tags::COMPRESSION, 50_000, "Zstandard"),
        (tags::COMPRESSION, 999, "compression 999"),
        (tags::PHOTOMETRIC_INTERPRETATION, 8, "L*a*b*"),
        (tags::PHOTOMETRIC_INTERPRETATION, 32_803, "camera"),
        (tags::SAMPLE_FORMAT, 2, "sign"),
        (tags::BITS_PER_SAMPLE, 12, "12 bits"),
    ] {
        let directory = Written::grey(4, &[7; 16], &[(tag, SHORT, &[value])]);
        let error = one(directory).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedFeature { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn more_than_is_accepted_is_refused() {
    let strips = vec![1; 70_000];
    let tall = Written::grey(
        1,
        &vec![7; 70_000],
        &[(tags::IMAGE_LENGTH, LONG, &[70_000]), (tags::ROWS_PER_STRIP, SHORT, &[1])],
    );
    let mut listed = tall.clone();
    listed.entries.push((tags::STRIP_OFFSETS, LONG, strips.clone()));
    listed.entries.push((tags::STRIP_BYTE_COUNTS, BYTE, strips));
    let deep = Written::grey(1, &[7; 17], &[(tags::SAMPLES_PER_PIXEL, SHORT, &[17])]);
    let mut wide = Written::grey(4, &[7; 16], &[]);
    wide.entries.extend((0..5000).map(|index| (1000 + index, SHORT, vec![1])));
    for directory in [tall, listed, deep, wide] {
        let error = one(directory).unwrap_err();
        assert!(matches!(error, DecodeError::TooMany { .. }), "{error:?}");
    }
    let reduced = Written::grey(4, &[7; 16], &[(tags::NEW_SUBFILE_TYPE, LONG, &[1])]);
    let error = pixels(&file(CLASSIC, &vec![reduced; 65])).unwrap_err();
    assert!(matches!(error, DecodeError::TooMany { .. }), "{error:?}");
}

#[test]
fn lists_of_strips_that_do_not_fit_the_picture_are_refused() {
    for (tag, values) in [
        (tags::STRIP_OFFSETS, &[8_u64, 8][..]),
        (tags::STRIP_BYTE_COUNTS, &[16, 16]),
        (tags::STRIP_BYTE_COUNTS, &[1_000_000]),
        (tags::STRIP_BYTE_COUNTS, &[15]),
        (tags::STRIP_OFFSETS, &[0xffff_ffff]),
        (tags::ROWS_PER_STRIP, &[0]),
        (tags::TILE_WIDTH, &[16]),
        (tags::IMAGE_WIDTH, &[0]),
    ] {
        let error = one(Written::grey(4, &[7; 16], &[(tag, LONG, values)])).unwrap_err();
        assert!(matches!(error, DecodeError::Corrupt { .. }), "{tag} {values:?} {error:?}");
    }
    let tall = [(tags::IMAGE_LENGTH, SHORT, &[2][..]), (tags::ROWS_PER_STRIP, SHORT, &[1])];
    let mut overlapping = Written::grey(400, &[7; 400], &tall);
    overlapping.entries.push((tags::STRIP_OFFSETS, LONG, vec![8, 8]));
    overlapping.entries.push((tags::STRIP_BYTE_COUNTS, LONG, vec![400, 400]));
    assert!(error(overlapping).contains("overlap"));
}

#[test]
fn the_first_picture_that_is_not_reduced_is_taken() {
    let picture = |level, more: &[_]| Written::grey(4, &[level; 16], more);
    let (new, old) = (tags::NEW_SUBFILE_TYPE, tags::SUBFILE_TYPE);
    let directories = [
        picture(1, &[(new, LONG, &[1])]),
        picture(2, &[(old, SHORT, &[2])]),
        picture(3, &[(new, LONG, &[4])]),
        picture(4, &[(new, LONG, &[2]), (old, SHORT, &[1])]),
        picture(5, &[]),
    ];
    for form in FORMS {
        let taken = |directories| pixels(&file(form, directories)).unwrap()[(0, 0)][0];
        assert_eq!(taken(&directories), 4);
        assert_eq!(taken(&directories[..3]), 1);
        assert_eq!(taken(&directories[4..]), 5);
    }
}

#[test]
fn directories_in_a_circle_are_refused() {
    let reduced = Written::grey(4, &[7; 16], &[(tags::NEW_SUBFILE_TYPE, LONG, &[1])]);
    let mut bytes = file(CLASSIC, &[reduced]);
    let end = bytes.len();
    bytes.copy_within(4..8, end - 4);
    assert!(pixels(&bytes).unwrap_err().to_string().contains("circle"));
    bytes[end - 4..].fill(0xff);
    assert!(pixels(&bytes).is_err());
}

#[test]
fn alpha_is_over_white_as_it_is_stored() {
    let rgba = |extra: Option<u64>| {
        let mut entries: Vec<(u16, u16, &[u64])> = vec![
            (tags::PHOTOMETRIC_INTERPRETATION, SHORT, &[2]),
            (tags::SAMPLES_PER_PIXEL, SHORT, &[4]),
            (tags::IMAGE_LENGTH, SHORT, &[1]),
        ];
        let extra = extra.map(|kind| [kind]);
        if let Some(kind) = &extra {
            entries.push((tags::EXTRA_SAMPLES, SHORT, kind));
        }
        one(Written::grey(1, &[100, 50, 0, 102], &entries)).unwrap()[(0, 0)].0
    };
    let straight = [100, 50, 0].map(|level| rgb::over_white(level, 102));
    assert_eq!(rgba(Some(0)), [100, 50, 0]);
    assert_eq!(rgba(Some(1)), [253, 203, 153]);
    assert_eq!(rgba(Some(2)), straight);
    assert_eq!(rgba(None), straight);
}

#[test]
fn indices_are_looked_up_and_must_be_in_the_palette() {
    // Two colours for indices of 8 bits: red, green, blue of each.
    let palette = |levels: [u64; 6], index: u8| {
        one(Written::grey(
            1,
            &[index],
            &[(tags::PHOTOMETRIC_INTERPRETATION, SHORT, &[3]), (tags::COLOUR_MAP, SHORT, &levels)],
        ))
        .map(|image| image[(0, 0)].0)
    };
    let of_16_bits = [0x0100, 0x02ff, 0x0300, 0x0400, 0xff00, 0xffff];
    assert_eq!(palette(of_16_bits, 0), Ok([1, 3, 255]));
    assert_eq!(palette(of_16_bits, 1), Ok([2, 4, 255]));
    assert_eq!(palette([1, 2, 3, 4, 5, 6], 1), Ok([2, 4, 6]));
    assert!(palette(of_16_bits, 2).is_err());
}

/// Each of the 16 colours once, in indices of 4 bits.
#[test]
fn indices_of_few_bits_are_not_scaled() {
    let levels: Vec<u64> = (0..48).map(|level| level * 0x0505).collect();
    let pixels = one(Written::new(
        &[
            (tags::IMAGE_WIDTH, SHORT, &[16]),
            (tags::IMAGE_LENGTH, SHORT, &[1]),
            (tags::BITS_PER_SAMPLE, SHORT, &[4]),
            (tags::PHOTOMETRIC_INTERPRETATION, SHORT, &[3]),
            (tags::COLOUR_MAP, SHORT, &levels),
        ],
        &[&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]],
    ));
    for (index, pixel) in (0..).zip(pixels.unwrap().pixels()) {
        assert_eq!(pixel.0, [index * 5, (index + 16) * 5, (index + 32) * 5]);
    }
}

#[test]
fn a_file_without_a_directory_has_no_picture() {
    for form in FORMS {
        let bytes = file(form, &[]);
        assert!(pixels(&bytes).unwrap_err().to_string().contains("no picture"));
        for length in 0..bytes.len() {
            assert!(pixels(&bytes[..length]).is_err());
        }
    }
}

#[test]
fn lzw_of_the_old_kind_is_named() {
    let old = Written::grey(4, &[0, 1, 0, 0], &[(tags::COMPRESSION, SHORT, &[5])]);
    assert!(error(old).contains("before TIFF 5.0"));
}

#[test]
fn subsampled_colours_are_shared() {
    let ycbcr = Written::new(
        &[
            (tags::IMAGE_WIDTH, SHORT, &[3]),
            (tags::IMAGE_LENGTH, SHORT, &[2]),
            (tags::BITS_PER_SAMPLE, SHORT, &[8, 8, 8]),
            (tags::PHOTOMETRIC_INTERPRETATION, SHORT, &[6]),
            (tags::SAMPLES_PER_PIXEL, SHORT, &[3]),
            (tags::YCBCR_COEFFICIENTS, RATIONAL, &[299, 1000, 587, 1000, 114, 1000]),
        ],
        &[&[10, 20, 30, 40, 128, 128, 50, 0, 60, 0, 128, 128]],
    );
    let image = one(ycbcr).unwrap();
    let grey: Vec<u8> = image.pixels().map(|pixel| pixel[0]).collect();
    assert_eq!(grey, [10, 20, 50, 30, 40, 60]);
}

#[test]
fn a_profile_is_handed_on_if_it_is_of_rgb() {
    let stored = |colours: &[u8; 4], photometric: u64| {
        let profile: Vec<u64> =
            [[0; 16].as_slice(), colours, &[0; 8]].concat().into_iter().map(u64::from).collect();
        let more: [(u16, u16, &[u64]); 4] = [
            (tags::ICC_PROFILE, BYTE, &profile),
            (tags::PHOTOMETRIC_INTERPRETATION, SHORT, &[photometric]),
            (tags::SAMPLES_PER_PIXEL, SHORT, &[3]),
            (tags::IMAGE_LENGTH, SHORT, &[1]),
        ];
        decode(&file(CLASSIC, &[Written::grey(1, &[1, 2, 3], &more)])).unwrap().colour_profile
    };
    assert_eq!(stored(b"RGB ", 2).unwrap().len(), 28);
    assert_eq!(stored(b"GRAY", 2), None);
    assert_eq!(stored(b"RGB ", 1), None);
}

#[test]
fn a_long_list_of_byte_counts_takes_no_memory_and_no_time() {
    let mut directory = Written::grey(4, &[7; 16], &[]);
    directory.entries.push((tags::STRIP_BYTE_COUNTS, BYTE, vec![16; 800_000]));
    let bytes = file(CLASSIC, &[directory]);
    assert!(read_header(&bytes).unwrap_err().to_string().contains("800000 strips"));
}

#[test]
fn numbers_may_be_of_eight_bytes() {
    let directory = Written::grey(4, &[7; 16], &[(tags::IMAGE_WIDTH, LONG8, &[4])]);
    assert!(one(directory).is_ok());
    let directory = Written::grey(4, &[7; 16], &[(tags::IMAGE_WIDTH, LONG8, &[1 << 40])]);
    assert!(one(directory).is_err());
}
