#include "core/layers.h"

#include "core/ops.h"

namespace limn {

Linear::Linear(const Weights& w, std::int64_t in, std::int64_t out, bool with_bias)
    : weight(w.get("weight", {out, in})), bias(with_bias ? w.get("bias", {out}, Init::zeros) : Tensor()) {}

Tensor Linear::operator()(const Tensor& x) const { return at::linear(x, weight, bias); }

LayerNorm::LayerNorm(const Weights& w, std::int64_t dim, double eps_)
    : weight(w.get("weight", {dim}, Init::ones)), bias(w.get("bias", {dim}, Init::zeros)), eps(eps_) {}

Tensor LayerNorm::operator()(const Tensor& x) const { return at::layer_norm(x, {weight.size(0)}, weight, bias, eps); }

Embedding::Embedding(const Weights& w, std::int64_t count, std::int64_t dim) : weight(w.get("weight", {count, dim})) {}

Tensor Embedding::operator()(const Tensor& ids) const { return at::embedding(weight, ids); }

Activation parse_activation(const std::string& name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "relu") return Activation::relu;
  if (name == "silu" || name == "swish") return Activation::silu;
  throw InputError("got \"" + name + "\", expected one of: gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, silu");
}

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu: return at::gelu(x);
    case Activation::gelu_tanh: return at::gelu(x, "tanh");
    case Activation::quick_gelu: return x * at::sigmoid(x * 1.702);
    case Activation::relu: return at::relu(x);
    case Activation::silu: return at::silu(x);
  }
  throw InputError("unknown activation");
}

}  // namespace limn
