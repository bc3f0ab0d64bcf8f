#include "core/activation.h"

#include "core/ops.h"

namespace limn {

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
