#pragma once

#include "core/transformer.h"

namespace limn {

struct VitConfig {
  std::int64_t image = 0, patch = 0, dim = 0, heads = 0, layers = 0, mlp = 0;
  double eps = 0;
  Activation activation = Activation::gelu;
  bool class_token = true, patch_bias = true, norm_before = false;  ///< norm_before: CLIP's norm ahead of the blocks
};

/// Vision transformer. Source: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929.
struct Vit {
  VitConfig config;
  Linear patch;                   // [D 3 patch patch]
  Tensor class_token, positions;  // [1 1 D], [1 N D]
  std::optional<LayerNorm> norm_before;
  std::vector<Block> blocks;
  LayerNorm norm;
  Vit(const Weights& w, const VitConfig& c);

  /// Tokens before the last norm. @param pixels  [B 3 H W] normalised; what is left over beside whole patches is not
  /// seen; positions are resampled for grids other than that of config.image.
  /// @return [B T D], the class token first where there is one
  Tensor tokens(const Tensor& pixels) const;
  Tensor operator()(const Tensor& pixels) const { return norm(tokens(pixels)); }
};

}  // namespace limn
