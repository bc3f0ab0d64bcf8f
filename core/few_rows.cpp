#include "core/few_rows.h"

#include <ATen/Parallel.h>

#include "core/ops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics: its bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

namespace limn {

namespace {

// One call's numbers; x is row-major and stays in the caches, w is read once.
struct Product {
  const float* x;
  const void* w;
  const float* bias;   // or null
  const float* scale;  // or null
  float* y;
  std::int64_t rows, in, out;
};

// Runs outputs begin..end of a product.
using Kernel = void (*)(const Product&, std::int64_t begin, std::int64_t end);

float finished(const Product& p, float sum, std::int64_t out) {
  if (p.scale) sum *= p.scale[out];
  return p.bias ? sum + p.bias[out] : sum;
}

#if defined(__x86_64__)

constexpr std::int64_t kAhead = 2048;  // bytes that are asked for before they are needed

namespace wide {
#define LIMN_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,f16c,fma")))
using Vector = __m512;
constexpr int kWidth = 16, kMostRows = 6, kOuts = 4;  // 24 sums, 4 weights, 1 value of 32 registers
LIMN_TARGET inline Vector zero() { return _mm512_setzero_ps(); }
LIMN_TARGET inline Vector load(const float* p) { return _mm512_loadu_ps(p); }
LIMN_TARGET inline Vector load(const at::BFloat16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
LIMN_TARGET inline Vector load(const at::Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
LIMN_TARGET inline Vector load(const std::int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
LIMN_TARGET inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
LIMN_TARGET inline float total(Vector v) { return _mm512_reduce_add_ps(v); }
#include "core/few_rows_tile.inc"
#undef LIMN_TARGET
}  // namespace wide

namespace narrow {
#define LIMN_TARGET __attribute__((target("avx2,fma,f16c")))
using Vector = __m256;
constexpr int kWidth = 8, kMostRows = 3, kOuts = 3;  // 9 sums, 3 weights, 1 value of 16 registers
LIMN_TARGET inline Vector zero() { return _mm256_setzero_ps(); }
LIMN_TARGET inline Vector load(const float* p) { return _mm256_loadu_ps(p); }
LIMN_TARGET inline Vector load(const at::BFloat16* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
LIMN_TARGET inline Vector load(const at::Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
LIMN_TARGET inline Vector load(const std::int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
LIMN_TARGET inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
LIMN_TARGET inline float total(Vector v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
#include "core/few_rows_tile.inc"
#undef LIMN_TARGET
}  // namespace narrow

template <typename W>
Kernel kernel_of() {
  static const bool has_512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  static const bool has_256 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  return has_512 ? wide::run_range<W> : has_256 ? narrow::run_range<W> : nullptr;
}

Kernel kernel_for(at::ScalarType weights) {
  switch (weights) {
    case at::kFloat:
      return kernel_of<float>();
    case at::kBFloat16:
      return kernel_of<at::BFloat16>();
    case at::kHalf:
      return kernel_of<at::Half>();
    case at::kChar:
      return kernel_of<std::int8_t>();
    default:
      return nullptr;
  }
}

#else

Kernel kernel_for(at::ScalarType) { return nullptr; }

#endif

}  // namespace

bool few_rows_apply(const Tensor& x, const Tensor& weight) {
  if (!x.is_cpu() || !weight.is_cpu() || x.scalar_type() != at::kFloat || x.size(-1) == 0) return false;
  if (at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad())) return false;
  return x.numel() / x.size(-1) <= kFewRows && weight.is_contiguous() && kernel_for(weight.scalar_type()) != nullptr;
}

Tensor linear_few_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale) {
  const auto [R, in] = dims<2>(x, "linear_few_rows: x [R in]");
  const Tensor rows = x.contiguous();
  const Tensor y = at::empty({R, weight.size(0)}, x.options());
  const Product product{rows.data_ptr<float>(),
                        weight.data_ptr(),
                        bias.defined() ? bias.data_ptr<float>() : nullptr,
                        scale.defined() ? scale.data_ptr<float>() : nullptr,
                        y.data_ptr<float>(),
                        R,
                        in,
                        weight.size(0)};
  const Kernel kernel = kernel_for(weight.scalar_type());
  // A thread is worth waking for a quarter megabyte of weights.
  const std::int64_t grain = std::max<std::int64_t>(4, (std::int64_t{1} << 18) / (in * weight.element_size()));
  at::parallel_for(0, weight.size(0), grain,
                   [&](std::int64_t begin, std::int64_t end) { kernel(product, begin, end); });
  return y;
}

}  // namespace limn
