#pragma once

// Vectors of floats for our own kernels, in the two instruction sets that they are compiled for. A kernel is written
// once, in an .inc file, and included inside limn::wide and limn::narrow with LIMN_TARGET set to either's target.

#include <ATen/core/Tensor.h>

namespace limn {

/// The instruction sets of our own kernels.
enum class Lanes {
  none,    ///< no kernels of our own: LibTorch's
  narrow,  ///< AVX2, FMA, F16C: 8 floats
  wide     ///< AVX-512 F, BW, VL: 16 floats
};

/// The widest that this processor has. Kernels take it as an argument, so that tests can ask for the narrower.
Lanes widest_lanes();

}  // namespace limn

#if defined(__x86_64__)
#include <immintrin.h>
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics: its bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define LIMN_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,f16c,fma")))
#define LIMN_NARROW __attribute__((target("avx2,fma,f16c")))

namespace limn::wide {

using Vector = __m512;
inline constexpr std::int64_t kWidth = 16;
LIMN_WIDE inline Vector zero() { return _mm512_setzero_ps(); }
LIMN_WIDE inline Vector all(float x) { return _mm512_set1_ps(x); }
LIMN_WIDE inline Vector load(const float* p) { return _mm512_loadu_ps(p); }
LIMN_WIDE inline Vector load(const at::BFloat16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
LIMN_WIDE inline Vector load(const at::Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
LIMN_WIDE inline Vector load(const std::int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
LIMN_WIDE inline void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
LIMN_WIDE inline void store(std::uint8_t* p, Vector whole) {  // of 0 to 255
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(whole)));
}
LIMN_WIDE inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
LIMN_WIDE inline float total(Vector v) { return _mm512_reduce_add_ps(v); }
// Of four vectors at once, in about the time of one; a vector's sum does not depend on its place.
LIMN_WIDE inline void totals(Vector a, Vector b, Vector c, Vector d, float* four) {
  const __m512d ab = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
  const __m512d cd = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)));
  const __m512 abcd = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
                                    _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));  // in each quarter its own sums
  const __m256 halves =
      _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(abcd), 1)));
  _mm_storeu_ps(four, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
}
LIMN_WIDE inline float highest(Vector v) { return _mm512_reduce_max_ps(v); }
LIMN_WIDE inline Vector higher(Vector a, Vector b) { return _mm512_max_ps(a, b); }  // b where one is not a number
LIMN_WIDE inline Vector lower(Vector a, Vector b) { return _mm512_min_ps(a, b); }
LIMN_WIDE inline Vector rounded(Vector v) { return _mm512_roundscale_ps(v, 0); }
LIMN_WIDE inline Vector power_of_two(Vector whole) {  // of -127 (which gives 0) to 127
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(whole), _mm512_set1_epi32(127)), 23));
}

}  // namespace limn::wide

namespace limn::narrow {

using Vector = __m256;
inline constexpr std::int64_t kWidth = 8;
LIMN_NARROW inline Vector zero() { return _mm256_setzero_ps(); }
LIMN_NARROW inline Vector all(float x) { return _mm256_set1_ps(x); }
LIMN_NARROW inline Vector load(const float* p) { return _mm256_loadu_ps(p); }
LIMN_NARROW inline Vector load(const at::BFloat16* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
LIMN_NARROW inline Vector load(const at::Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
LIMN_NARROW inline Vector load(const std::int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
LIMN_NARROW inline void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
LIMN_NARROW inline void store(std::uint8_t* p, Vector whole) {  // of 0 to 255
  const __m256i words = _mm256_cvtps_epi32(whole);
  const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(halves, halves));
}
LIMN_NARROW inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
LIMN_NARROW inline float total(Vector v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
LIMN_NARROW inline void totals(Vector a, Vector b, Vector c, Vector d, float* four) {
  const __m256d ab = _mm256_castps_pd(_mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)));
  const __m256d cd = _mm256_castps_pd(_mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)));
  const __m256 abcd =
      _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd)), _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd)));
  _mm_storeu_ps(four, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}
LIMN_NARROW inline float highest(Vector v) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
LIMN_NARROW inline Vector higher(Vector a, Vector b) { return _mm256_max_ps(a, b); }
LIMN_NARROW inline Vector lower(Vector a, Vector b) { return _mm256_min_ps(a, b); }
LIMN_NARROW inline Vector rounded(Vector v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
LIMN_NARROW inline Vector power_of_two(Vector whole) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127)), 23));
}

}  // namespace limn::narrow
#endif
