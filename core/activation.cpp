#include "core/activation.h"

#include <ATen/Parallel.h>

#include <array>

#include "core/activation_lanes.h"
#include "core/lanes.h"
#include "core/ops.h"

namespace limn {

#if defined(__x86_64__)

namespace wide {
namespace {
#define LIMN_TARGET LIMN_WIDE
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace wide

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
#include "core/exponential.inc"
// behind what it uses
#include "core/activation_lanes.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

namespace {

using Kernel = void (*)(float* y, std::int64_t size);

Kernel kernel_for([[maybe_unused]] std::size_t index) {
#if defined(__x86_64__)
  if (widest_lanes() == Lanes::wide) return wide::activate_by(index);
  if (widest_lanes() == Lanes::narrow) return narrow::activate_by(index);
#endif
  return nullptr;
}

}  // namespace

Activation parse_activation(const std::string& name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "relu") return Activation::relu;
  if (name == "silu" || name == "swish") return Activation::silu;
  throw InputError("got \"" + name + "\", expected one of: gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, silu");
}

Tensor activate_in_place(Tensor x, Activation activation) {
  if (at::GradMode::is_enabled() && x.requires_grad()) return activate(x, activation);
  const Kernel kernel = kernel_for(kernel_index(activation));
  if (kernel && x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous()) {  // one pass
    float* y = x.data_ptr<float>();
    at::parallel_for(0, x.numel(), 1 << 13,
                     [&](std::int64_t begin, std::int64_t end) { kernel(y + begin, end - begin); });
    return x;
  }
  switch (activation) {
    case Activation::gelu:
      return at::gelu_(x);
    case Activation::gelu_tanh:
      return at::gelu_(x, "tanh");
    case Activation::quick_gelu:
      return x.mul_(at::sigmoid(x * 1.702));
    case Activation::relu:
      return at::relu_(x);
    case Activation::silu:
      return at::silu_(x);
  }
  throw InputError("unknown activation");
}

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::quick_gelu:
      return x * at::sigmoid(x * 1.702);
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
  }
  throw InputError("unknown activation");
}

}  // namespace limn
