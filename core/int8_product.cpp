#include "core/int8_product.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/activation_lanes.h"
#include "core/onednn.h"
#include "core/ops.h"

namespace limn {

namespace {

struct RowKernels {
  ByteRow (*to_bytes)(const float* x, std::int64_t size, float most, std::uint8_t* bytes) = nullptr;
  using Finish = void (*)(float* y, std::int64_t size, ByteRow row, const float* sums, const float* bias);
  std::array<Finish, kSilu + 1> finish = {};
};

}  // namespace

#if defined(__x86_64__)

namespace wide {
namespace {
#define LIMN_TARGET LIMN_WIDE
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"
// behind what it uses
#include "core/int8_rows.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace wide

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"
// behind what it uses
#include "core/int8_rows.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

namespace {

RowKernels kernels_for([[maybe_unused]] Lanes lanes) {
#if defined(__x86_64__)
  if (lanes == Lanes::wide) return wide::kernels();
  if (lanes == Lanes::narrow) return narrow::kernels();
#endif
  throw InputError("int8: no kernels for this processor");
}

using Pack = Tensor(Tensor, std::optional<c10::List<std::int64_t>>);
using Product = Tensor(Tensor, double, std::int64_t, Tensor, Tensor, Tensor, std::optional<Tensor>, double,
                       std::int64_t, std::optional<at::ScalarType>, std::string_view,
                       c10::List<std::optional<at::Scalar>>, std::string_view);

struct Operators {
  std::optional<c10::TypedOperatorHandle<Pack>> pack;
  std::optional<c10::TypedOperatorHandle<Product>> product;
};

// Both or none.
const Operators& operators() {
  static const Operators found = [] {
    const Operators both{onednn_operator<Pack>("onednn::qlinear_prepack"),
                         onednn_operator<Product>("onednn::qlinear_pointwise")};
    return widest_lanes() == Lanes::none || !both.pack || !both.product ? Operators() : both;
  }();
  return found;
}

}  // namespace

ByteRows byte_rows(const Tensor& x, std::int64_t most, Lanes lanes) {
  const auto [R, in] = dims<2>(x, "byte_rows: x [R in]");
  ByteRows rows{at::empty({R, in}, at::kByte), at::empty({R, 2}, at::kFloat)};
  const RowKernels kernels = kernels_for(lanes);
  const float* from = x.const_data_ptr<float>();
  auto* bytes = rows.values.mutable_data_ptr<std::uint8_t>();
  auto* stand = rows.rows.mutable_data_ptr<float>();
  at::parallel_for(0, R, 16, [&, width = in](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const ByteRow row = kernels.to_bytes(from + r * width, width, static_cast<float>(most), bytes + r * width);
      stand[2 * r] = row.step;
      stand[2 * r + 1] = row.zero;
    }
  });
  return rows;
}

void finish_rows(const Tensor& y, const Tensor& rows, const Tensor& sums, const Tensor& bias,
                 std::optional<Activation> activation, Lanes lanes) {
  const auto [R, out] = dims<2>(y, "finish_rows: y [R out]");
  const auto finish = kernels_for(lanes).finish[kernel_index(activation)];
  auto* to = y.mutable_data_ptr<float>();
  const float *stand = rows.const_data_ptr<float>(), *total = sums.const_data_ptr<float>();
  const float* plus = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  at::parallel_for(0, R, 16, [&, width = out](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      finish(to + r * width, width, {stand[2 * r], stand[2 * r + 1]}, total, plus);
  });
}

bool Int8Product::available() { return operators().product.has_value(); }

// Without VNNI the processor adds two products of bytes in 16 bits: x then has seven bits, so that they fit.
std::int64_t Int8Product::largest_byte() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return 255;
#endif
  return 127;
}

Int8Product::Int8Product(const QuantizedRows& weight)
    : out_(weight.values.size(0)),
      in_(weight.values.size(1)),
      packed_(operators().pack->call(weight.values.contiguous(), std::nullopt)),
      scale_(weight.scale.to(at::kFloat)),
      zero_(at::zeros({out_}, at::kInt)),
      sums_(weight.values.sum(1).to(at::kFloat) * scale_) {}

Tensor Int8Product::operator()(const Tensor& x, const Tensor& bias, std::optional<Activation> activation) const {
  if (x.scalar_type() != at::kFloat || !x.is_cpu() || x.size(-1) != in_)
    throw InputError("int8 product: x: got " + shape_text(x.sizes()) + " " + c10::toString(x.scalar_type()) +
                     ", expected float [... " + std::to_string(in_) + "] on the CPU");
  auto sizes = x.sizes().vec();
  sizes.back() = out_;
  if (x.numel() == 0) return at::empty(sizes, x.options());
  const ByteRows rows = byte_rows(x.reshape({-1, in_}).contiguous(), largest_byte());
  const Tensor y =
      operators().product->call(rows.values, 1.0, 0, packed_, scale_, zero_, std::nullopt, 1.0, 0, at::kFloat, "none",
                                c10::List<std::optional<at::Scalar>>(), "");  // [R out]
  finish_rows(y, rows.rows, sums_, bias, activation);
  return y.view(sizes);
}

}  // namespace limn
