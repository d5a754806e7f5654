//! Weights in the order in which the tile reads them.

use std::ops::Range;

use super::ConvGeometry;
use crate::lines::{Lines, Plain};
use crate::simd::Frame;

/// How many pixels an output has: what the blocks of channels depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSize {
    /// One, as behind a pool over the whole map.
    Pixel,
    /// More.
    Map,
}

impl OutputSize {
    /// That of outputs `width` pixels wide, and about as high.
    pub fn of_width(width: usize) -> Self {
        if width == 1 { Self::Pixel } else { Self::Map }
    }
}

/// Vectors of output channels in a block where the output is one pixel.
pub(super) const PIXEL_VECTORS: usize = 8;

/// Weights in the tile's order: for each block of output channels
/// `[ky][step of the run][vectors][weights of a step]`.
pub(super) struct Arranged<W> {
    pub(super) geometry: ConvGeometry,
    pub(super) frame: Frame,
    /// Output channels of each part.
    channels: Vec<usize>,
    /// The vectors of output channels, those of a part together.
    pub(super) vectors: Vec<VectorSlot>,
    /// Vectors in a block; the last block may have fewer.
    pub(super) block: usize,
    pub(super) weights: Vec<W>,
}

/// The same, as the tile reads them.
pub(super) struct Packed {
    pub(super) geometry: ConvGeometry,
    pub(super) frame: Frame,
    pub(super) channels: Vec<usize>,
    pub(super) vectors: Vec<VectorSlot>,
    pub(super) block: usize,
    pub(super) weights: Lines,
    pub(super) rests: Rests,
}

/// Which channels a vector of output channels has.
#[derive(Clone, Copy, Debug)]
pub(super) struct VectorSlot {
    pub(super) part: usize,
    /// First channel of the part.
    pub(super) channel: usize,
    /// Channels; the other lanes are padding.
    pub(super) lanes: usize,
}

/// What was left of weights beyond a product's limit.
#[derive(Default)]
pub(super) struct Rests {
    /// For each vector its own among the groups.
    pub(super) of_vectors: Vec<Range<usize>>,
    pub(super) groups: Vec<RestGroup>,
    /// For each group `[lanes][group]`.
    pub(super) weights: Lines,
}

/// The taps that a rest is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RestGroup {
    /// Row of the kernel.
    pub(super) row: usize,
    /// First tap in the run.
    pub(super) tap: usize,
}

impl<W: Copy + Default + Plain> Arranged<W> {
    /// Arranges the weights of parts, OIHW each, with the output channels of each.
    ///
    /// # Panics
    /// When a part has another number of weights than the geometry says, or a step does not fit into a run.
    pub(super) fn new(
        frame: Frame,
        geometry: ConvGeometry,
        parts: &[(&[W], usize)],
        output: OutputSize,
    ) -> Self {
        let run = geometry.run();
        assert!(geometry.stride > 0 && geometry.kernel.0 > 0, "{geometry:?}");
        assert!(run >= frame.taps, "a step of {} taps fits into a run of {geometry:?}", frame.taps);
        let vectors = vector_slots(parts, frame.lanes);
        let block = match output {
            OutputSize::Pixel => PIXEL_VECTORS,
            OutputSize::Map => frame.vectors,
        };
        let of_vector = frame.steps(geometry) * frame.step();
        let mut weights = vec![W::default(); vectors.len() * of_vector];
        for (start, slots) in (0..vectors.len()).step_by(block).zip(vectors.chunks(block)) {
            let own = &mut weights[start * of_vector..][..slots.len() * of_vector];
            for (vector, slot) in slots.iter().enumerate() {
                let (from, channels) = parts[slot.part];
                let taps = geometry.kernel.0 * run;
                assert_eq!(from.len(), channels * taps, "weights are OIHW");
                for lane in 0..slot.lanes {
                    let from = &from[(slot.channel + lane) * taps..][..taps];
                    for (tap, weight) in in_runs(geometry, from).enumerate() {
                        let (step, of_step) = frame.place(tap, run, lane);
                        own[(step * slots.len() + vector) * frame.step() + of_step] = weight;
                    }
                }
            }
        }
        let channels = parts.iter().map(|&(_, channels)| channels).collect();
        Self { geometry, frame, channels, vectors, block, weights }
    }

    pub(super) fn pack(self, rests: Rests) -> Packed {
        let Self { geometry, frame, channels, vectors, block, weights } = self;
        let weights = Lines::new(&weights);
        Packed { geometry, frame, channels, vectors, block, weights, rests }
    }
}

impl Packed {
    /// One value for each lane of each vector, from one for each output channel of each part.
    pub(super) fn by_lane(&self, parts: &[&[f32]]) -> Vec<f32> {
        let mut values = vec![0.0; self.vectors.len() * self.frame.lanes];
        for (slot, lanes) in self.vectors.iter().zip(values.chunks_exact_mut(self.frame.lanes)) {
            let of_part = &parts[slot.part][slot.channel..][..slot.lanes];
            lanes[..slot.lanes].copy_from_slice(of_part);
        }
        values
    }

    /// Memory of the weights.
    pub(super) fn bytes(&self) -> usize {
        let rests = self.rests.groups.len() * size_of::<RestGroup>() + self.rests.weights.bytes();
        self.weights.bytes() + rests
    }
}

impl Frame {
    /// Steps of a window.
    pub(super) fn steps(self, geometry: ConvGeometry) -> usize {
        geometry.kernel.0 * geometry.run().div_ceil(self.taps)
    }

    /// Where the weight of a tap stands for a lane: its step, and its element of the step.
    ///
    /// The last step of a run is moved back so that it ends with the run.
    fn place(self, tap: usize, run: usize, lane: usize) -> (usize, usize) {
        let (row, k) = (tap / run, tap % run);
        let steps = run.div_ceil(self.taps);
        let moved = if k / self.taps + 1 == steps { steps * self.taps - run } else { 0 };
        let k_in_step = k % self.taps + moved;
        let (group, element) = (k_in_step / self.group, k_in_step % self.group);
        let of_step = (group * self.lanes + lane) * self.group + element;
        (row * steps + k / self.taps, of_step)
    }
}

fn vector_slots<W>(parts: &[(&[W], usize)], lanes: usize) -> Vec<VectorSlot> {
    let mut slots = Vec::new();
    for (part, &(_, channels)) in parts.iter().enumerate() {
        slots.extend((0..channels).step_by(lanes).map(|channel| VectorSlot {
            part,
            channel,
            lanes: lanes.min(channels - channel),
        }));
    }
    slots
}

/// The weights of one output channel, `[I][H][W]`, in the order `[H][W][I]`.
fn in_runs<W: Copy>(geometry: ConvGeometry, weights: &[W]) -> impl Iterator<Item = W> {
    let (inputs, taps) = (geometry.input_channels, geometry.kernel.0 * geometry.kernel.1);
    (0..taps).flat_map(move |tap| (0..inputs).map(move |input| weights[input * taps + tap]))
}
