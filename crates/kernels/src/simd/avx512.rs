//! AVX-512 F, BW, DQ and VL, and VNNI: vectors of 16, 32 registers.

use std::arch::x86_64::*;

use super::{Chained, Frame, Product, Stepped, TilePixels, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// The first `lanes` of 16.
#[inline(always)]
fn mask(lanes: usize) -> __mmask16 {
    debug_assert!(lanes <= 16);
    ((1_u32 << lanes) - 1) as __mmask16
}

impl Vector for Avx512 {
    const LANES: usize = 16;
    const TILE_VECTORS: usize = 2;
    const TILE_PIXELS: TilePixels = TilePixels::TwoStripsOfSeven;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has AVX-512, and `from` has LANES elements.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self {
        // SAFETY: the caller has AVX-512, and `from` has `lanes` elements; masked lanes are not read.
        Self(unsafe { _mm512_maskz_loadu_ps(mask(lanes), from) })
    }

    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, lanes: usize) {
        // SAFETY: the caller has AVX-512, and `to` has `lanes` elements; masked lanes are not written.
        unsafe { _mm512_mask_storeu_ps(to, mask(lanes), self.0) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8, lanes: usize) -> Self {
        // SAFETY: the caller has AVX-512, and `from` has `lanes` bytes; the rest of the vector is of this function.
        let bytes = unsafe { _mm_maskz_loadu_epi8(mask(lanes), from.cast()) };
        // SAFETY: the caller has AVX-512, and `from` has `lanes` bytes; the rest of the vector is of this function.
        Self(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)) })
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize) {
        // SAFETY: the caller has AVX-512, and `to` has `lanes` bytes; masked lanes are not written.
        unsafe {
            let clamped =
                _mm512_min_ps(_mm512_max_ps(self.0, _mm512_setzero_ps()), _mm512_set1_ps(255.0));
            let whole = _mm512_cvtps_epi32(clamped);
            _mm512_mask_cvtepi32_storeu_epi8(to.cast(), mask(lanes), whole);
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    unsafe fn inverse_sqrt_guess(self) -> Self {
        // SAFETY: the caller has AVX-512; no pointer is read or written.
        unsafe {
            let half = _mm512_srli_epi32::<1>(_mm512_castps_si512(self.0));
            Self(_mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(0x5f1f_fff9), half)))
        }
    }
}

/// What the products of bytes have in common, four taps a step.
macro_rules! bytes_in_512_bits {
    () => {
        type Element = u8;
        type Weight = i8;
        type Taps = __m512i;
        type Weights = __m512i;
        type Sums = __m512i;
        type Floats = Avx512;

        #[inline(always)]
        unsafe fn start(_: *const f32) -> __m512i {
            // SAFETY: the caller has AVX-512; no pointer is read or written.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        unsafe fn taps(from: *const u8) -> __m512i {
            // SAFETY: the caller has AVX-512 and lends 4 bytes.
            unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn weights(from: *const i8) -> __m512i {
            // SAFETY: the caller has AVX-512 and lends 4 * 16 bytes.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }

        #[inline(always)]
        unsafe fn floats(sums: __m512i) -> Avx512 {
            // SAFETY: the caller has AVX-512; no pointer is read or written.
            Avx512(unsafe { _mm512_cvtepi32_ps(sums) })
        }
    };
}

/// Bytes, four taps a step, as [`Avx2Bytes`](super::Avx2Bytes) has them.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bytes;

impl Product for Avx512Bytes {
    bytes_in_512_bits!();
    const FRAME: Frame =
        Frame { lanes: 16, vectors: 2, pixels: TilePixels::Six, taps: 4, group: 4 };
}

impl Chained for Avx512Bytes {
    type Links = __m512i;

    #[inline(always)]
    unsafe fn first(taps: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW; no pointer is read or written.
        unsafe { _mm512_maddubs_epi16(taps, weights) }
    }

    #[inline(always)]
    unsafe fn next(links: __m512i, taps: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW; no pointer is read or written.
        unsafe { _mm512_add_epi16(links, _mm512_maddubs_epi16(taps, weights)) }
    }

    #[inline(always)]
    unsafe fn widen(sums: __m512i, links: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 BW; no pointer is read or written.
        unsafe { _mm512_add_epi32(sums, _mm512_madd_epi16(links, _mm512_set1_epi16(1))) }
    }
}

/// Bytes, four taps a step, by `vpdpbusd`.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni;

impl Product for Avx512Vnni {
    bytes_in_512_bits!();
    const FRAME: Frame =
        Frame { lanes: 16, vectors: 2, pixels: TilePixels::TwoStripsOfSeven, taps: 4, group: 4 };
}

impl Stepped for Avx512Vnni {
    #[inline(always)]
    unsafe fn step(sums: __m512i, taps: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 with VNNI; no pointer is read or written.
        unsafe { _mm512_dpbusd_epi32(sums, taps, weights) }
    }
}
