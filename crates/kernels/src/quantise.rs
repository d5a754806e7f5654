//! From f32 to u8 and back.

pub(super) use super::simd::to_byte;

/// Writes `input * scale`, rounded to nearest, ties to even, within 0..=255; `scale` is 1 by what one
/// unit is worth.
///
/// # Panics
/// When input and output differ in length.
pub fn quantise(scale: f32, input: &[f32], output: &mut [u8]) {
    assert_eq!(input.len(), output.len(), "a byte for each value");
    for (output, &value) in output.iter_mut().zip(input) {
        *output = to_byte(value * scale);
    }
}

/// Writes `input * unit`: what the bytes are worth.
///
/// # Panics
/// When input and output differ in length.
pub fn dequantise(unit: f32, input: &[u8], output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "a value for each byte");
    for (output, &byte) in output.iter_mut().zip(input) {
        *output = f32::from(byte) * unit;
    }
}
