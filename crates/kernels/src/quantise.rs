//! From f32 to u8 and back.

pub(super) use super::simd::to_byte;

/// Writes `input * factor`, rounded to nearest, ties to even, within 0..=255; `factor` is 1 divided by the scale of the
/// bytes.
///
/// # Panics
/// When input and output differ in length.
pub fn quantise(factor: f32, input: &[f32], output: &mut [u8]) {
    assert_eq!(input.len(), output.len(), "a byte for each value");
    for (output, &value) in output.iter_mut().zip(input) {
        *output = to_byte(value * factor);
    }
}

/// Writes `input * scale`: the values that the bytes stand for.
///
/// # Panics
/// When input and output differ in length.
pub fn dequantise(scale: f32, input: &[u8], output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "a value for each byte");
    for (output, &byte) in output.iter_mut().zip(input) {
        *output = f32::from(byte) * scale;
    }
}
