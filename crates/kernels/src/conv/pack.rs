//! Weights in the order in which the tile reads them.

use super::ConvGeometry;
use crate::isa::{Isa, IsaName};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Vector};

/// One of several convolutions that read the same input.
#[derive(Clone, Copy, Debug)]
pub struct ConvPart<'a> {
    /// Layout OIHW.
    pub weights: &'a [f32],
    /// One for each output channel.
    pub bias: &'a [f32],
}

/// Packed weights: for each block of output channels `[ky][kx * channels][vectors][lanes]`.
pub struct ConvWeights {
    pub(super) isa: Isa,
    pub(super) geometry: ConvGeometry,
    /// Output channels of each part.
    pub(super) channels: Vec<usize>,
    /// The vectors of output channels, those of a part together.
    pub(super) places: Vec<Place>,
    /// Vectors in a block; the last block may have fewer.
    pub(super) block: usize,
    pub(super) weights: Vec<Line>,
    /// For each vector one line, or less.
    pub(super) bias: Vec<f32>,
}

/// A cache line: a vector never lies across two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Line(#[allow(dead_code)] [f32; 16]); // read through pointers

/// Where a vector of output channels belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) part: usize,
    /// First channel of the part.
    pub(super) channel: usize,
    /// Channels; the rest of the vector is padding.
    pub(super) lanes: usize,
}

impl ConvWeights {
    /// Packs convolutions that read the same input with the same geometry: they are one product,
    /// and each writes to a destination of its own. `output_width` is the width of the output in
    /// pixels.
    ///
    /// # Panics
    /// When a part's weights or bias have another length than the geometry says.
    pub fn pack(
        isa: Isa,
        geometry: ConvGeometry,
        parts: &[ConvPart<'_>],
        output_width: usize,
    ) -> Self {
        assert!(geometry.stride > 0 && geometry.run() > 0 && geometry.kernel.0 > 0, "{geometry:?}");
        let (lanes, tile_vectors) = sizes(isa);
        // With one pixel the sums hide the latency of memory: many vectors at once.
        let block = if output_width == 1 { super::tile::PIXEL_VECTORS } else { tile_vectors };
        let places = places(parts, lanes);
        let taps = geometry.kernel.0 * geometry.run();
        let mut packed = vec![0.0; places.len() * taps * lanes];
        let mut bias = vec![0.0; places.len() * lanes];
        for (start, vectors) in (0..places.len()).step_by(block).zip(places.chunks(block)) {
            let own = &mut packed[start * taps * lanes..];
            for (vector, place) in vectors.iter().enumerate() {
                let part = parts[place.part];
                assert_eq!(part.weights.len(), part.bias.len() * taps, "weights are OIHW");
                for lane in 0..place.lanes {
                    let channel = place.channel + lane;
                    bias[(start + vector) * lanes + lane] = part.bias[channel];
                    let weights = &part.weights[channel * taps..(channel + 1) * taps];
                    for (tap, weight) in by_tap(geometry, weights).enumerate() {
                        own[(tap * vectors.len() + vector) * lanes + lane] = weight;
                    }
                }
            }
        }
        let channels = parts.iter().map(|part| part.bias.len()).collect();
        Self { isa, geometry, channels, places, block, weights: lines(&packed), bias }
    }

    /// Memory of the packed weights.
    pub fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice()) + size_of_val(self.bias.as_slice())
    }
}

/// Lanes of a vector, and vectors in a tile.
fn sizes(isa: Isa) -> (usize, usize) {
    match isa.name() {
        #[cfg(target_arch = "x86_64")]
        IsaName::Avx512 => (<Avx512 as Vector>::LANES, <Avx512 as Vector>::TILE_VECTORS),
        #[cfg(target_arch = "x86_64")]
        IsaName::Avx2 => (<Avx2 as Vector>::LANES, <Avx2 as Vector>::TILE_VECTORS),
        _ => (<Portable as Vector>::LANES, <Portable as Vector>::TILE_VECTORS),
    }
}

fn places(parts: &[ConvPart<'_>], lanes: usize) -> Vec<Place> {
    let mut places = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let channels = part.bias.len();
        places.extend((0..channels).step_by(lanes).map(|channel| Place {
            part: index,
            channel,
            lanes: lanes.min(channels - channel),
        }));
    }
    places
}

/// The weights of one output channel, `[I][H][W]`, in the order `[H][W][I]`.
fn by_tap(geometry: ConvGeometry, weights: &[f32]) -> impl Iterator<Item = f32> {
    let (inputs, taps) = (geometry.input_channels, geometry.kernel.0 * geometry.kernel.1);
    (0..taps).flat_map(move |tap| (0..inputs).map(move |input| weights[input * taps + tap]))
}

fn lines(values: &[f32]) -> Vec<Line> {
    let line = |chunk: &[f32]| {
        let mut line = [0.0; 16];
        line[..chunk.len()].copy_from_slice(chunk);
        Line(line)
    };
    values.chunks(16).map(line).collect()
}
