//! Convolutions of u8 by i8, with sums of 32 bits: every instruction set gives the same bits.

use std::ops::Range;

use super::ConvGeometry;
use super::chains::{LONGEST_CHAIN, chained};
use super::order::{InChains, InRuns, Order};
use super::packed::{Arranged, OutputSize, Packed};
use super::tile::{self, Element, Finish, Work};
use crate::isa::{Isa, IsaName};
use crate::map::{Destination, MapView};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2Bytes, Avx512Bytes, Avx512Vnni, AvxVnni};
use crate::simd::{
    Chained, PortableFloats, PortableIntegers, Product, Stepped, Vector, as_it_is, compiled_for,
};
use crate::threads::{Threads, share_once};

/// One of several convolutions that read the same input.
#[derive(Clone, Copy, Debug)]
pub struct Int8ConvPart<'a> {
    /// Layout OIHW.
    pub weights: &'a [i8],
    /// For each output channel, what its sum is multiplied by: the scales of the input and of its weights, divided by
    /// that of the output.
    pub scale: &'a [f32],
    /// For each output channel, divided by the scale of the output.
    pub bias: &'a [f32],
}

/// Packed weights of convolutions in int8.
pub struct Int8ConvWeights {
    product: ProductName,
    packed: Packed,
    /// One for each lane of each vector.
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// The products that there are for bytes: an instruction set may have several, and the weights decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProductName {
    PortableIntegers,
    PortableFloats,
    #[cfg(target_arch = "x86_64")]
    Avx2Bytes,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Bytes,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

/// Runs the product that the weights were packed for.
macro_rules! run_product {
    ($weights:expr, $work:expr, $part:expr) => {
        match $weights.product {
            ProductName::PortableIntegers => run_product!(
                as_it_is!(), PortableIntegers, InRuns, $weights, $work, $part
            ),
            ProductName::PortableFloats => run_product!(
                as_it_is!(), PortableFloats, InRuns, $weights, $work, $part
            ),
            #[cfg(target_arch = "x86_64")]
            ProductName::Avx2Bytes => run_product!(
                compiled_for!("avx2,fma",), Avx2Bytes, InChains, $weights, $work, $part
            ),
            #[cfg(target_arch = "x86_64")]
            ProductName::AvxVnni => run_product!(
                compiled_for!("avxvnni,avx2,fma",), AvxVnni, InRuns, $weights, $work, $part
            ),
            #[cfg(target_arch = "x86_64")]
            ProductName::Avx512Bytes => run_product!(
                compiled_for!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",),
                Avx512Bytes, InChains, $weights, $work, $part
            ),
            #[cfg(target_arch = "x86_64")]
            ProductName::Avx512Vnni => run_product!(
                compiled_for!("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma",),
                Avx512Vnni, InRuns, $weights, $work, $part
            ),
        }
    };
    ($compiled:ident!($($features:tt)*), $product:ty, $order:ty, $weights:expr, $work:expr, $part:expr) => {
        $compiled!($($features)* run::<$product, $order>(
            weights: &Int8ConvWeights = $weights,
            work: &Work<'_, u8> = $work,
            part: (Range<usize>, Range<usize>) = $part,
        ))
    };
}

impl Int8ConvWeights {
    /// The shortest run `kernel width * input channels` that there is an int8 kernel for.
    pub const LEAST_RUN: usize = 4;

