//! AVX2 and FMA: vectors of 8, 16 registers.

use std::arch::x86_64::*;

use super::{DotVector, Portable, Vector};

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
    const TILE_PIXELS: usize = 4;

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
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }
}

/// Four output channels: `vpmaddubsw` would saturate at 16 bits, so both sides are widened to 16 bits
/// and multiplied in pairs; each channel has two sums, which are added at the end.
impl DotVector for Avx2 {
    const LANES: usize = 4;
    const TILE_VECTORS: usize = 2;
    const TILE_PIXELS: usize = 4;
    type Sums = __m256i;
    type Four = __m256i;
    type Weights = __m256i;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn four(from: *const u8) -> __m256i {
        // SAFETY: the caller has AVX2 and FMA, and `from` has 4 bytes.
        unsafe { _mm256_cvtepu8_epi16(_mm_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> __m256i {
        // SAFETY: the caller has AVX2 and FMA, and `from` has 4 * LANES bytes.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m256i, four: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(four, weights)) }
    }

    #[inline(always)]
    unsafe fn store_floats(
        sums: __m256i,
        scale: *const f32,
        bias: *const f32,
        to: *mut f32,
        lanes: usize,
    ) {
        // SAFETY: the caller has AVX2 and FMA; `to`, `scale` and `bias` have `lanes` elements.
        unsafe { <Portable as DotVector>::store_floats(whole(sums), scale, bias, to, lanes) }
    }

    #[inline(always)]
    unsafe fn store_bytes(
        sums: __m256i,
        scale: *const f32,
        bias: *const f32,
        to: *mut u8,
        lanes: usize,
    ) {
        if lanes < 4 {
            // SAFETY: the caller has AVX2 and FMA, and `to`, `scale` and `bias` have `lanes` elements; no other is touched.
            return unsafe {
                <Portable as DotVector>::store_bytes(whole(sums), scale, bias, to, lanes)
            };
        }
        // SAFETY: the caller has AVX2 and FMA, and `to`, `scale` and `bias` have `lanes` elements; no other is touched.
        unsafe {
            let scaled = _mm_mul_ps(_mm_cvtepi32_ps(pairs(sums)), _mm_loadu_ps(scale));
            let value = _mm_add_ps(scaled, _mm_loadu_ps(bias));
            let clamped = _mm_min_ps(_mm_max_ps(value, _mm_setzero_ps()), _mm_set1_ps(255.0));
            let words = _mm_packus_epi32(_mm_cvtps_epi32(clamped), _mm_setzero_si128());
            let bytes = _mm_packus_epi16(words, words);
            to.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(bytes));
        }
    }
}

/// The sums of the four channels.
#[inline(always)]
unsafe fn pairs(sums: __m256i) -> __m128i {
    // SAFETY: the caller has AVX2 and FMA; no pointer is read or written.
    unsafe { _mm_hadd_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums)) }
}

#[inline(always)]
unsafe fn whole(sums: __m256i) -> [i32; 8] {
    let mut whole = [0; 8];
    // SAFETY: the caller has AVX2 and FMA; `whole` has the elements that are written.
    unsafe { _mm_storeu_si128(whole.as_mut_ptr().cast(), pairs(sums)) };
    whole
}
