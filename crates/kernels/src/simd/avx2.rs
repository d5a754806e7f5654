//! AVX2 and FMA, and AVX-VNNI: vectors of 8, 16 registers.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Chained, Frame, Product, Stepped, TilePixels, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// All bits of the first `lanes` of 8.
#[inline(always)]
unsafe fn mask(lanes: usize) -> __m256i {
    // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
    unsafe {
        let index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), index)
    }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    const TILE_VECTORS: usize = 2;
    const TILE_PIXELS: TilePixels = TilePixels::Five;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has AVX2 and FMA, and `from` has LANES elements.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self {
        // SAFETY: the caller has AVX2 and FMA, and `from` has `lanes` elements; masked lanes are not read.
        Self(unsafe { _mm256_maskload_ps(from, mask(lanes)) })
    }

    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, lanes: usize) {
        if lanes == 8 {
            // SAFETY: the caller has AVX2 and FMA, and `to` has `lanes` elements; masked lanes are not written.
            unsafe { _mm256_storeu_ps(to, self.0) }
        } else {
            // SAFETY: the caller has AVX2 and FMA, and `to` has `lanes` elements; masked lanes are not written.
            unsafe { _mm256_maskstore_ps(to, mask(lanes), self.0) }
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8, lanes: usize) -> Self {
        let mut bytes = [0_u8; 8];
        // SAFETY: the caller has AVX2 and FMA, and `from` has `lanes` bytes; the rest of the vector is of this function.
        unsafe {
            if lanes == 8 {
                bytes = from.cast::<[u8; 8]>().read_unaligned();
            } else {
                from.copy_to_nonoverlapping(bytes.as_mut_ptr(), lanes);
            }
            let bytes = _mm_loadl_epi64(bytes.as_ptr().cast());
            Self(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize) {
        // SAFETY: the caller has AVX2 and FMA, and `to` has `lanes` bytes; masked lanes are not written.
        unsafe {
            let clamped =
                _mm256_min_ps(_mm256_max_ps(self.0, _mm256_setzero_ps()), _mm256_set1_ps(255.0));
            let whole = _mm256_cvtps_epi32(clamped);
            let words = _mm_packus_epi32(
                _mm256_castsi256_si128(whole),
                _mm256_extracti128_si256::<1>(whole),
            );
            let bytes = _mm_packus_epi16(words, words);
            if lanes == 8 {
                _mm_storel_epi64(to.cast(), bytes);
            } else {
                let mut all = [0_u8; 16];
                _mm_storeu_si128(all.as_mut_ptr().cast(), bytes);
                to.copy_from_nonoverlapping(all.as_ptr(), lanes);
            }
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    unsafe fn inverse_sqrt_guess(self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        unsafe {
            let half = _mm256_srli_epi32::<1>(_mm256_castps_si256(self.0));
            Self(_mm256_castsi256_ps(_mm256_sub_epi32(_mm256_set1_epi32(0x5f1f_fff9), half)))
        }
    }
}

/// What the products of bytes have in common, four taps a step.
macro_rules! bytes_in_256_bits {
    () => {
        type Element = u8;
        type Weight = i8;
        type Taps = __m256i;
        type Weights = __m256i;
        type Sums = __m256i;
        type Floats = Avx2;

        #[inline(always)]
        unsafe fn start(_: *const f32) -> __m256i {
            // SAFETY: the caller has AVX2; no pointer is read or written.
            unsafe { _mm256_setzero_si256() }
        }

        #[inline(always)]
        unsafe fn taps(from: *const u8) -> __m256i {
            // SAFETY: the caller has AVX2 and lends 4 bytes.
            unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn weights(from: *const i8) -> __m256i {
            // SAFETY: the caller has AVX2 and lends 4 * 8 bytes.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }

        #[inline(always)]
        unsafe fn floats(sums: __m256i) -> Avx2 {
            // SAFETY: the caller has AVX2; no pointer is read or written.
            Avx2(unsafe { _mm256_cvtepi32_ps(sums) })
        }
    };
}

/// Bytes, four taps a step: `vpmaddubsw` multiplies them and adds neighbours in 16 bits, and those of a
/// chain are added in 16 bits too, so that they are widened to 32 bits once.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Bytes;

impl Product for Avx2Bytes {
    bytes_in_256_bits!();
    const FRAME: Frame =
        Frame { lanes: 8, vectors: 2, pixels: TilePixels::Three, taps: 4, group: 4 };
}

impl Chained for Avx2Bytes {
    type Links = __m256i;

    #[inline(always)]
    unsafe fn first(taps: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2; no pointer is read or written.
        unsafe { _mm256_maddubs_epi16(taps, weights) }
    }

    #[inline(always)]
    unsafe fn next(links: __m256i, taps: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2; no pointer is read or written.
        unsafe { add_in_turn(links, _mm256_maddubs_epi16(taps, weights)) }
    }

    #[inline(always)]
    unsafe fn widen(sums: __m256i, links: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2; no pointer is read or written.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(links, _mm256_set1_epi16(1))) }
    }
}

/// `a + b` in 16 bits. The compiler adds the steps of a chain in pairs if it may, and then has more sums at a time than
/// registers.
#[inline]
#[target_feature(enable = "avx2")]
fn add_in_turn(a: __m256i, b: __m256i) -> __m256i {
    let sum;
    // SAFETY: the caller has AVX2; no memory, stack or flag is touched.
    unsafe {
        asm!(
            "vpaddw {sum}, {a}, {b}",
            sum = lateout(ymm_reg) sum,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// Bytes, four taps a step, by `vpdpbusd` of AVX-VNNI.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni;

impl Product for AvxVnni {
    bytes_in_256_bits!();
    const FRAME: Frame =
        Frame { lanes: 8, vectors: 2, pixels: TilePixels::Five, taps: 4, group: 4 };
}

impl Stepped for AvxVnni {
    #[inline(always)]
    unsafe fn step(sums: __m256i, taps: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the caller has AVX-VNNI; no pointer is read or written.
        unsafe { _mm256_dpbusd_avx_epi32(sums, taps, weights) }
    }
}
