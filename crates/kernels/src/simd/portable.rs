//! Plain Rust: the specification of the other vectors, and the fallback for machines without them. Its fixed-size
//! arrays without branches let the compiler use the target's own vectors.

use super::{Frame, Product, Stepped, TilePixels, Vector};

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        let mut values = self.0;
        for (value, other) in values.iter_mut().zip(other.0) {
            *value = operation(*value, other);
        }
        Self(values)
    }
}

/// One rounding where the target has the instruction, else two: in software it is a hundred times
/// slower.
#[inline(always)]
fn add_product(sum: f32, a: f32, b: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, sum)
    } else {
        sum + a * b
    }
}

/// Rounded to nearest, ties to even, within 0..=255.
#[inline(always)]
pub(crate) fn to_byte(value: f32) -> u8 {
    // Adding 1.5 * 2^23 leaves no bits behind the point, and rounds as f32 does: to even.
    const ROUND: f32 = 12_582_912.0;
    ((value.clamp(0.0, 255.0) + ROUND) - ROUND) as u8
}

impl Vector for Portable {
    const LANES: usize = LANES;
    const TILE_VECTORS: usize = 1;
    const TILE_PIXELS: TilePixels = TilePixels::Four;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller lends LANES elements.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self {
        let mut values = [0.0; LANES];
        // SAFETY: the caller lends `lanes` elements, of at most LANES.
        unsafe { from.copy_to_nonoverlapping(values.as_mut_ptr(), lanes) };
        Self(values)
    }

    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, lanes: usize) {
        // SAFETY: the caller lends `lanes` elements, of at most LANES.
        unsafe { to.copy_from_nonoverlapping(self.0.as_ptr(), lanes) };
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8, lanes: usize) -> Self {
        let mut bytes = [0; LANES];
        // SAFETY: the caller lends `lanes` bytes, of at most LANES.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), lanes) };
        Self(bytes.map(f32::from))
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize) {
        let bytes = self.0.map(to_byte);
        // SAFETY: the caller lends `lanes` bytes, of at most LANES.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), lanes) };
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        let mut sums = self.0;
        for ((sum, a), b) in sums.iter_mut().zip(a.0).zip(b.0) {
            *sum = add_product(*sum, a, b);
        }
        Self(sums)
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    unsafe fn inverse_sqrt_guess(self) -> Self {
        Self(self.0.map(|value| f32::from_bits(0x5f1f_fff9_u32.wrapping_sub(value.to_bits() >> 1))))
    }
}

/// Sums of bytes by i8 as integers: the specification of all others, for any weights.
#[derive(Clone, Copy)]
pub(crate) struct PortableIntegers;

/// The same sums in f32, which is exact while each stays below [`PortableFloats::LARGEST_SUM`]; no target has
/// faster sums that plain Rust reaches.
#[derive(Clone, Copy)]
pub(crate) struct PortableFloats;

impl PortableFloats {
    /// The largest sum, without its sign, up to which f32 has every integer.
    pub(crate) const LARGEST_SUM: u32 = 1 << f32::MANTISSA_DIGITS;
}

impl Product for PortableIntegers {
    type Element = u8;
    type Weight = i8;
    type Taps = i32;
    type Weights = [i32; LANES];
    type Sums = [i32; LANES];
    type Floats = Portable;
    const FRAME: Frame = PortableFloats::FRAME;

    #[inline(always)]
    unsafe fn start(_: *const f32) -> [i32; LANES] {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn taps(from: *const u8) -> i32 {
        // SAFETY: the caller lends a byte.
        i32::from(unsafe { *from })
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [i32; LANES] {
        // SAFETY: the caller lends LANES bytes.
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(i32::from)
    }

    #[inline(always)]
    unsafe fn floats(sums: [i32; LANES]) -> Portable {
        Portable(sums.map(|sum| sum as f32))
    }
}

impl Stepped for PortableIntegers {
    #[inline(always)]
    unsafe fn step(mut sums: [i32; LANES], tap: i32, weights: [i32; LANES]) -> [i32; LANES] {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += tap * weight;
        }
        sums
    }
}

impl Product for PortableFloats {
    type Element = u8;
    type Weight = f32;
    type Taps = Portable;
    type Weights = Portable;
    type Sums = Portable;
    type Floats = Portable;
    const FRAME: Frame =
        Frame { lanes: LANES, vectors: 1, pixels: TilePixels::Four, taps: 1, group: 1 };

    #[inline(always)]
    unsafe fn start(_: *const f32) -> Portable {
        Portable([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn taps(from: *const u8) -> Portable {
        // SAFETY: the caller lends a byte.
        Portable([f32::from(unsafe { *from }); LANES])
    }

    #[inline(always)]
    unsafe fn weights(from: *const f32) -> Portable {
        // SAFETY: the caller lends LANES elements.
        unsafe { Portable::load(from) }
    }

    #[inline(always)]
    unsafe fn floats(sums: Portable) -> Portable {
        sums
    }
}

impl Stepped for PortableFloats {
    #[inline(always)]
    unsafe fn step(sums: Portable, tap: Portable, weights: Portable) -> Portable {
        // SAFETY: portable vectors need no instruction set.
        unsafe { sums.add_product(tap, weights) }
    }
}
