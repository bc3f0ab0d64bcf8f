#include "core/layers.h"

#include "core/few_rows.h"
#include "core/int8_product.h"
#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

namespace {

bool wants_gradient(const Tensor& x, const Tensor& weight) {
  return at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale) {
  const at::ScalarType dtype = weight.scalar_type();
  const bool reduced = weight.is_cpu() && (dtype == at::kBFloat16 || dtype == at::kHalf);
  if (!wants_gradient(x, weight) && (reduced || dtype == at::kFloat || dtype == at::kChar)) {
    const Tensor in = reduced ? x.to(at::kFloat) : x;
    if (few_rows_apply(in, weight)) {
      auto sizes = x.sizes().vec();
      sizes.back() = weight.size(0);
      const Tensor offset = bias.defined() && reduced ? bias.to(at::kFloat) : bias;
      return linear_few_rows(in.reshape({-1, x.size(-1)}), weight, offset, scale).view(sizes).to(x.scalar_type());
    }
  }
  if (dtype == at::kChar) return at::linear(x, weight.to(at::kFloat) * scale.unsqueeze(1), bias);
  if (reduced && !computes_well(dtype))
    return at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias.defined() ? bias.to(at::kFloat) : bias)
        .to(x.scalar_type());
  return at::linear(x, weight, bias);
}

Linear::Linear(const Weights& w, std::int64_t in, std::int64_t out, bool with_bias)
    : width(out),
      bias(with_bias ? w.get("bias", {out}, Init::zeros) : Tensor()),
      weight_(std::make_shared<PackedLinear>(w.get("weight", {out, in}))) {}

Tensor Linear::packed_product(const Tensor& x, PackedActivation activation) const {
  const bool many = x.size(-1) > 0 && x.numel() / x.size(-1) > kFewRows;
  if (!many || weight_->trainable() || (at::GradMode::is_enabled() && x.requires_grad())) return {};
  return (*weight_)(x, bias, activation);
}

void Linear::quantize(Int8 what) {
  if (what == Int8::weights || !Int8Product::available()) return weight_->quantize();
  in_bytes_ = std::make_shared<const Int8Product>(quantize_rows(weight_->rows()));
  weight_.reset();
}

Tensor Linear::operator()(const Tensor& x) const {
  if (in_bytes_) return (*in_bytes_)(x, bias);
  const Tensor y = packed_product(x, PackedActivation::none);
  return y.defined() ? y : linear(x, weight_->rows(), bias, weight_->scale());
}

Tensor Linear::activated(const Tensor& x, Activation activation) const {
  if (in_bytes_) return (*in_bytes_)(x, bias, activation);
  if (activation == Activation::gelu) {
    const Tensor y = packed_product(x, PackedActivation::gelu);
    if (y.defined()) return y;
  }
  return activate_in_place((*this)(x), activation);
}

LayerNorm::LayerNorm(const Weights& w, std::int64_t dim, double eps_)
    : weight(w.get("weight", {dim}, Init::ones)), bias(w.get("bias", {dim}, Init::zeros)), eps(eps_) {}

Tensor LayerNorm::operator()(const Tensor& x) const { return at::layer_norm(x, {weight.size(0)}, weight, bias, eps); }

Embedding::Embedding(const Weights& w, std::int64_t count, std::int64_t dim) : weight(w.get("weight", {count, dim})) {}

Tensor Embedding::operator()(const Tensor& ids) const {
  if (!scale.defined()) return at::embedding(weight, ids);
  const Tensor flat = ids.reshape({-1});
  auto sizes = ids.sizes().vec();
  sizes.push_back(weight.size(1));
  return (weight.index_select(0, flat).to(at::kFloat) * scale.index_select(0, flat).unsqueeze(1)).view(sizes);
}

void Embedding::quantize() {
  const QuantizedRows quantized = quantize_rows(weight);
  weight = quantized.values;
  scale = quantized.scale;
}

}  // namespace limn
