#pragma once

#include "core/weights.h"

namespace limn {

/// y = x Wᵀ + b.
struct Linear {
  Tensor weight;  // [out in]
  Tensor bias;    // [out] or undefined
  Linear(const Weights& w, std::int64_t in, std::int64_t out, bool with_bias = true);
  Tensor operator()(const Tensor& x) const;  // [... in] -> [... out]
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
  Embedding(const Weights& w, std::int64_t count, std::int64_t dim);
  Tensor operator()(const Tensor& ids) const;  // [...] int64 -> [... D]
};

enum class Activation { gelu, gelu_tanh, quick_gelu, relu, silu };

/// The name that public configurations use, e.g. "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu".
/// @throws InputError listing the known names
Activation parse_activation(const std::string& name);

Tensor activate(const Tensor& x, Activation activation);

}  // namespace limn
