//! How the samples of a pixel are stored, and their way to 8 bits.

use half::f16;

use super::super::{DecodeError, Format, rgb};
use super::chain::Entries;
use super::{corrupt, tags, unsupported};

/// Samples a pixel; the most that any picture for people has are four inks and an alpha.
const MOST_SAMPLES: u64 = 16;

/// The number and type of a picture's samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples {
    /// SamplesPerPixel, 1..=16.
    pub(super) per_pixel: usize,
    pub(super) depth: Depth,
    /// PlanarConfiguration 2: each sample of all pixels lies in a picture of its own.
    pub(super) in_planes: bool,
}

/// What a sample is: BitsPerSample and SampleFormat together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// 1, 2 or 4 bits, the first sample in the high bits.
    Packed(u8),
    U8,
    U16,
    U32,
    F16,
    F32,
    F64,
}

impl Samples {
    pub(super) fn read(entries: &Entries) -> Result<Self, DecodeError> {
        let per_pixel = entries.integer(tags::SAMPLES_PER_PIXEL, 1)?;
        if per_pixel == 0 {
            return Err(corrupt("its pixels have no samples"));
        }
        if per_pixel > MOST_SAMPLES {
            let what = "many samples a pixel";
            return Err(DecodeError::TooMany { format: Format::Tiff, what, most: MOST_SAMPLES });
        }
        let per_pixel = per_pixel as usize;
        let bits = same_for_all(entries, tags::BITS_PER_SAMPLE, per_pixel)?;
        let format = same_for_all(entries, tags::SAMPLE_FORMAT, per_pixel)?;
        let in_planes = match entries.integer(tags::PLANAR_CONFIGURATION, 1)? {
            1 => false,
            // Of one plane alone, both configurations are the same.
            2 => per_pixel > 1,
            other => return Err(corrupt(format!("its planar configuration is {other}"))),
        };
        Ok(Self { per_pixel, depth: Depth::new(bits, format)?, in_planes })
    }

    /// Pictures that the samples are stored in.
    pub(super) fn planes(&self) -> usize {
        if self.in_planes { self.per_pixel } else { 1 }
    }

    /// Samples of a pixel that lie beside each other.
    pub(super) fn together(&self) -> usize {
        if self.in_planes { 1 } else { self.per_pixel }
    }

    /// Bytes of a row of `width` pixels in one plane; a row begins on a byte.
    pub(super) fn row_bytes(&self, width: u32) -> u64 {
        (u64::from(width) * self.together() as u64 * u64::from(self.depth.bits())).div_ceil(8)
    }
}

/// The one value of a tag that has a value for each sample, 1 if it is missing.
fn same_for_all(entries: &Entries, tag: u16, samples: usize) -> Result<u64, DecodeError> {
    let Some(values) = entries.integers(tag)? else { return Ok(1) };
    let first = values.get(0);
    // Some writers state it once for all samples.
    let of_samples = if values.len() == 1 { 1 } else { samples };
    let (Some(first), true) = (first, values.len() >= of_samples) else {
        return Err(corrupt(format!("tag {tag} has not a value for each sample")));
    };
    if values.iter().take(of_samples).any(|value| value != first) {
        return Err(unsupported("samples of different types in one pixel"));
    }
    Ok(first)
}

impl Depth {
    fn new(bits: u64, format: u64) -> Result<Self, DecodeError> {
        const UNSIGNED: u64 = 1;
        const SIGNED: u64 = 2;
        const FLOAT: u64 = 3;
        const UNDEFINED: u64 = 4;
        Ok(match (format, bits) {
            (UNSIGNED | UNDEFINED, 1 | 2 | 4) => Self::Packed(bits as u8),
            (UNSIGNED | UNDEFINED, 8) => Self::U8,
            (UNSIGNED | UNDEFINED, 16) => Self::U16,
            (UNSIGNED | UNDEFINED, 32) => Self::U32,
            (FLOAT, 16) => Self::F16,
            (FLOAT, 32) => Self::F32,
            (FLOAT, 64) => Self::F64,
            (SIGNED, _) => return Err(unsupported("samples with a sign")),
            (FLOAT, _) => {
                return Err(unsupported(format!("floating-point samples of {bits} bits")));
            }
            (UNSIGNED | UNDEFINED, _) => {
                return Err(unsupported(format!("samples of {bits} bits")));
            }
            _ => return Err(unsupported("complex samples")),
        })
    }

    pub(super) fn bits(self) -> u8 {
        match self {
            Self::Packed(bits) => bits,
            Self::U8 => 8,
            Self::U16 | Self::F16 => 16,
            Self::U32 | Self::F32 => 32,
            Self::F64 => 64,
        }
    }

