//! Vectors, one file for each instruction set.
//!
//! A kernel's body is generic over [`Vector`] or [`Product`] and inlined into a function with the
//! instruction set's target features, which `dispatch!` writes; so the intrinsics become single
//! instructions.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::{Avx2, Avx2Bytes, AvxVnni};
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{Avx512, Avx512Bytes, Avx512Vnni};
pub(super) use portable::{Portable, PortableFloats, PortableIntegers, to_byte};

use crate::lines::Plain;

/// A vector of f32.
///
/// # Safety
/// Every function needs a machine with the instruction set; pointers are to as many readable or
/// writable elements as the function says, of any alignment.
pub(super) trait Vector: Copy {
    /// Elements.
    const LANES: usize;
    /// Vectors of output channels in a tile of a convolution: with its pixels, what the registers hold.
    const TILE_VECTORS: usize;
    /// The pixels of such a tile.
    const TILE_PIXELS: TilePixels;

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
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// The number whose bits are 0x5f1f_fff9 less half of the bits of this one: its exponent is halved and negated.
    unsafe fn inverse_sqrt_guess(self) -> Self;

    /// `1 / sqrt(self)` of positive numbers, within 1e-6 of it: two steps of Newton's method, in operations that every
    /// instruction set rounds alike. The constants of the guess and of the first step are those with which the error
    /// after it is smallest, 6.5e-4 (Jan Kadlec, 2010, "Improving the fast inverse square root").
    #[inline(always)]
    unsafe fn inverse_sqrt(self) -> Self {
        // SAFETY: as the caller's; no pointer is read or written.
        unsafe {
            let guess = self.inverse_sqrt_guess();
            let squared = self.mul(Self::splat(-0.703_952_25)).mul(guess).mul(guess);
            let root = guess.mul(Self::splat(1.681_914_1).add(squared));
            let squared = self.mul(Self::splat(-0.5)).mul(root).mul(root);
            root.mul(Self::splat(1.5).add(squared))
        }
    }
}

/// The products of a convolution in one number format: what one vector of output channels does with the
/// taps of one pixel. [`crate::conv`] writes the loops around it.
pub(super) trait Product {
    /// A value of the input.
    type Element: Copy;
    /// A weight as it is packed.
    type Weight: Plain;
    /// The taps of one step, for all channels of the vector.
    type Taps: Copy;
    /// The weights of one step.
    type Weights: Copy;
    /// A sum for each channel of the vector.
    type Sums: Copy;
    /// The sums as numbers; its lanes are the output channels of a vector.
    type Floats: Vector;

    /// How a step's weights lie in memory, and what is in a tile.
    const FRAME: Frame;

    /// The sums before the first step.
    ///
    /// # Safety
    /// The machine has the instruction set; `bias` has a value for each lane.
    unsafe fn start(bias: *const f32) -> Self::Sums;
    /// Reads the taps of a step.
    ///
    /// # Safety
    /// The machine has the instruction set; `from` has [`Frame::taps`] elements.
    unsafe fn taps(from: *const Self::Element) -> Self::Taps;
    /// Reads the weights of a step.
    ///
    /// # Safety
    /// The machine has the instruction set; `from` has [`Frame::step`] elements.
    unsafe fn weights(from: *const Self::Weight) -> Self::Weights;
    /// The sums as numbers.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn floats(sums: Self::Sums) -> Self::Floats;
}

/// A product that adds every step to the sums.
pub(super) trait Stepped: Product {
    /// Adds to each channel's sum the products of the taps by its weights.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn step(sums: Self::Sums, taps: Self::Taps, weights: Self::Weights) -> Self::Sums;
}

/// A product that adds the steps of a chain in fewer bits than a sum has, and widens them once. [`crate::conv`] sees to it
/// that nothing saturates.
pub(super) trait Chained: Product {
    /// The products of a chain's steps so far.
    type Links: Copy;

