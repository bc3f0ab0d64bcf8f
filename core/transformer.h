#pragma once

#include <functional>
#include <optional>

#include "core/attention.h"

namespace limn {

struct BlockConfig {
  std::int64_t dim = 0, heads = 0, mlp = 0;
  std::int64_t context_dim = 0;  ///< width of the cross-attended source; 0: none
  double eps = 0;
  bool pre_norm = true;  ///< normalise before each part (ViT, GPT-2) or after each sum (BERT)
  Activation activation = Activation::gelu;
};

struct BlockCall {
  AttentionCall self = {}, cross = {};  ///< cross is left out where neither its context nor its cache is given
  double dropout = 0.0;                 ///< on each part's output, in training
};

/// Runs `tower` on a few rows of a batch at a time, on the CPU without gradients: what passes between its layers then
/// stays in the caches. Elsewhere on the whole batch. The answers are the same.
/// @param batch  [B ...]
/// @param rows   so many at a time
/// @param tower  [b ...] -> [b ...], each row by itself
Tensor in_pieces(const Tensor& batch, std::int64_t rows, const std::function<Tensor(const Tensor& piece)>& tower);

/// One transformer layer: self-attention, optional cross-attention, MLP, each with its residual and norm.
/// Used by every tower: pictures, words, captions.
struct Block {
  BlockConfig config;
  LayerNorm self_norm;
  Attention self;
  std::optional<LayerNorm> cross_norm;
  std::optional<Attention> cross;
  LayerNorm mlp_norm;
  Linear up, down;
  Block(const Weights& w, const BlockConfig& c);
  Tensor operator()(const Tensor& x, const BlockCall& call = {}) const;  // [B T D] -> [B T D]
  /// Holds the products' weights as int8 rows from now on. Those of a cross-attended source, whose tokens are many,
  /// take both sides in eight bits in any case.
  void quantize(Int8 what);
};

}  // namespace limn
