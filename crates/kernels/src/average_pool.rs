//! The mean of each channel over a whole map.

use super::map::MapView;

/// Writes the mean of each channel.
///
/// # Panics
/// When `output` has another length than the map has channels.
pub fn average_pool(input: MapView<'_, f32>, output: &mut [f32]) {
    let shape = input.shape();
    assert_eq!(shape.channels, output.len(), "one mean for each channel");
    output.fill(0.0);
    for row in 0..shape.height {
        for column in 0..shape.width {
            for (sum, value) in output.iter_mut().zip(input.pixel(row, column)) {
                *sum += value;
            }
        }
    }
    let pixels = (shape.height * shape.width) as f32;
    output.iter_mut().for_each(|sum| *sum /= pixels);
}

/// Writes `mean * scale` of each channel, rounded to nearest, ties to even, within 0..=255.
///
/// # Panics
/// When `output` has another length than the map has channels, or the map has over 2^24 pixels.
pub fn average_pool_u8(input: MapView<'_, u8>, scale: f32, output: &mut [u8]) {
    const CHUNK: usize = 64;
    let shape = input.shape();
    let pixels = shape.height * shape.width;
    assert_eq!(shape.channels, output.len(), "one mean for each channel");
    assert!(pixels < 1 << 24, "the sum of {pixels} bytes fits into 32 bits");
    let scale = scale / pixels as f32;
    for (start, output) in (0..).step_by(CHUNK).zip(output.chunks_mut(CHUNK)) {
        let mut sums = [0_u32; CHUNK];
        for row in 0..shape.height {
            for column in 0..shape.width {
                let pixel = &input.pixel(row, column)[start..start + output.len()];
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += u32::from(value);
                }
            }
        }
        for (output, sum) in output.iter_mut().zip(sums) {
            *output = super::quantise::to_byte(sum as f32 * scale);
        }
    }
}