    /// Whole bytes of a sample; 0 where samples share one.
    pub(super) fn bytes(self) -> usize {
        usize::from(self.bits() / 8)
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// Whether floating-point samples of `row` are counted from 0.0 to something else than 1.0, such as 255.
    pub(super) fn exceeds_unit(self, row: &[u8]) -> bool {
        // Highlights may lie a little above white.
        const MOST: f64 = 2.0;
        match self {
            Self::F16 => any(row, |sample| f16::from_ne_bytes(sample).to_f64() > MOST),
            Self::F32 => any(row, |sample| f64::from(f32::from_ne_bytes(sample)) > MOST),
            Self::F64 => any(row, |sample| f64::from_ne_bytes(sample) > MOST),
            Self::Packed(_) | Self::U8 | Self::U16 | Self::U32 => false,
        }
    }

    /// Writes the samples of `row`, in this machine's byte order, as 8 bits each.
    ///
    /// Integers are scaled so that the largest becomes 255, unless they are `indices` of at most
    /// 8 bits; of floating point, 1.0 becomes 255 and what lies outside 0.0..=1.0 is clamped.
    pub(super) fn unpack<'a>(
        self,
        row: &[u8],
        indices: bool,
        out: impl Iterator<Item = &'a mut u8>,
    ) {
        match self {
            Self::Packed(bits) => {
                let most = (1 << bits) - 1;
                let scale = if indices { 1 } else { 255 / most };
                let shifts = (0..8 / bits).rev().map(move |place| place * bits);
                let levels = row.iter().flat_map(|&byte| {
                    shifts.clone().map(move |shift| (byte >> shift & most) * scale)
                });
                out.zip(levels).for_each(|(out, level)| *out = level);
            }
            Self::U8 => out.zip(row).for_each(|(out, level)| *out = *level),
            Self::U16 => narrow(row, out, |sample| rgb::narrow(u16::from_ne_bytes(sample))),
            Self::U32 => narrow(row, out, |sample| {
                let sample = u64::from(u32::from_ne_bytes(sample));
                ((sample * 255 + u64::from(u32::MAX / 2)) / u64::from(u32::MAX)) as u8
            }),
            Self::F16 => {
                narrow(row, out, |sample| rgb::from_unit(f16::from_ne_bytes(sample).to_f32()));
            }
            Self::F32 => narrow(row, out, |sample| rgb::from_unit(f32::from_ne_bytes(sample))),
            Self::F64 => {
                narrow(row, out, |sample| rgb::from_unit(f64::from_ne_bytes(sample) as f32));
            }
        }
    }
}

fn any<const BYTES: usize>(row: &[u8], is: impl Fn([u8; BYTES]) -> bool) -> bool {
    row.as_chunks::<BYTES>().0.iter().any(|sample| is(*sample))
}

fn narrow<'a, const BYTES: usize>(
    row: &[u8],
    out: impl Iterator<Item = &'a mut u8>,
    to_8_bits: impl Fn([u8; BYTES]) -> u8,
) {
    let (samples, _) = row.as_chunks::<BYTES>();
    out.zip(samples).for_each(|(out, sample)| *out = to_8_bits(*sample));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(depth: Depth, row: &[u8], indices: bool, count: usize) -> Vec<u8> {
        let mut out = vec![0; count];
        depth.unpack(row, indices, out.iter_mut());
        out
    }

    #[test]
    fn few_bits_are_taken_from_the_high_end() {
        assert_eq!(unpacked(Depth::Packed(1), &[0b1010_0000], false, 4), [255, 0, 255, 0]);
        assert_eq!(unpacked(Depth::Packed(2), &[0b0001_1011], false, 4), [0, 85, 170, 255]);
        assert_eq!(unpacked(Depth::Packed(4), &[0x1f, 0x80], false, 3), [17, 255, 136]);
        assert_eq!(unpacked(Depth::Packed(4), &[0x1f, 0x80], true, 3), [1, 15, 8]);
        assert_eq!(unpacked(Depth::U8, &[7, 9], true, 2), [7, 9]);
    }

    #[test]
    fn floats_up_to_255_are_told_from_those_up_to_1() {
        let row = |samples: &[f32]| -> Vec<u8> {
            samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect()
        };
        assert!(!Depth::F32.exceeds_unit(&row(&[0.0, 1.0, 1.5, -3.0, f32::NAN])));
        assert!(Depth::F32.exceeds_unit(&row(&[0.0, 3.0])));
        assert!(!Depth::U8.exceeds_unit(&[255]));
    }

    #[test]
    fn the_largest_value_of_each_type_is_white() {
        for (depth, largest) in [
            (Depth::U16, &u16::MAX.to_ne_bytes()[..]),
            (Depth::U32, &u32::MAX.to_ne_bytes()),
            (Depth::F16, &f16::ONE.to_ne_bytes()),
            (Depth::F32, &1_f32.to_ne_bytes()),
            (Depth::F64, &1_f64.to_ne_bytes()),
        ] {
            assert_eq!(unpacked(depth, largest, false, 1), [255], "{depth:?}");
            assert_eq!(unpacked(depth, &vec![0; largest.len()], false, 1), [0], "{depth:?}");
        }
        let odd = [f32::NAN, -1.0, 7.0, 0.5].map(f32::to_ne_bytes).concat();
        assert_eq!(unpacked(Depth::F32, &odd, false, 4), [0, 0, 255, 128]);
    }

    #[test]
    fn types_that_are_not_decoded_are_named() {
        for (bits, format, name) in [
            (8, 2, "sign"),
            (24, 3, "24 bits"),
            (3, 1, "3 bits"),
            (64, 1, "64 bits"),
            (32, 6, "complex"),
            (u64::MAX, u64::MAX, "complex"),
        ] {
            let error = Depth::new(bits, format).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
