#include "core/packed_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "core/ops.h"

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

// oneDNN's products are reached through LibTorch's operator table: they have no C++ name in its headers.
using Pack = Tensor(const Tensor&, std::optional<c10::SymInt>);
using Product = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
                       c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

struct Operators {
  std::optional<c10::TypedOperatorHandle<Pack>> pack;
  std::optional<c10::TypedOperatorHandle<Product>> product;
};

const Operators& operators() {
  static const Operators found = [] {
    Operators result;
    const auto pack = c10::Dispatcher::singleton().findSchema({"mkldnn::_reorder_linear_weight", ""});
    const auto product = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!has_avx512() || !pack || !product || !at::globalContext().userEnabledMkldnn()) return result;
    result.pack = pack->typed<Pack>();
    result.product = product->typed<Product>();
    return result;
  }();
  return found;
}

}  // namespace

bool computes_well(at::ScalarType dtype) {
  return dtype == at::kFloat || dtype == at::kDouble || (dtype == at::kBFloat16 && has_bf16());
}

Tensor PackedLinear::operator()(const Tensor& x, const Tensor& weight, const Tensor& bias, bool gelu) {
  const at::ScalarType dtype = weight.scalar_type();
  const bool possible =
      x.is_cpu() && weight.is_cpu() && x.scalar_type() == dtype && (dtype == at::kFloat || dtype == at::kBFloat16);
  if (!possible || !computes_well(dtype) || !operators().pack || weight.is_inference()) return {};
  Tensor packed;
  {
    const std::lock_guard lock(mutex_);
    const auto version = static_cast<std::uint32_t>(weight._version());
    if (!packed_.defined() || source_ != weight.data_ptr() || version_ != version) {
      packed_ = operators().pack->call(weight.contiguous(), std::nullopt);
      source_ = weight.data_ptr();
      version_ = version;
    }
    packed = packed_;
  }
  const std::optional<Tensor> offset = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  return operators().product->call(x.contiguous(), packed, offset, gelu ? "gelu" : "none",
                                   c10::List<std::optional<at::Scalar>>(), gelu ? "none" : "");
}

}  // namespace limn
