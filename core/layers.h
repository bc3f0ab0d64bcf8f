#pragma once

#include "core/packed_linear.h"
#include "core/weights.h"

namespace limn {

enum class Activation { gelu, gelu_tanh, quick_gelu, relu, silu };

/// The name that public configurations use, e.g. "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu".
/// @throws InputError listing the known names
Activation parse_activation(const std::string& name);

/// x Wᵀ + b by the fastest way for the number of rows and the weight's type; differentiable like at::linear.
/// @param x      [... in], in the weight's type, or float where that is int8
/// @param scale  of int8 weights, float [out]
/// @return [... out]
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale = {});

/// y = x Wᵀ + b.
struct Linear {
  std::int64_t width;  // out
  Tensor bias;         // [out] or undefined
  Linear(const Weights& w, std::int64_t in, std::int64_t out, bool with_bias = true);
  Tensor operator()(const Tensor& x) const;  // [... in] -> [... out]
  /// activate((*this)(x)), in one pass where that is possible.
  Tensor activated(const Tensor& x, Activation activation) const;
  /// Holds the weights as int8 rows from now on, in all copies: a quarter of the bytes to read for each token.
  void quantize() { weight_->quantize(); }

 private:
  Tensor packed_product(const Tensor& x, PackedActivation activation) const;
  std::shared_ptr<PackedLinear> weight_;  // [out in]; copies share it
};

/// Normalisation over the last dimension, with gain and offset.
struct LayerNorm {
  Tensor weight, bias;  // [D]
  double eps;
  LayerNorm(const Weights& w, std::int64_t dim, double eps);
  Tensor operator()(const Tensor& x) const;  // [... D] -> [... D]
};

/// Rows of a table.
struct Embedding {
  Tensor weight;  // [count D]
  Tensor scale;   // of int8 rows, float [count]; else undefined
  Embedding(const Weights& w, std::int64_t count, std::int64_t dim);
  Tensor operator()(const Tensor& ids) const;  // [...] int64 -> [... D]
  /// Holds the table as int8 rows from now on; other handles of the same table stay as they are.
  void quantize();
};

Tensor activate(const Tensor& x, Activation activation);
/// The same, into x itself where no gradient is wanted.
Tensor activate_in_place(Tensor x, Activation activation);

}  // namespace limn
