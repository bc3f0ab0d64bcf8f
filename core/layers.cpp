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

bool is_reduced(const Tensor& weight) {
  return weight.is_cpu() && (weight.scalar_type() == at::kBFloat16 || weight.scalar_type() == at::kHalf);
}

/// By our own kernel; undefined where it has none for these tensors.
Tensor few_rows_product(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale,
                        std::optional<Activation> activation) {
  const bool reduced = is_reduced(weight);
  if (wants_gradient(x, weight)) return {};
  const Tensor in = reduced ? x.to(at::kFloat) : x;
  if (!few_rows_apply(in, weight)) return {};
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return linear_few_rows(in.reshape({-1, x.size(-1)}), weight, bias, scale, activation).view(sizes).to(x.scalar_type());
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale) {
  const Tensor y = few_rows_product(x, weight, bias, scale, std::nullopt);
  if (y.defined()) return y;
  if (weight.scalar_type() == at::kChar) return at::linear(x, weight.to(at::kFloat) * scale.unsqueeze(1), bias);
  if (is_reduced(weight) && !computes_well(weight.scalar_type()))
    return at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias.defined() ? bias.to(at::kFloat) : bias)
        .to(x.scalar_type());
  return at::linear(x, weight, bias);
}

Linear::Linear(const Weights& w, std::int64_t in, std::int64_t out, bool with_bias)
    : Linear(w, at::IntArrayRef{out, in}, with_bias) {}

Linear::Linear(const Weights& w, at::IntArrayRef shape, bool with_bias)
    : width(shape[0]),
      bias(with_bias ? w.get("bias", {width}, Init::zeros) : Tensor()),
      weight_(std::make_shared<PackedLinear>(w.get("weight", shape))) {}

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
  const PackedActivation on_the_way = activation == Activation::gelu        ? PackedActivation::gelu
                                      : activation == Activation::gelu_tanh ? PackedActivation::gelu_tanh
                                                                            : PackedActivation::none;
  const Tensor packed = packed_product(x, on_the_way);
  if (packed.defined()) return on_the_way == PackedActivation::none ? activate_in_place(packed, activation) : packed;
  const Tensor few = few_rows_product(x, weight_->rows(), bias, weight_->scale(), activation);
  return few.defined() ? few : activate_in_place((*this)(x), activation);
}

bool Linear::has_step() const {
  if (!weight_) return false;
  const Tensor rows = weight_->rows();
  return few_rows_apply(rows) && few_rows_read(bias, rows);
}

void Linear::step(const float* x, std::int64_t rows, std::optional<Activation> activation, float* y) const {
  linear_few_rows(x, rows, weight_->rows(), bias, weight_->scale(), activation, y);
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
