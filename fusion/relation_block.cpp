#include "fusion/relation_block.h"

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kWidth = 64;    // of MicroAST's features
constexpr std::int64_t kOverview = 8;  // tokens a side of an overview

}  // namespace

RelationBlock::RelationBlock(const Weights& w, const RelationConfig& c)
    : cells(w / "cells", 2 * kWidth, c.dim),
      whole(w / "whole", 4 * kWidth, c.dim),
      roles(w.get("roles", {2, c.dim})),
      norm(w / "norm", c.dim, 1e-5),
      film(w.get("film.weight", {10 * kWidth, c.dim}, Init::zeros)),
      film_bias(w.get("film.bias", {10 * kWidth}, Init::zeros)) {
  for (std::int64_t i = 0; i < c.layers; ++i)
    blocks.emplace_back(w / "blocks" / i, BlockConfig{.dim = c.dim, .heads = c.heads, .mlp = c.mlp, .eps = 1e-5});
}

RelationBlock::Sight RelationBlock::sight(const Tensor& features) {
  return {channel_moments(features), at::adaptive_avg_pool2d(features, {kOverview, kOverview})};
}

Tensor RelationBlock::overview(const std::array<Sight, 2>& both) const {
  const auto& [a, b] = both;
  const Tensor all = at::cat({a.all.mean, b.all.mean, a.all.deviation, b.all.deviation}, 1);  // [B 256 1 1]
  const Tensor grid = at::cat({a.cells, b.cells}, 1);                                         // [B 128 8 8]
  return at::cat({whole(all.flatten(1).unsqueeze(1)), cells(grid.flatten(2).transpose(1, 2))}, 1);
}

Tensor RelationBlock::overview(const Tensor& signals) const {
  const auto both = [&](std::int64_t row) {  // [B 1 128]
    return at::cat({signals.select(1, row), signals.select(1, row + 4)}, 1).unsqueeze(1);
  };
  const Tensor grid = cells(both(0)).expand({signals.size(0), kOverview * kOverview, roles.size(1)});
  return at::cat({whole(at::cat({both(0), both(1)}, 2)), grid}, 1);
}

std::vector<StyleRelation> RelationBlock::operator()(const Tensor& content, const std::vector<Tensor>& styles,
                                                     const std::vector<Tensor>& shares) const {
  const std::int64_t B = content.size(0), each = content.size(1);
  std::vector<Tensor> items{content + roles[0]}, weights{at::zeros({B, each}, content.options())};
  for (std::size_t i = 0; i < styles.size(); ++i) {
    items.push_back(styles[i] + roles[1]);
    weights.push_back(shares[i].clamp_min(1e-6).log().to(content.dtype()).unsqueeze(1).expand({B, each}));
  }
  Tensor x = at::cat(items, 1);                                       // [B (1 + I) 65 D]
  const Tensor bias = at::cat(weights, 1).unsqueeze(1).unsqueeze(1);  // [B 1 1 S]
  for (const Block& block : blocks) x = block(x, {.self = {.options = {.bias = bias}}});
  std::vector<StyleRelation> told;
  for (std::size_t i = 0; i < styles.size(); ++i) {
    const Tensor summary = norm(x.select(1, static_cast<std::int64_t>(i + 1) * each));  // [B D]
    const Tensor film_rows = linear(summary, film, film_bias).view({B, 10, kWidth});
    told.push_back({film_rows.narrow(1, 0, 2), film_rows.narrow(1, 2, 8)});
  }
  return told;
}

}  // namespace limn
