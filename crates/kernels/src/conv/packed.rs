//! Weights in the order in which the tile reads them.

use std::ops::Range;

use super::ConvGeometry;
use super::chains::Chains;
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

/// Vectors of output channels in a block where the output is one pixel; chains have blocks as for a map.
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
    /// The order of the steps, where it is not that of the runs.
    pub(super) chains: Option<Chains>,
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
                let from = &from[slot.channel * taps..][..slot.lanes * taps];
                for Tap { step, of_step, from: tap } in frame.taps_of(geometry) {
                    let of_step = (step * slots.len() + vector) * frame.step() + of_step;
                    // One tap of all lanes: they lie together, or nearly so, where they are written.
                    let to = own[of_step..].iter_mut().step_by(frame.group);
                    for (to, from) in to.zip(from[tap..].iter().step_by(taps)) {
                        *to = *from;
                    }
                }
            }
        }
        let channels = parts.iter().map(|&(_, channels)| channels).collect();
        Self { geometry, frame, channels, vectors, block, weights }
    }

    /// How many blocks of output channels there are.
    pub(super) fn blocks(&self) -> usize {
        self.vectors.len().div_ceil(self.block)
    }

    /// The number of vectors of a block, and its weights.
    pub(super) fn block(&self, block: usize) -> (usize, &[W]) {
        let vectors = vectors_of(block, self.block, self.vectors.len());
        let weights = in_runs(self.frame, self.geometry, &vectors);
        (vectors.len(), &self.weights[weights])
    }

    /// In the order of the runs.
    pub(super) fn pack(self) -> Packed {
        let weights = Lines::new(&self.weights);
        self.pack_as(weights, None)
    }

    /// With these weights in this order.
    pub(super) fn pack_as(self, weights: Lines, chains: Option<Chains>) -> Packed {
        let Self { geometry, frame, channels, vectors, block, .. } = self;
        Packed { geometry, frame, channels, vectors, block, weights, chains }
    }
}

impl Packed {
    /// The vectors of a block among all.
    pub(super) fn vectors_of(&self, block: usize) -> Range<usize> {
        vectors_of(block, self.block, self.vectors.len())
    }

    /// The weights of a block among all.
    pub(super) fn weights_of(&self, block: usize) -> Range<usize> {
        match &self.chains {
            Some(chains) => chains.blocks[block].weights.clone(),
            None => in_runs(self.frame, self.geometry, &self.vectors_of(block)),
        }
    }

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
        self.weights.bytes() + self.chains.as_ref().map_or(0, Chains::bytes)
    }
}

/// The vectors of a block, of `count` in blocks of `of_block`; the last block may have fewer.
fn vectors_of(block: usize, of_block: usize, count: usize) -> Range<usize> {
    let first = block * of_block;
    first..count.min(first + of_block)
}

/// Where the weights of some vectors lie among all, in the order of the runs.
fn in_runs(frame: Frame, geometry: ConvGeometry, vectors: &Range<usize>) -> Range<usize> {
    let of_vector = frame.steps(geometry) * frame.step();
    vectors.start * of_vector..vectors.end * of_vector
}

impl Frame {
    /// Steps of a window.
    pub(super) fn steps(self, geometry: ConvGeometry) -> usize {
        geometry.kernel.0 * geometry.run().div_ceil(self.taps)
    }

    /// All taps of a window, in the order of the runs.
    ///
    /// The last step of a run is moved back so that it ends with the run.
    fn taps_of(self, geometry: ConvGeometry) -> impl Iterator<Item = Tap> {
        let (inputs, run) = (geometry.input_channels, geometry.run());
        let (width, area) = (geometry.kernel.1, geometry.kernel.0 * geometry.kernel.1);
        let steps = run.div_ceil(self.taps);
        let last_moved = steps * self.taps - run;
        let in_row = move |row: usize, step: usize| {
            let begin = step * self.taps;
            let moved = if step + 1 == steps { last_moved } else { 0 };
            (begin..run.min(begin + self.taps)).map(move |k| {
                let (group, element) =
                    ((k - begin + moved) / self.group, (k - begin + moved) % self.group);
                Tap {
                    step: row * steps + step,
                    of_step: group * self.lanes * self.group + element,
                    from: k % inputs * area + row * width + k / inputs,
                }
            })
        };
        (0..geometry.kernel.0)
            .flat_map(move |row| (0..steps).flat_map(move |step| in_row(row, step)))
    }
}

/// Where a tap stands.
struct Tap {
    step: usize,
    /// Its first lane's element of the step; those of the other lanes follow at a distance of a group.
    of_step: usize,
    /// Its place among the weights of an output channel, `[I][H][W]`.
    from: usize,
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
