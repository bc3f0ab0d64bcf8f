#pragma once

#include <cstdint>
#include <vector>

// The inner loops of resize(); each exists in a portable and an AVX2 form with equal answers.
namespace limn::resize_kernels {

/// For some consecutive output indices of one axis, the source indices that each sums and their weights.
struct Taps {
  std::int64_t reach = 0;              ///< most taps of any output
  std::vector<std::int32_t> first;     ///< [out] first source index
  std::vector<std::int32_t> count;     ///< [out] number of taps
  std::vector<std::int32_t> weights;   ///< [out reach] with 22 fractional bits, zero beyond `count`
  std::vector<std::int16_t> prepared;  ///< the same in the order that the AVX2 kernel of the pass reads
};

/// One pass over a picture: rows of interleaved channels.
struct Pass {
  const std::uint8_t* source;  ///< [rows, source_width, channels]
  std::uint8_t* target;        ///< across: [rows, target_width, channels]; down: [out, width, channels]
  std::int64_t source_rows, source_width, target_width, channels;
  const Taps* taps;
};

inline constexpr int kBits = 32 - 8 - 2;  ///< fractional bits of a weight: the sum of a pass stays within 32 bits

/// Resamples rows [begin, end) from source_width to target_width.
void across_portable(const Pass& pass, std::int64_t begin, std::int64_t end);
/// Makes output rows [begin, end); source_width == target_width.
void down_portable(const Pass& pass, std::int64_t begin, std::int64_t end);

bool have_avx2();
void prepare_across_avx2(Taps& taps);
void prepare_down_avx2(Taps& taps);
/// For three channels, with taps prepared for across.
void across_rgb_avx2(const Pass& pass, std::int64_t begin, std::int64_t end);
/// For any number of channels, with taps prepared for down.
void down_avx2(const Pass& pass, std::int64_t begin, std::int64_t end);

}  // namespace limn::resize_kernels
