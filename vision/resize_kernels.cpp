#include "vision/resize_kernels.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace limn::resize_kernels {
namespace {

constexpr std::int32_t kHalf = 1 << (kBits - 1);

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

template <int C>
void across_channels(const Pass& pass, std::int64_t begin, std::int64_t end) {
  const Taps& taps = *pass.taps;
  for (std::int64_t y = begin; y < end; ++y) {
    const std::uint8_t* row = pass.source + y * pass.source_width * C;
    std::uint8_t* out = pass.target + y * pass.target_width * C;
    for (std::int64_t x = 0; x < pass.target_width; ++x, out += C) {
      const std::uint8_t* source = row + std::int64_t{taps.first[x]} * C;
      const std::int32_t* weights = taps.weights.data() + x * taps.reach;
      std::int32_t sums[C];
      std::fill(sums, sums + C, kHalf);
      for (std::int32_t j = 0; j < taps.count[x]; ++j, source += C)
        for (int c = 0; c < C; ++c) sums[c] += source[c] * weights[j];
      for (int c = 0; c < C; ++c) out[c] = to_byte(sums[c]);
    }
  }
}

// A weight in two 16-bit halves: weight == high * 2^15 + low with low in 0..2^15-1. Products with bytes of pairs of
// them are what one instruction sums; the halves' sums together are the 32-bit sum, exactly (modulo 2^32).
constexpr int kLowBits = 15;

std::int16_t high_half(std::int32_t weight) { return static_cast<std::int16_t>(weight >> kLowBits); }

std::int16_t low_half(std::int32_t weight) { return static_cast<std::int16_t>(weight & ((1 << kLowBits) - 1)); }

}  // namespace

void across_portable(const Pass& pass, std::int64_t begin, std::int64_t end) {
  switch (pass.channels) {
    case 1:
      return across_channels<1>(pass, begin, end);
    case 2:
      return across_channels<2>(pass, begin, end);
    case 3:
      return across_channels<3>(pass, begin, end);
    default:
      return across_channels<4>(pass, begin, end);
  }
}

void down_portable(const Pass& pass, std::int64_t begin, std::int64_t end) {
  const Taps& taps = *pass.taps;
  const std::int64_t bytes = pass.target_width * pass.channels;
  std::vector<std::int32_t> sums(bytes);
  for (std::int64_t y = begin; y < end; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (std::int32_t j = 0; j < taps.count[y]; ++j) {
      const std::uint8_t* row = pass.source + (taps.first[y] + j) * bytes;
      const std::int32_t weight = taps.weights[y * taps.reach + j];
      for (std::int64_t i = 0; i < bytes; ++i) sums[i] += row[i] * weight;
    }
    std::transform(sums.begin(), sums.end(), pass.target + y * bytes, to_byte);
  }
}

#if defined(__x86_64__)

bool have_avx2() {
  static const bool have = __builtin_cpu_supports("avx2");
  return have;
}

// Per output and group of 4 taps: 16 high halves, then 16 low halves; taps 0 and 1 four times, then 2 and 3 four times.
void prepare_across_avx2(Taps& taps) {
  const std::int64_t groups = (taps.reach + 3) / 4, outputs = static_cast<std::int64_t>(taps.first.size());
  taps.prepared.assign(outputs * groups * 32, 0);
  for (std::int64_t x = 0; x < outputs; ++x)
    for (std::int64_t j = 0; j < taps.reach; ++j) {
      const std::int32_t weight = taps.weights[x * taps.reach + j];
      std::int16_t* group = taps.prepared.data() + (x * groups + j / 4) * 32 + (j % 4 / 2) * 8 + j % 2;
      for (int copy = 0; copy < 8; copy += 2) {
        group[copy] = high_half(weight);
        group[16 + copy] = low_half(weight);
      }
    }
}

// Per output and pair of taps: high halves of both, low halves of both.
void prepare_down_avx2(Taps& taps) {
  const std::int64_t pairs = (taps.reach + 1) / 2, outputs = static_cast<std::int64_t>(taps.first.size());
  taps.prepared.assign(outputs * pairs * 4, 0);
  for (std::int64_t y = 0; y < outputs; ++y)
    for (std::int64_t j = 0; j < taps.reach; ++j) {
      const std::int32_t weight = taps.weights[y * taps.reach + j];
      std::int16_t* pair = taps.prepared.data() + (y * pairs + j / 2) * 4 + j % 2;
      pair[0] = high_half(weight);
      pair[2] = low_half(weight);
    }
}

namespace {

constexpr int kRows = 4;  // rows that share one reading of the weights

// One output pixel of kRows rows: `sources` point at the first tap, `weights` at the output's first group.
__attribute__((target("avx2"))) inline void rgb_pixels(const std::uint8_t* const* sources, const std::int16_t* weights,
                                                       std::int64_t groups, std::uint32_t* pixels) {
  // 4 pixels r g b r g b ... -> words r0 r1 g0 g1 b0 b1 0 0 | r2 r3 g2 g3 b2 b3 0 0
  const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                          6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  __m256i high[kRows], low[kRows];
  for (int r = 0; r < kRows; ++r) high[r] = low[r] = _mm256_setzero_si256();
  for (std::int64_t g = 0; g < groups; ++g, weights += 32) {
    const __m256i weights_high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i weights_low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16));
    for (int r = 0; r < kRows; ++r) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sources[r] + g * 12));
      const __m256i words = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), spread);
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(words, weights_high));
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(words, weights_low));
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const __m256i both = _mm256_add_epi32(_mm256_slli_epi32(high[r], kLowBits), low[r]);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kBits);
    sum = _mm_packs_epi32(sum, sum);
    pixels[r] = static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(sum, sum)));
  }
}

