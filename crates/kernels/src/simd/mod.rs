//! Vectors, one file for each instruction set.
//!
//! A kernel's body is generic over [`Vector`] or [`DotVector`] and inlined into a function with the
//! instruction set's target features, which `dispatch!` writes; so the intrinsics become single
//! instructions.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use portable::{Portable, to_byte};

/// A vector of f32.
///
/// # Safety
/// Every function needs a machine with the instruction set; pointers are to as many readable or
/// writable elements as the function says, of any alignment.
pub(super) trait Vector: Copy {
    /// Elements.
    const LANES: usize;
    /// Vectors of output channels in a tile: with its pixels, what the registers hold.
    const TILE_VECTORS: usize;
    /// Pixels in a tile: 14, 7 or 4.
    const TILE_PIXELS: usize;

    unsafe fn splat(value: f32) -> Self;
    /// Reads `LANES` elements.
    unsafe fn load(from: *const f32) -> Self;
    /// Reads `lanes <= LANES` elements; the others are 0.
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self;
    /// Writes `lanes <= LANES` elements.
    unsafe fn store_some(self, to: *mut f32, lanes: usize);
    /// Reads `lanes <= LANES` bytes as numbers; the others are 0.
    unsafe fn load_bytes(from: *const u8, lanes: usize) -> Self;
    /// Writes `lanes <= LANES` bytes: rounded to nearest, ties to even, within 0..=255.
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize);
    /// `self + a * b`; whether the product is rounded depends on the instruction set.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
}

/// Sums of products of u8 by i8, for int8 convolutions; all instruction sets give the same bits.
///
/// # Safety
/// As [`Vector`].
pub(super) trait DotVector {
    /// Output channels.
    const LANES: usize;
    /// Vectors of output channels in a tile.
    const TILE_VECTORS: usize;
    /// Pixels in a tile.
    const TILE_PIXELS: usize;
    /// Sums of 32 bits for each output channel.
    type Sums: Copy;
    /// Four values of the input, for all channels.
    type Four: Copy;
    /// Four weights for each output channel.
    type Weights: Copy;

    unsafe fn zero() -> Self::Sums;
    /// Reads 4 bytes.
    unsafe fn four(from: *const u8) -> Self::Four;
    /// Reads `4 * LANES` bytes, the four of a channel together.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Adds the product of the four to each channel's sum.
    unsafe fn dot(sums: Self::Sums, four: Self::Four, weights: Self::Weights) -> Self::Sums;
    /// Writes `sum * scale + bias` for `lanes` channels, rounded twice.
    unsafe fn store_floats(
        sums: Self::Sums,
        scale: *const f32,
        bias: *const f32,
        to: *mut f32,
        lanes: usize,
    );
    /// Writes `sum * scale + bias`, rounded as [`Vector::store_bytes`] does, for `lanes` channels.
    unsafe fn store_bytes(
        sums: Self::Sums,
        scale: *const f32,
        bias: *const f32,
        to: *mut u8,
        lanes: usize,
    );
}

/// Runs `body::<V>(arguments)` with the vectors of `$isa`: `dispatch!(isa, body(name: Type = value))`.
macro_rules! dispatch {
    ($isa:expr, $body:ident($($argument:ident: $type:ty = $value:expr),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
        fn avx512($($argument: $type),*) {
            // SAFETY: this function runs only where AVX-512 was found; the body checks its bounds.
            unsafe { $body::<$crate::simd::Avx512>($($argument),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($argument: $type),*) {
            // SAFETY: this function runs only where AVX2 and FMA were found; the body checks its
            // bounds.
            unsafe { $body::<$crate::simd::Avx2>($($argument),*) }
        }
        match $crate::isa::Isa::name($isa) {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::IsaName::Avx512 => {
                // SAFETY: an Isa of this name exists only where its features were found.
                unsafe { avx512($($value),*) }
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::IsaName::Avx2 => {
                // SAFETY: an Isa of this name exists only where its features were found.
                unsafe { avx2($($value),*) }
            }
            _ => {
                $crate::simd::forget_wide_registers();
                // SAFETY: portable vectors need no instruction set; the body checks its bounds.
                unsafe { $body::<$crate::simd::Portable>($($value),*) }
            }
        }
    }};
}
pub(super) use dispatch;

/// Clears the upper halves of the vector registers where there are such: other code, of 256 or 512 bits,
/// leaves them set, and then every instruction of 128 bits waits for the value that it does not replace.
#[inline(always)]
pub(super) fn forget_wide_registers() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: AVX was found.
        unsafe { std::arch::x86_64::_mm256_zeroupper() }
    }
}

/// Runs plain code compiled for the instruction set of `$isa`: the compiler makes the vectors.
macro_rules! dispatch_plain {
    ($isa:expr, $body:ident::<$element:ident>($($argument:ident: $type:ty = $value:expr),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
        fn avx512<$element: PoolElement>($($argument: $type),*) {
            $body::<$element>($($argument),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2<$element: PoolElement>($($argument: $type),*) {
            $body::<$element>($($argument),*)
        }
        match $crate::isa::Isa::name($isa) {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::IsaName::Avx512 => {
                // SAFETY: an Isa of this name exists only where its features were found.
                unsafe { avx512::<$element>($($value),*) }
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::IsaName::Avx2 => {
                // SAFETY: an Isa of this name exists only where its features were found.
                unsafe { avx2::<$element>($($value),*) }
            }
            _ => $body::<$element>($($value),*),
        }
    }};
}
pub(super) use dispatch_plain;

/// Writes `$body` once for each of the first `$pixels` of 14 pixels, `$pixel` being its literal number:
/// sums stay in registers only where no loop is left.
macro_rules! each_pixel {
    ($pixels:expr, $pixel:ident => $body:expr) => {
        each_pixel!(@ $pixels, $pixel => $body; 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $pixels:expr, $pixel:ident => $body:expr; $($number:literal)*) => {
        $(if $number < $pixels {
            const $pixel: usize = $number;
            $body
        })*
    };
}
pub(super) use each_pixel;