    /// The products of the first step.
    ///
    /// # Safety
    /// The machine has the instruction set; the weights are those of a chain.
    unsafe fn first(taps: Self::Taps, weights: Self::Weights) -> Self::Links;
    /// Adds those of the next one.
    ///
    /// # Safety
    /// The machine has the instruction set; the weights are of the same chain.
    unsafe fn next(links: Self::Links, taps: Self::Taps, weights: Self::Weights) -> Self::Links;
    /// Adds the chain to the sums.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn widen(sums: Self::Sums, links: Self::Links) -> Self::Sums;
}

/// How a [`Product`] lays weights out, and the tile that the registers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Output channels of a vector.
    pub(super) lanes: usize,
    /// Vectors of output channels in a tile.
    pub(super) vectors: usize,
    /// Pixels in a tile.
    pub(super) pixels: TilePixels,
    /// Neighbouring taps of a step.
    pub(super) taps: usize,
    /// Of these, the taps whose weights for one channel lie together: a step's weights are
    /// `[taps / group][lanes][group]`.
    pub(super) group: usize,
}

impl Frame {
    /// Weights of a step for one vector.
    pub(super) const fn step(self) -> usize {
        self.taps * self.lanes
    }
}

/// The pixels of a tile. Their windows are read through pointers, which have to fit into registers too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TilePixels {
    /// Any three: a pointer for each.
    Three,
    /// Any four.
    Four,
    /// Any five.
    Five,
    /// Any six.
    Six,
    /// Two times seven neighbours in a row: two pointers and seven offsets.
    TwoStripsOfSeven,
}

/// Asks memory for the cache line of `at`, which soon will be read. Any address will do: nothing is read.
#[inline(always)]
pub(super) fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, and it changes nothing but the cache, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// On a kernel's stack, it makes the compiler align all of it, which it does not do for the vectors alone that find no
/// register. They would lie across two cache lines or even pages, depending on the caller: convolutions of bytes on AVX2
/// then took twice the time.
#[repr(align(64))]
pub(super) struct AlignedStack(#[allow(dead_code)] pub(super) u8);

/// Runs `body::<Types>(arguments)`, compiled for `$features`.
macro_rules! compiled_for {
    ($features:literal, $body:ident::<$($type:ty),*>($($argument:ident: $of:ty = $value:expr),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn compiled($($argument: $of),*) {
            std::hint::black_box(&mut $crate::simd::AlignedStack(0));
            // SAFETY: this function runs only where its features were found; the body checks its bounds.
            unsafe { $body::<$($type),*>($($argument),*) }
        }
        // SAFETY: the caller holds an `Isa` that exists only where these features were found.
        unsafe { compiled($($value),*) }
    }};
}
pub(super) use compiled_for;

/// Runs `body::<V>(arguments)` with the vectors of f32 of `$isa`: `dispatch!(isa, body(name: Type = value))`.
macro_rules! dispatch {
    ($isa:expr, $body:ident($($arguments:tt)*)) => {
        match $crate::isa::Isa::for_floats($isa) {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::IsaName::Avx512 => $crate::simd::compiled_for!(
                "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
                $body::<$crate::simd::Avx512>($($arguments)*)
            ),
            #[cfg(target_arch = "x86_64")]
            $crate::isa::IsaName::Avx2 => $crate::simd::compiled_for!(
                "avx2,fma",
                $body::<$crate::simd::Avx2>($($arguments)*)
            ),
            _ => $crate::simd::as_it_is!($body::<$crate::simd::Portable>($($arguments)*)),
        }
    };
}
pub(super) use dispatch;

/// Runs `body::<Types>(arguments)` as it is.
macro_rules! as_it_is {
    ($body:ident::<$($type:ty),*>($($argument:ident: $of:ty = $value:expr),* $(,)?)) => {{
        $crate::simd::forget_wide_registers();
        // SAFETY: portable vectors need no instruction set; the body checks its bounds.
        unsafe { $body::<$($type),*>($($value),*) }
    }};
}
pub(super) use as_it_is;

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
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn avx512<$element: PoolElement>($($argument: $type),*) {
            $body::<$element>($($argument),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2<$element: PoolElement>($($argument: $type),*) {
            $body::<$element>($($argument),*)
        }
        match $crate::isa::Isa::for_floats($isa) {
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
