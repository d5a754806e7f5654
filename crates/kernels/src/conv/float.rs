//! Convolutions of f32 by f32.

use std::marker::PhantomData;
use std::ops::Range;

use super::ConvGeometry;
use super::order::InRuns;
use super::packed::{Arranged, OutputSize, Packed};
use super::tile::{self, Element, Finish, Work};
use crate::isa::{Isa, IsaName};
use crate::map::{Destination, MapView};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Frame, Portable, Product, Stepped, Vector, dispatch};
use crate::threads::{Threads, share_once};

/// What follows the product and the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, x)`.
    Relu,
}

/// One of several convolutions that read the same input.
#[derive(Clone, Copy, Debug)]
pub struct ConvPart<'a> {
    /// Layout OIHW.
    pub weights: &'a [f32],
    /// One for each output channel.
    pub bias: &'a [f32],
}

/// Packed weights of convolutions in f32.
pub struct ConvWeights {
    isa: Isa,
    packed: Packed,
    /// One for each lane of each vector.
    bias: Vec<f32>,
}

impl ConvWeights {
    /// Packs convolutions that read the same input with the same geometry: they are one product,
    /// and each writes to a destination of its own.
    ///
    /// # Panics
    /// When a part's weights or bias have another length than the geometry says.
    pub fn pack(
        isa: Isa,
        geometry: ConvGeometry,
        parts: &[ConvPart<'_>],
        output: OutputSize,
    ) -> Self {
        let frame = match isa.for_floats() {
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx512 => Float::<Avx512>::FRAME,
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx2 => Float::<Avx2>::FRAME,
            _ => Float::<Portable>::FRAME,
        };
        let weights: Vec<_> = parts.iter().map(|part| (part.weights, part.bias.len())).collect();
        let packed = Arranged::new(frame, geometry, &weights, output).pack();
        let bias: Vec<_> = parts.iter().map(|part| part.bias).collect();
        Self { isa, bias: packed.by_lane(&bias), packed }
    }

    /// Memory of the packed weights.
    pub fn bytes(&self) -> usize {
        self.packed.bytes() + size_of_val(self.bias.as_slice())
    }

    /// Writes the rows of `outputs`, one destination for each part, all of the same rows.
    ///
    /// The sums of an output are always taken in the same order: it does not matter which rows are
    /// asked for together, nor on how many threads.
    ///
    /// # Panics
    /// When a window reads outside the input's border, or a destination has other rows or channels
    /// than its part.
    pub fn run(
        &self,
        input: MapView<'_, f32>,
        outputs: &mut [Destination<'_, f32>],
        activation: Activation,
        threads: &dyn Threads,
    ) {
        let work = Work::new(&self.packed, input, outputs);
        let parts = work.parts(threads.count());
        share_once(threads, parts.count(), &|part| {
            dispatch!(
                self.isa,
                run(
                    work: &Work<'_, f32> = &work,
                    part: (Range<usize>, Range<usize>) = parts.part(part),
                    bias: &[f32] = &self.bias,
                    activation: Activation = activation,
                )
            );
        });
    }
}

/// # Safety
/// As [`tile::run`].
#[inline(always)]
unsafe fn run<V: Vector>(
    work: &Work<'_, f32>,
    part: (Range<usize>, Range<usize>),
    bias: &[f32],
    activation: Activation,
) {
    // SAFETY: as this function's.
    unsafe { tile::run::<Float<V>, InRuns, _>(work, part, bias, activation) }
}

impl Finish for Activation {
    #[inline(always)]
    fn element(self) -> Element {
        Element::Float
    }

    #[inline(always)]
    unsafe fn write<V: Vector>(self, sums: V, _: usize, to: *mut u8, lanes: usize) {
        // SAFETY: as the caller's.
        unsafe {
            let values = if self == Self::Relu { sums.max(V::splat(0.0)) } else { sums };
            values.store_some(to.cast(), lanes);
        }
    }
}

/// Products of f32: a tap a step.
struct Float<V>(PhantomData<V>);

impl<V: Vector> Product for Float<V> {
    type Element = f32;
    type Weight = f32;
    type Taps = V;
    type Weights = V;
    type Sums = V;
    type Floats = V;
    const FRAME: Frame = Frame {
        lanes: V::LANES,
        vectors: V::TILE_VECTORS,
        pixels: V::TILE_PIXELS,
        taps: 1,
        group: 1,
    };

    #[inline(always)]
    unsafe fn start(bias: *const f32) -> V {
        // SAFETY: as the caller's.
        unsafe { V::load(bias) }
    }

    #[inline(always)]
    unsafe fn taps(from: *const f32) -> V {
        // SAFETY: as the caller's.
        unsafe { V::splat(*from) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const f32) -> V {
        // SAFETY: as the caller's.
        unsafe { V::load(from) }
    }

    #[inline(always)]
    unsafe fn floats(sums: V) -> V {
        sums
    }
}

impl<V: Vector> Stepped for Float<V> {
    #[inline(always)]
    unsafe fn step(sums: V, taps: V, weights: V) -> V {
        // SAFETY: as the caller's.
        unsafe { sums.add_product(taps, weights) }
    }
}
