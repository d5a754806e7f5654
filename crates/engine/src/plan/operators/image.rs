//! From a photo's bytes to the map that the first layer reads.

use tract_onnx::prelude::*;

use super::{MapMemory, Operator, map_fact, slice, view};
use crate::model::Preprocessing;
use crate::plan::team::Team;
use googlenet_kernels::map::{MapShape, fill_border};

/// `(byte - mean) * scale`, RGB to the model's own order of channels. The border is 0, as the padding of
/// a normalised image is.
#[derive(Debug)]
pub(in crate::plan) struct Normalise {
    pub(in crate::plan) preprocessing: Preprocessing,
    pub(in crate::plan) output: MapShape,
}

impl Operator for Normalise {
    const NAME: &'static str = "Normalise";

    fn output_fact(&self) -> TypedFact {
        map_fact::<f32>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let (pixels, _) = slice::<u8>(input)?.as_chunks::<3>();
        let order = self.preprocessing.channels.from_rgb();
        let (mean, scale) = (self.preprocessing.mean, self.preprocessing.scale);
        let mut output = maps.map::<f32>(self.output);
        let mut whole = output.rows();
        for (row, pixels) in pixels.chunks_exact(self.output.width).enumerate() {
            let (values, _) = whole.row_mut(row).as_chunks_mut::<3>();
            for (values, pixel) in values.iter_mut().zip(pixels) {
                for channel in 0..3 {
                    let byte = f32::from(pixel[order[channel]]);
                    values[channel] = (byte - mean[channel]) * scale[channel];
                }
            }
        }
        Ok(output.into_tensor())
    }
}

/// The photo's bytes as they are: the mean is in the first layer's bias. The border holds the mean, as
/// the padding of a normalised image is 0.
#[derive(Debug)]
pub(in crate::plan) struct Bytes {
    /// The mean, RGB.
    pub(in crate::plan) border: [u8; 3],
    pub(in crate::plan) output: MapShape,
}

impl Operator for Bytes {
    const NAME: &'static str = "Bytes";

    fn output_fact(&self) -> TypedFact {
        map_fact::<u8>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let mut output = maps.unfilled::<u8>(self.output);
        let (pixels, _) = output.values_mut().as_chunks_mut::<3>();
        fill_border(MapShape { channels: 1, ..self.output }, pixels, self.border);
        let mut whole = output.rows();
        let bytes = slice::<u8>(input)?.chunks_exact(3 * self.output.width);
        for (row, bytes) in bytes.enumerate() {
            whole.row_mut(row).copy_from_slice(bytes);
        }
        Ok(output.into_tensor())
    }
}

/// `factor * x + term` for each channel, of a tensor that a client has normalised.
#[derive(Debug)]
pub(in crate::plan) struct ScaleChannels {
    pub(in crate::plan) factor: [f32; 3],
    pub(in crate::plan) term: [f32; 3],
    pub(in crate::plan) input: MapShape,
    pub(in crate::plan) output: MapShape,
}

impl Operator for ScaleChannels {
    const NAME: &'static str = "ScaleChannels";

    fn output_fact(&self) -> TypedFact {
        map_fact::<f32>(self.output)
    }

    fn run(&self, input: &Tensor, maps: &MapMemory, _: &Team) -> TractResult<Tensor> {
        let from = view::<f32>(input, self.input)?.values();
        let border = self.input.border;
        let mut output = maps.map::<f32>(self.output);
        let mut whole = output.rows();
        for row in 0..self.output.height {
            let (to, _) = whole.row_mut(row).as_chunks_mut::<3>();
            let first = (row + border) * self.input.row_len() + 3 * border;
            let (from, _) = from[first..].as_chunks::<3>();
            for (to, from) in to.iter_mut().zip(from) {
                for channel in 0..3 {
                    to[channel] = from[channel] * self.factor[channel] + self.term[channel];
                }
            }
        }
        Ok(output.into_tensor())
    }
}
