#pragma once

#include "core/attention.h"

namespace limn {

struct AttentionPoolConfig {
  std::int64_t dim = 0, heads = 0, mlp = 0;
  double eps = 0;
  Activation activation = Activation::gelu_tanh;
};

/// One learned query attends to a picture's tokens; its answer, and an MLP over that, is the picture.
/// Source: Zhai et al. 2022, https://arxiv.org/abs/2106.04560, "MAP head"; SigLIP's in transformers.
struct AttentionPool {
  AttentionPoolConfig config;
  Tensor probe;  // [1 1 D]
  Attention attention;
  LayerNorm norm;
  Linear up, down;
  AttentionPool(const Weights& w, const AttentionPoolConfig& c);
  Tensor operator()(const Tensor& tokens) const;  // [B T D] -> [B D]
};

}  // namespace limn
