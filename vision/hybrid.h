#pragma once

#include "core/transformer.h"
#include "vision/efficientnet.h"

namespace limn {

struct HybridConfig {
  EfficientNetConfig stem;
  std::int64_t image = 0;  ///< side in pixels; the stem divides it by 32
  std::int64_t dim = 0, heads = 0, layers = 0, mlp = 0;
  double eps = 0;
};

/// What becomes of pictures.
struct HybridSight {
  Tensor tokens;  // [B N D]
  Tensor stem;    // [B head]: square roots of the stem's features (none is negative) as averaged over the cells
};

/// Hybrid vision transformer: a convolutional stem makes the patch tokens, blocks relate them.
/// Source: Dosovitskiy et al. 2021, "hybrid architecture", with EfficientNet-Lite as the stem.
struct Hybrid {
  HybridConfig config;
  EfficientNet stem;
  Linear project;    // [head D]
  Tensor positions;  // [1 N D]
  std::vector<Block> blocks;
  LayerNorm norm;
  /// @param stem_weights  the cursor that the stem is read from: `w / "stem"` but in training, where it may be frozen
  Hybrid(const Weights& w, const Weights& stem_weights, const HybridConfig& c);

  Tensor operator()(const Tensor& pixels) const { return tokens(stem.grid(pixels)); }  // [B 3 H W] -> [B N D]
  /// From the stem's grid on; training caches the grids of a frozen stem.
  /// @param grid  [B h w C]. @param dropout  in training. @return [B N D]
  Tensor tokens(const Tensor& grid, double dropout = 0.0) const { return related(stem.features(grid), dropout); }
  /// The same, and what the stem saw.
  HybridSight see(const Tensor& grid, double dropout = 0.0) const;

 private:
  Tensor related(const Tensor& features, double dropout) const;  // [B h w head] -> [B N D]
};

}  // namespace limn