    /// Packs convolutions that read the same input with the same geometry: they are one product,
    /// and each writes to a destination of its own.
    ///
    /// # Panics
    /// When a part's weights, scale or bias have another length than the geometry says, or the run of
    /// a kernel row is shorter than [`Int8ConvWeights::LEAST_RUN`].
    pub fn pack(
        isa: Isa,
        geometry: ConvGeometry,
        parts: &[Int8ConvPart<'_>],
        output: OutputSize,
    ) -> Self {
        for part in parts {
            assert_eq!(part.scale.len(), part.bias.len(), "a scale and a bias for each channel");
        }
        assert!(geometry.run() >= Self::LEAST_RUN, "a quad fits into a run of {geometry:?}");
        let weights: Vec<_> = parts.iter().map(|part| (part.weights, part.bias.len())).collect();
        let (product, packed) = match isa.for_bytes() {
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx512Vnni => {
                let packed = pack::<Avx512Vnni>(geometry, &weights, output);
                (ProductName::Avx512Vnni, packed)
            }
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx512 => {
                (ProductName::Avx512Bytes, pack_chained::<Avx512Bytes>(geometry, &weights))
            }
            #[cfg(target_arch = "x86_64")]
            IsaName::AvxVnni => (ProductName::AvxVnni, pack::<AvxVnni>(geometry, &weights, output)),
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx2 => {
                (ProductName::Avx2Bytes, pack_chained::<Avx2Bytes>(geometry, &weights))
            }
            _ if sums_fit_f32(geometry, &weights) => {
                (ProductName::PortableFloats, pack_floats(geometry, &weights, output))
            }
            _ => {
                let packed = pack::<PortableIntegers>(geometry, &weights, output);
                (ProductName::PortableIntegers, packed)
            }
        };
        let (scale, bias): (Vec<_>, Vec<_>) =
            parts.iter().map(|part| (part.scale, part.bias)).unzip();
        Self { product, scale: packed.by_lane(&scale), bias: packed.by_lane(&bias), packed }
    }

    /// Memory of the packed weights.
    pub fn bytes(&self) -> usize {
        let of_lanes = size_of_val(self.scale.as_slice()) + size_of_val(self.bias.as_slice());
        self.packed.bytes() + of_lanes
    }

    /// Writes the rows of `outputs`, one destination for each part, all of the same rows:
    /// `sum * scale + bias`, rounded to nearest, ties to even, within 0..=255 (which is a ReLU too).
    ///
    /// # Panics
    /// When a window reads outside the input's border, or a destination has other rows or channels
    /// than its part.
    pub fn run(
        &self,
        input: MapView<'_, u8>,
        outputs: &mut [Destination<'_, u8>],
        threads: &dyn Threads,
    ) {
        self.run_work(&Work::new(&self.packed, input, outputs), threads);
    }

    /// The same in f32: `sum * scale + bias` as it is.
    ///
    /// # Panics
    /// As [`Int8ConvWeights::run`].
    pub fn run_to_floats(
        &self,
        input: MapView<'_, u8>,
        outputs: &mut [Destination<'_, f32>],
        threads: &dyn Threads,
    ) {
        self.run_work(&Work::new(&self.packed, input, outputs), threads);
    }

    fn run_work(&self, work: &Work<'_, u8>, threads: &dyn Threads) {
        let parts = work.parts(threads.count());
        share_once(threads, parts.count(), &|part| {
            run_product!(self, work, parts.part(part));
        });
    }
}

/// Packs for a product that adds every step to the sums.
fn pack<P: Stepped<Weight = i8>>(
    geometry: ConvGeometry,
    weights: &[(&[i8], usize)],
    output: OutputSize,
) -> Packed {
    Arranged::new(P::FRAME, geometry, weights, output).pack()
}

/// Packs for a product that adds chains of steps. The steps of a chain hide the latency of its sums, also where the output
/// is one pixel.
fn pack_chained<P: Chained<Weight = i8>>(
    geometry: ConvGeometry,
    weights: &[(&[i8], usize)],
) -> Packed {
    chained(Arranged::new(P::FRAME, geometry, weights, OutputSize::Map), LONGEST_CHAIN)
}

/// Packs the weights as f32: they need no conversion in the loop.
fn pack_floats(geometry: ConvGeometry, weights: &[(&[i8], usize)], output: OutputSize) -> Packed {
    let floats = |&weight: &i8| f32::from(weight);
    let weights: Vec<(Vec<f32>, usize)> = weights
        .iter()
        .map(|&(weights, channels)| (weights.iter().map(floats).collect(), channels))
        .collect();
    let weights: Vec<(&[f32], usize)> =
        weights.iter().map(|(weights, channels)| (weights.as_slice(), *channels)).collect();
    Arranged::new(PortableFloats::FRAME, geometry, &weights, output).pack()
}

/// Whether f32 holds every sum that can occur on the way, whatever the input.
fn sums_fit_f32(geometry: ConvGeometry, weights: &[(&[i8], usize)]) -> bool {
    let taps = geometry.kernel.0 * geometry.run();
    weights.iter().flat_map(|(weights, _)| weights.chunks(taps.max(1))).all(|of_channel| {
        let sum = |negative: bool| {
            let of_sign = of_channel.iter().filter(|&&weight| (weight < 0) == negative);
            of_sign.map(|&weight| u64::from(weight.unsigned_abs()) * 255).sum::<u64>()
        };
        sum(false).max(sum(true)) <= u64::from(PortableFloats::LARGEST_SUM)
    })
}

/// # Safety
/// As [`tile::run`].
#[inline(always)]
unsafe fn run<P: Product<Element = u8>, R: Order<P>>(
    weights: &Int8ConvWeights,
    work: &Work<'_, u8>,
    part: (Range<usize>, Range<usize>),
) {
    let Int8ConvWeights { scale, bias, .. } = weights;
    let finish = Scaled { scale, bias, element: work.element };
    // SAFETY: as this function's.
    unsafe { tile::run::<P, R, _>(work, part, bias, finish) }
}

/// `sum * scale + bias`, rounded twice, with a scale and a bias for each lane of each vector. Bytes are rounded to nearest,
/// ties to even, within 0..=255.
#[derive(Clone, Copy, Debug)]
struct Scaled<'a> {
    scale: &'a [f32],
    bias: &'a [f32],
    element: Element,
}

impl Finish for Scaled<'_> {
    #[inline(always)]
    fn element(self) -> Element {
        self.element
    }

    #[inline(always)]
    unsafe fn write<V: Vector>(self, sums: V, vector: usize, to: *mut u8, lanes: usize) {
        debug_assert!((vector + 1) * V::LANES <= self.scale.len().min(self.bias.len()));
        let first = vector * V::LANES;
        // SAFETY: the convolution has scales and biases for each lane of each of its vectors; else as the caller's.
        unsafe {
            let scale = V::load(self.scale.as_ptr().add(first));
            let values = sums.mul(scale).add(V::load(self.bias.as_ptr().add(first)));
            match self.element {
                Element::Byte => values.store_bytes(to, lanes),
                Element::Float => values.store_some(to.cast(), lanes),
            }
        }
    }
}