// The kernel reads whole groups of taps, up to kSlack bytes beyond the last one that counts.
constexpr std::int64_t kSlack = 16;

}  // namespace

__attribute__((target("avx2"))) void across_rgb_avx2(const Pass& pass, std::int64_t begin, std::int64_t end) {
  const Taps& taps = *pass.taps;
  const std::int64_t stride = pass.source_width * 3, out_stride = pass.target_width * 3, width = pass.target_width;
  const std::int64_t groups_of_output = (taps.reach + 3) / 4;
  // Beyond a row lies the next one, which weighs 0; beyond the last rows lies nothing, so those are copied.
  std::vector<std::uint8_t> tail;
  std::int64_t tail_row = pass.source_rows;
  while (tail_row > 0 && (pass.source_rows - tail_row) * stride < kSlack) --tail_row;
  if (end > tail_row) {
    tail.assign((pass.source_rows - tail_row) * stride + kSlack, 0);
    std::copy(pass.source + tail_row * stride, pass.source + pass.source_rows * stride, tail.begin());
  }
  const auto row = [&](std::int64_t y) {
    return y < tail_row ? pass.source + y * stride : tail.data() + (y - tail_row) * stride;
  };
  for (std::int64_t y = begin; y < end; y += kRows) {
    const std::int64_t rows = std::min<std::int64_t>(kRows, end - y);
    const std::uint8_t* source[kRows];
    for (int r = 0; r < kRows; ++r) source[r] = row(std::min(y + r, end - 1));
    for (std::int64_t x = 0; x < width; ++x) {
      const std::uint8_t* sources[kRows];
      std::uint32_t pixels[kRows];
      for (int r = 0; r < kRows; ++r) sources[r] = source[r] + std::int64_t{taps.first[x]} * 3;
      rgb_pixels(sources, taps.prepared.data() + x * groups_of_output * 32, (taps.count[x] + 3) / 4, pixels);
      for (std::int64_t r = 0; r < rows; ++r) std::memcpy(pass.target + (y + r) * out_stride + x * 3, pixels + r, 3);
    }
  }
}

namespace {

// Sixteen bytes of one output row, `source` being the first tap's row at their column.
__attribute__((target("avx2"))) inline void down_16(const std::uint8_t* source, std::int64_t stride,
                                                    const std::int16_t* weights, std::int32_t count,
                                                    std::uint8_t* target) {
  __m256i high0 = _mm256_setzero_si256(), high1 = high0, low0 = high0, low1 = high0;
  for (std::int32_t j = 0; j < count; j += 2, weights += 4) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + j * stride));
    // The second of a pair beyond the last tap weighs 0; the first row stands in for it.
    const std::int64_t next = j + 1 < count ? j + 1 : j;
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + next * stride));
    std::int32_t packed_high, packed_low;
    std::memcpy(&packed_high, weights, 4);
    std::memcpy(&packed_low, weights + 2, 4);
    const __m256i weights_high = _mm256_set1_epi32(packed_high), weights_low = _mm256_set1_epi32(packed_low);
    const __m256i words0 = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
    const __m256i words1 = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
    high0 = _mm256_add_epi32(high0, _mm256_madd_epi16(words0, weights_high));
    high1 = _mm256_add_epi32(high1, _mm256_madd_epi16(words1, weights_high));
    low0 = _mm256_add_epi32(low0, _mm256_madd_epi16(words0, weights_low));
    low1 = _mm256_add_epi32(low1, _mm256_madd_epi16(words1, weights_low));
  }
  const __m256i half = _mm256_set1_epi32(kHalf);
  const __m256i sum0 = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(high0, kLowBits), low0), half);
  const __m256i sum1 = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(high1, kLowBits), low1), half);
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_packs_epi32(_mm256_srai_epi32(sum0, kBits), _mm256_srai_epi32(sum1, kBits)), 0b11'01'10'00);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(target), bytes);
}

}  // namespace

__attribute__((target("avx2"))) void down_avx2(const Pass& pass, std::int64_t begin, std::int64_t end) {
  const Taps& taps = *pass.taps;
  const std::int64_t bytes = pass.target_width * pass.channels, pairs = (taps.reach + 1) / 2;
  for (std::int64_t y = begin; y < end; ++y) {
    const std::uint8_t* source = pass.source + taps.first[y] * bytes;
    const std::int16_t* weights = taps.prepared.data() + y * pairs * 4;
    std::uint8_t* target = pass.target + y * bytes;
    std::int64_t i = 0;
    for (; i + 16 <= bytes; i += 16) down_16(source + i, bytes, weights, taps.count[y], target + i);
    for (; i < bytes; ++i) {
      std::int32_t sum = kHalf;
      for (std::int32_t j = 0; j < taps.count[y]; ++j) sum += source[j * bytes + i] * taps.weights[y * taps.reach + j];
      target[i] = to_byte(sum);
    }
  }
}

#else

bool have_avx2() { return false; }
void prepare_across_avx2(Taps&) {}
void prepare_down_avx2(Taps&) {}
void across_rgb_avx2(const Pass& pass, std::int64_t begin, std::int64_t end) { across_portable(pass, begin, end); }
void down_avx2(const Pass& pass, std::int64_t begin, std::int64_t end) { down_portable(pass, begin, end); }

#endif

}  // namespace limn::resize_kernels
