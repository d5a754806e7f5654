//! Writes inputs into the tensor that tract reads: normalised f32, NCHW.

use crate::model::{Input, InputError, Preprocessing};

/// Writes one input into `out`, layout `[3, side, side]`.
///
/// # Errors
/// [`InputError::Length`] when the input is of another size than the network's.
pub(super) fn normalise(
    input: &Input,
    preprocessing: &Preprocessing,
    out: &mut [f32],
) -> Result<(), InputError> {
    match input {
        Input::Tensor(values) => {
            if values.len() != out.len() {
                return Err(InputError::Length { expected: out.len(), actual: values.len() });
            }
            out.copy_from_slice(values);
        }
        Input::Pixels(pixels) => {
            let bytes = pixels.as_bytes();
            if bytes.len() != out.len() {
                return Err(InputError::Length { expected: out.len(), actual: bytes.len() });
            }
            let plane = pixels.side() * pixels.side();
            let order = preprocessing.channels.from_rgb();
            for (channel, values) in out.chunks_exact_mut(plane).enumerate() {
                let (mean, scale) = (preprocessing.mean[channel], preprocessing.scale[channel]);
                let (rgb, _) = bytes.as_chunks::<3>();
                for (value, pixel) in values.iter_mut().zip(rgb) {
                    *value = (f32::from(pixel[order[channel]]) - mean) * scale;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pixels;

    #[test]
    fn pixels_become_bgr_planes_minus_the_mean() {
        let preprocessing = Preprocessing { side: 2, ..Preprocessing::bvlc() };
        let rgb: Vec<u8> = (0..12).map(|i| i * 20).collect();
        let mut out = [0.0; 12];
        normalise(&Input::Pixels(Pixels::new(2, rgb.clone()).unwrap()), &preprocessing, &mut out)
            .unwrap();
        for pixel in 0..4 {
            for (channel, (from_rgb, mean)) in
                [(2, 104.0), (1, 117.0), (0, 123.0)].iter().enumerate()
            {
                let expected = f32::from(rgb[pixel * 3 + from_rgb]) - mean;
                assert_eq!(out[channel * 4 + pixel], expected, "pixel {pixel}, channel {channel}");
            }
        }
    }

    #[test]
    fn another_size_is_an_error() {
        let preprocessing = Preprocessing::bvlc();
        let input = Input::Tensor(vec![0.0; 11].into());
        let error = normalise(&input, &preprocessing, &mut [0.0; 12]).unwrap_err();
        assert_eq!(error, InputError::Length { expected: 12, actual: 11 });
    }
}
