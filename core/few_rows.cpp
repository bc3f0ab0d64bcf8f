#include "core/few_rows.h"

#include <ATen/Parallel.h>

#include "core/activation_lanes.h"
#include "core/float_types.h"
#include "core/ops.h"

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
  std::size_t activation;  // of kernel_index()
};

// Runs outputs begin..end of a product.
using Kernel = void (*)(const Product&, std::int64_t begin, std::int64_t end);

float finished(const Product& p, float sum, std::int64_t out) {
  if (p.scale) sum *= p.scale[out];
  return p.bias ? sum + p.bias[out] : sum;
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
  if (lanes == Lanes::wide) return wide::run_range<W>;
  if (lanes == Lanes::narrow) return narrow::run_range<W>;
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
  const Tensor offset = bias.defined() && bias.scalar_type() != at::kFloat ? bias.to(at::kFloat) : bias;
  const std::int64_t out = weight.size(0), in = weight.size(1);
  const Product product{x,
                        weight.const_data_ptr(),
                        offset.defined() ? offset.const_data_ptr<float>() : nullptr,
                        scale.defined() ? scale.const_data_ptr<float>() : nullptr,
                        y,
                        rows,
                        in,
                        out,
                        kernel_index(activation)};
  // A thread is worth waking for a quarter megabyte of weights.
  const std::int64_t grain = std::max<std::int64_t>(4, (std::int64_t{1} << 18) / (in * weight.element_size()));
  at::parallel_for(0, out, grain, [&](std::int64_t begin, std::int64_t end) { kernel(product, begin, end); });
}

}  // namespace limn
