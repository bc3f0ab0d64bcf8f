#include "core/few_rows.h"

#include <vector>

#include "core/activation_lanes.h"
#include "core/float_types.h"
#include "core/ops.h"
#include "core/packed_linear.h"
#include "core/team.h"

namespace limn {

namespace {

// One call's numbers; x is row-major and stays in the caches, w is read once.
struct Product {
  const float* x;
  const void* w;
  const void* bias;  // or null; float, or the weights' type
  bool float_bias;
  const float* scale;  // or null
  float* y;
  std::int64_t rows, in, out;
  std::size_t activation;  // of kernel_index()
};

// Runs outputs begin..end of a product.
using Kernel = void (*)(const Product&, std::int64_t begin, std::int64_t end);

template <typename W>
float bias_of(const Product& p, std::int64_t out) {
  if (!p.bias) return 0;
  return p.float_bias ? static_cast<const float*>(p.bias)[out] : static_cast<float>(static_cast<const W*>(p.bias)[out]);
}

}  // namespace

#if defined(__x86_64__)

namespace wide {
namespace {
#define LIMN_TARGET LIMN_WIDE
constexpr int kMostRows = 6, kOuts = 4;  // of 32 registers: 24 sums, 4 weights, 1 value
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"
// behind what it uses
#include "core/few_rows_tile.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace wide

// bfloat16, and bytes as bfloat16, by the instruction for it: x is rounded, too, and there is half as much to compute.
namespace pairs {
namespace {
using namespace wide;
#define LIMN_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,f16c,fma")))
constexpr int kMostRows = 8, kOuts = 3;  // bytes become bfloat16 once for all rows
#include "core/few_rows_tile.inc"

template <typename W>
struct Pairs {
  using Weight = W;
  using Number = at::BFloat16;
  using Numbers = __m512bh;
  static constexpr std::int64_t kStep = 32;
  static const Number* rows(const Product& p) {
    static thread_local std::vector<Number> rounded;
    rounded.resize(static_cast<std::size_t>(p.rows * p.in));
    std::copy_n(p.x, p.rows * p.in, rounded.begin());
    return rounded.data();
  }
  LIMN_TARGET static Numbers numbers(const Number* some) { return reinterpret_cast<Numbers>(_mm512_loadu_si512(some)); }
  LIMN_TARGET static Numbers numbers(const std::int8_t* some) {
    return _mm512_cvtne2ps_pbh(load(some + kWidth), load(some));
  }
  LIMN_TARGET static Vector add(Numbers x, Numbers w, Vector sum) { return _mm512_dpbf16_ps(sum, x, w); }
};
#undef LIMN_TARGET
}  // namespace
}  // namespace pairs

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
constexpr int kMostRows = 3, kOuts = 3;  // of 16 registers: 9 sums, 3 weights, 1 value
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"
// behind what it uses
#include "core/few_rows_tile.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

namespace {

template <typename W>
Kernel kernel_of([[maybe_unused]] Lanes lanes) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<W, at::BFloat16> || std::is_same_v<W, std::int8_t>) {
    if (lanes == Lanes::wide && computes_well(at::kBFloat16)) return pairs::run_range<pairs::Pairs<W>>;
  }
  if (lanes == Lanes::wide) return wide::run_range<wide::Floats<W>>;
  if (lanes == Lanes::narrow) return narrow::run_range<narrow::Floats<W>>;
#endif
  return nullptr;
}

Kernel kernel_for(at::ScalarType weights, Lanes lanes) {
  if (weights == at::kChar) return kernel_of<std::int8_t>(lanes);
  return by_float_type(weights, [&]<typename W>(W*) { return kernel_of<W>(lanes); });
}

}  // namespace

bool few_rows_apply(const Tensor& weight) {
  return weight.is_cpu() && weight.is_contiguous() && kernel_for(weight.scalar_type(), widest_lanes()) &&
         !(at::GradMode::is_enabled() && weight.requires_grad());
}

bool few_rows_apply(const Tensor& x, const Tensor& weight) {
  if (!x.is_cpu() || x.scalar_type() != at::kFloat || x.size(-1) == 0) return false;
  if (at::GradMode::is_enabled() && x.requires_grad()) return false;
  const bool few = x.numel() / x.size(-1) <= kFewRows || weight.scalar_type() == at::kChar;
  return few && few_rows_apply(weight);
}

bool few_rows_read(const Tensor& bias, const Tensor& weight) {
  return !bias.defined() || bias.scalar_type() == at::kFloat || bias.scalar_type() == weight.scalar_type();
}

Tensor linear_few_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale,
                       std::optional<Activation> activation, Lanes lanes) {
  const auto [R, in] = dims<2>(x, "linear_few_rows: x [R in]");
  const Tensor rows = x.contiguous();
  const Tensor y = at::empty({R, weight.size(0)}, x.options());
  linear_few_rows(rows.data_ptr<float>(), R, weight, bias, scale, activation, y.data_ptr<float>(), lanes);
  return y;
}

void linear_few_rows(const float* x, std::int64_t rows, const Tensor& weight, const Tensor& bias, const Tensor& scale,
                     std::optional<Activation> activation, float* y, Lanes lanes) {
  const Kernel kernel = kernel_for(weight.scalar_type(), lanes);
  if (!kernel) throw InputError("linear_few_rows: no kernel for these weights on this processor");
  if (!few_rows_read(bias, weight))
    throw InputError("linear_few_rows: the bias has neither float numbers nor the weights' type");
  const std::int64_t out = weight.size(0), in = weight.size(1);
  const Product product{x,
                        weight.const_data_ptr(),
                        bias.defined() ? bias.const_data_ptr() : nullptr,
                        bias.defined() && bias.scalar_type() == at::kFloat,
                        scale.defined() ? scale.const_data_ptr<float>() : nullptr,
                        y,
                        rows,
                        in,
                        out,
                        kernel_index(activation)};
  // A thread is worth waking for a quarter megabyte of weights.
  const std::int64_t grain = std::max<std::int64_t>(4, (std::int64_t{1} << 18) / (in * weight.element_size()));
  share(out, grain, [&](std::int64_t begin, std::int64_t end) { kernel(product, begin, end); });
}

}  // namespace limn
