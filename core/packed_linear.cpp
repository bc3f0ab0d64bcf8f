#include "core/packed_linear.h"

#include "core/onednn.h"
#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

namespace {

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
bool has_bf16() { return __builtin_cpu_supports("avx512bf16"); }
#else
bool has_avx512() { return false; }
bool has_bf16() { return false; }
#endif

using Pack = Tensor(const Tensor&, std::optional<c10::SymInt>);
using Product = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
                       c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

struct Operators {
  std::optional<c10::TypedOperatorHandle<Pack>> pack;
  std::optional<c10::TypedOperatorHandle<Product>> product;
};

// Both or none: then there are panels, if anything.
const Operators& operators() {
  static const Operators found = [] {
    const Operators both{onednn_operator<Pack>("mkldnn::_reorder_linear_weight"),
                         onednn_operator<Product>("mkldnn::_linear_pointwise")};
    return !has_avx512() || !both.pack || !both.product ? Operators() : both;
  }();
  return found;
}

bool packs(at::ScalarType dtype) {
  if (operators().pack) return (dtype == at::kFloat || dtype == at::kBFloat16) && computes_well(dtype);
  return dtype == at::kFloat && panels_apply();
}

}  // namespace

bool computes_well(at::ScalarType dtype) {
  return dtype == at::kFloat || dtype == at::kDouble || (dtype == at::kBFloat16 && has_bf16());
}

PackedLinear::PackedLinear(Tensor weight)
    : rows_(std::move(weight)), out_(rows_.size(0)), dtype_(rows_.scalar_type()), trainable_(rows_.requires_grad()) {}

void PackedLinear::pack() {
  static const std::optional<c10::SymInt> any_batch;  // a named one: GCC 12 takes std::nullopt for uninitialised
  packed_ = operators().pack ? operators().pack->call(flat_rows().contiguous(), any_batch) : panels_of(flat_rows());
  version_ = static_cast<std::uint32_t>(rows_._version());
  if (rows_.use_count() == 1 && rows_.storage().use_count() == 1) rows_ = Tensor();
}

Tensor PackedLinear::operator()(const Tensor& x, const Tensor& bias, PackedActivation activation) {
  if (x.scalar_type() != dtype_ || !x.is_cpu() || !packs(dtype_)) return {};
  Tensor packed;
  {
    const std::lock_guard lock(mutex_);
    if (scale_.defined() || (rows_.defined() && (!rows_.is_cpu() || rows_.is_inference()))) return {};
    if (!packed_.defined() || (rows_.defined() && version_ != static_cast<std::uint32_t>(rows_._version()))) pack();
    packed = packed_;
  }
  if (!operators().product) return linear_panels(x, packed, out_, bias, activation);
  const std::optional<Tensor> offset = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  c10::List<std::optional<at::Scalar>> limits;
  std::string_view name = "none";
  std::optional<std::string_view> algorithm = "";
  if (activation == PackedActivation::gelu || activation == PackedActivation::gelu_tanh) {
    name = "gelu";
    algorithm = activation == PackedActivation::gelu ? "none" : "tanh";
  } else if (activation == PackedActivation::relu6) {
    name = "hardtanh";
    limits.push_back(at::Scalar(0.0));
    limits.push_back(at::Scalar(6.0));
  }
  return operators().product->call(x.contiguous(), packed, offset, name, limits, algorithm);
}

Tensor PackedLinear::rows() {
  const std::lock_guard lock(mutex_);
  if (!rows_.defined()) {
    rows_ = operators().pack ? packed_.to_dense() : rows_of(packed_, out_);
    version_ = static_cast<std::uint32_t>(rows_._version());
  }
  return flat_rows();
}

Tensor PackedLinear::scale() {
  const std::lock_guard lock(mutex_);
  return scale_;
}

void PackedLinear::quantize() {
  const Tensor whole = rows();
  const std::lock_guard lock(mutex_);
  const QuantizedRows quantized = quantize_rows(whole);
  rows_ = quantized.values;
  scale_ = quantized.scale;
  packed_ = Tensor();
}

}  // namespace limn
