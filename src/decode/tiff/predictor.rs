//! Samples stored as differences from those before them (TIFF 6.0, section 14; technical note 3).

use super::super::DecodeError;
use super::chain::Entries;
use super::samples::Depth;
use super::values::ByteOrder;
use super::{corrupt, tags, unsupported};

/// What was done to a row before it was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Each sample less the one of the pixel before it.
    Horizontal,
    /// The same of the bytes of floating-point numbers, all high bytes first.
    FloatingPoint,
}

impl Predictor {
    pub(super) fn read(entries: &Entries, depth: Depth) -> Result<Self, DecodeError> {
        Ok(match entries.integer(tags::PREDICTOR, 1)? {
            1 => Self::None,
            2 if depth.bytes() > 0 => Self::Horizontal,
            2 => return Err(unsupported("a predictor of samples of less than 8 bits")),
            3 if depth.is_float() => Self::FloatingPoint,
            3 => return Err(corrupt("a floating-point predictor of integers")),
            other => return Err(unsupported(format!("predictor {other}"))),
        })
    }

    /// Turns a row back into samples in this machine's byte order.
    ///
    /// `together` samples make a pixel; `spare` is for rows as long as this one.
    pub(super) fn undo(
        self,
        row: &mut [u8],
        spare: &mut Vec<u8>,
        (depth, order, together): (Depth, ByteOrder, usize),
    ) {
        let sample_bytes = depth.bytes();
        if self == Self::FloatingPoint {
            for index in together..row.len() {
                row[index] = row[index].wrapping_add(row[index - together]);
            }
            spare.clear();
            spare.extend_from_slice(row);
            gather(spare, row, sample_bytes);
            return;
        }
        if sample_bytes > 1 && !order.is_native() {
            row.chunks_exact_mut(sample_bytes).for_each(<[u8]>::reverse);
        }
        if self == Self::Horizontal {
            match sample_bytes {
                1 => sum::<1>(row, together, |a, b| [a[0].wrapping_add(b[0])]),
                2 => sum::<2>(row, together, |a, b| {
                    u16::from_ne_bytes(a).wrapping_add(u16::from_ne_bytes(b)).to_ne_bytes()
                }),
                4 => sum::<4>(row, together, |a, b| {
                    u32::from_ne_bytes(a).wrapping_add(u32::from_ne_bytes(b)).to_ne_bytes()
                }),
                _ => sum::<8>(row, together, |a, b| {
                    u64::from_ne_bytes(a).wrapping_add(u64::from_ne_bytes(b)).to_ne_bytes()
                }),
            }
        }
    }
}

fn sum<const BYTES: usize>(
    row: &mut [u8],
    together: usize,
    add: impl Fn([u8; BYTES], [u8; BYTES]) -> [u8; BYTES],
) {
    let (samples, _) = row.as_chunks_mut::<BYTES>();
    for index in together..samples.len() {
        samples[index] = add(samples[index], samples[index - together]);
    }
}

/// Puts the bytes of each number, the highest of all numbers first, beside each other.
fn gather(apart: &[u8], row: &mut [u8], sample_bytes: usize) {
    let count = row.len() / sample_bytes;
    for (index, sample) in row.chunks_exact_mut(sample_bytes).enumerate() {
        for (place, byte) in sample.iter_mut().enumerate() {
            let place =
                if cfg!(target_endian = "little") { sample_bytes - 1 - place } else { place };
            *byte = apart[place * count + index];
        }
    }
}
