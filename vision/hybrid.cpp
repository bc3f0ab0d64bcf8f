#include "vision/hybrid.h"

#include "core/ops.h"
#include "core/position.h"

namespace limn {

Hybrid::Hybrid(const Weights& w, const Weights& stem_weights, const HybridConfig& c)
    : config(c),
      stem(stem_weights, c.stem),
      project(w / "project", c.stem.head, c.dim),
      norm(w / "norm", c.dim, c.eps) {
  const std::int64_t side = (c.image + 31) / 32;
  positions = w.get("positions", {1, side * side, c.dim});
  for (std::int64_t i = 0; i < c.layers; ++i)
    blocks.emplace_back(w / "blocks" / i, BlockConfig{.dim = c.dim, .heads = c.heads, .mlp = c.mlp, .eps = c.eps});
}

HybridSight Hybrid::see(const Tensor& grid, double dropout) const {
  const Tensor features = stem.features(grid);  // [B h w head]
  return {related(features, dropout), (features.mean({1, 2}) + 1e-6).sqrt()};
}

Tensor Hybrid::related(const Tensor& features, double dropout) const {
  const auto [B, rows, columns, C] = dims<4>(features, "Hybrid: features [B h w head]");
  Tensor x = project(features).view({B, rows * columns, config.dim});  // [B N D]
  x = x + resampled_positions(positions, 0, rows, columns);
  if (dropout > 0) x = at::dropout(x, dropout, true);
  for (const Block& block : blocks) x = block(x, {.dropout = dropout});
  return norm(x);
}

}  // namespace limn
