//! Plain Rust: the specification of the other vectors, and what runs where there are none.
//! Fixed-size arrays without branches, which the compiler turns into the target's own vectors.

use super::{DotVector, Vector};

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
    const TILE_PIXELS: usize = 4;

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
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
}

impl DotVector for Portable {
    const LANES: usize = LANES;
    const TILE_VECTORS: usize = 1;
    const TILE_PIXELS: usize = 2;
    type Sums = [i32; LANES];
    type Four = [i16; 4];
    type Weights = [[i16; 4]; LANES];

    #[inline(always)]
    unsafe fn zero() -> [i32; LANES] {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn four(from: *const u8) -> [i16; 4] {
        // SAFETY: the caller lends 4 bytes.
        unsafe { from.cast::<[u8; 4]>().read_unaligned() }.map(i16::from)
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [[i16; 4]; LANES] {
        // SAFETY: the caller lends 4 * LANES bytes.
        let bytes = unsafe { from.cast::<[[i8; 4]; LANES]>().read_unaligned() };
        bytes.map(|four| four.map(i16::from))
    }

    #[inline(always)]
    unsafe fn dot(
        mut sums: [i32; LANES],
        four: [i16; 4],
        weights: [[i16; 4]; LANES],
    ) -> [i32; LANES] {
        for (sum, weights) in sums.iter_mut().zip(weights) {
            let product = |i: usize| i32::from(four[i]) * i32::from(weights[i]);
            *sum += (product(0) + product(1)) + (product(2) + product(3));
        }
        sums
    }

    #[inline(always)]
    unsafe fn store_floats(
        sums: [i32; LANES],
        scale: *const f32,
        bias: *const f32,
        to: *mut f32,
        lanes: usize,
    ) {
        for (lane, &sum) in sums.iter().enumerate().take(lanes) {
            // SAFETY: the caller lends `lanes` elements of each.
            unsafe { *to.add(lane) = sum as f32 * *scale.add(lane) + *bias.add(lane) };
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(
        sums: [i32; LANES],
        scale: *const f32,
        bias: *const f32,
        to: *mut u8,
        lanes: usize,
    ) {
        for (lane, &sum) in sums.iter().enumerate().take(lanes) {
            // SAFETY: the caller lends `lanes` elements of each.
            unsafe {
                let value = sum as f32 * *scale.add(lane) + *bias.add(lane);
                *to.add(lane) = to_byte(value);
            }
        }
    }
}
