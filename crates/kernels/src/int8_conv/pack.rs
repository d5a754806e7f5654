//! Weights in the order in which the tile reads them.

use crate::isa::{Isa, IsaName};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{DotVector, Portable};
use crate::window::ConvGeometry;

/// One of several convolutions that read the same input.
#[derive(Clone, Copy, Debug)]
pub struct Int8ConvPart<'a> {
    /// Layout OIHW.
    pub weights: &'a [i8],
    /// For each output channel what one unit of its sum is worth in the output.
    pub scale: &'a [f32],
    /// For each output channel, in units of the output.
    pub bias: &'a [f32],
}

/// Packed weights: for each block of output channels `[ky][quad of the run][vectors][lanes][4]`.
pub struct Int8ConvWeights {
    pub(super) isa: Isa,
    pub(super) geometry: ConvGeometry,
    /// Output channels of each part.
    pub(super) channels: Vec<usize>,
    /// The vectors of output channels, those of a part together.
    pub(super) places: Vec<Place>,
    /// Vectors in a block; the last block may have fewer.
    pub(super) block: usize,
    pub(super) weights: Vec<Line>,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// A cache line: a vector never lies across two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Line(#[allow(dead_code)] [i8; 64]); // read through pointers

/// Where a vector of output channels belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) part: usize,
    /// First channel of the part.
    pub(super) channel: usize,
    /// Channels; the rest of the vector is padding.
    pub(super) lanes: usize,
}

impl Int8ConvWeights {
    /// Packs convolutions that read the same input with the same geometry: they are one product,
    /// and each writes to a destination of its own. `output_width` is the width of the output in
    /// pixels.
    ///
    /// # Panics
    /// When a part's weights, scale or bias have another length than the geometry says, or the run of
    /// a kernel row is shorter than [`Int8ConvWeights::LEAST_RUN`].
    pub fn pack(
        isa: Isa,
        geometry: ConvGeometry,
        parts: &[Int8ConvPart<'_>],
        output_width: usize,
    ) -> Self {
        assert!(geometry.stride > 0 && geometry.kernel.0 > 0, "{geometry:?}");
        assert!(geometry.run() >= Self::LEAST_RUN, "a quad fits into a run of {geometry:?}");
        let (lanes, tile_vectors) = sizes(isa);
        // With one pixel the sums hide the latency of memory: many vectors at once.
        let block = if output_width == 1 { super::tile::PIXEL_VECTORS } else { tile_vectors };
        let places = places(parts, lanes);
        let run = geometry.run();
        let quads = geometry.kernel.0 * run.div_ceil(4);
        let mut packed = vec![0; places.len() * quads * lanes * 4];
        let mut scale = vec![0.0; places.len() * lanes];
        let mut bias = vec![0.0; places.len() * lanes];
        for (start, vectors) in (0..places.len()).step_by(block).zip(places.chunks(block)) {
            let own = &mut packed[start * quads * lanes * 4..];
            for (vector, place) in vectors.iter().enumerate() {
                let part = parts[place.part];
                let taps = geometry.kernel.0 * run;
                assert_eq!(part.weights.len(), part.bias.len() * taps, "weights are OIHW");
                for lane in 0..place.lanes {
                    let channel = place.channel + lane;
                    scale[(start + vector) * lanes + lane] = part.scale[channel];
                    bias[(start + vector) * lanes + lane] = part.bias[channel];
                    let weights = &part.weights[channel * taps..(channel + 1) * taps];
                    for (tap, weight) in by_tap(geometry, weights).enumerate() {
                        let (quad, element) = place_of(tap, run);
                        let at = (quad * vectors.len() + vector) * lanes + lane;
                        own[at * 4 + element] = weight;
                    }
                }
            }
        }
        let channels = parts.iter().map(|part| part.bias.len()).collect();
        Self { isa, geometry, channels, places, block, weights: lines(&packed), scale, bias }
    }

    /// The shortest run `kernel width * input channels` that there is an int8 kernel for.
    pub const LEAST_RUN: usize = 4;

    /// Memory of the packed weights.
    pub fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice())
            + size_of_val(self.scale.as_slice())
            + size_of_val(self.bias.as_slice())
    }
}

/// Where the weight of a tap stands: its quad, and its element of the quad.
///
/// The last quad of a run is moved back so that it ends with the run: nothing behind the input is
/// read. What the quad before it has already taken has weight 0 in it.
fn place_of(tap: usize, run: usize) -> (usize, usize) {
    let (row, k) = (tap / run, tap % run);
    let quads = run.div_ceil(4);
    let (quad, element) = (k / 4, k % 4);
    let moved = if quad + 1 == quads { quads * 4 - run } else { 0 };
    (row * quads + quad, element + moved)
}

/// Lanes of a vector, and vectors in a tile.
fn sizes(isa: Isa) -> (usize, usize) {
    match isa.name() {
        #[cfg(target_arch = "x86_64")]
        IsaName::Avx512 => (<Avx512 as DotVector>::LANES, <Avx512 as DotVector>::TILE_VECTORS),
        #[cfg(target_arch = "x86_64")]
        IsaName::Avx2 => (<Avx2 as DotVector>::LANES, <Avx2 as DotVector>::TILE_VECTORS),
        _ => (<Portable as DotVector>::LANES, <Portable as DotVector>::TILE_VECTORS),
    }
}

fn places(parts: &[Int8ConvPart<'_>], lanes: usize) -> Vec<Place> {
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
fn by_tap(geometry: ConvGeometry, weights: &[i8]) -> impl Iterator<Item = i8> {
    let (inputs, taps) = (geometry.input_channels, geometry.kernel.0 * geometry.kernel.1);
    (0..taps).flat_map(move |tap| (0..inputs).map(move |input| weights[input * taps + tap]))
}

fn lines(values: &[i8]) -> Vec<Line> {
    let line = |chunk: &[i8]| {
        let mut line = [0; 64];
        line[..chunk.len()].copy_from_slice(chunk);
        Line(line)
    };
    values.chunks(64).map(line).collect()
}
