#include "vision/attention_pool.h"

#include "core/ops.h"

namespace limn {

AttentionPool::AttentionPool(const Weights& w, const AttentionPoolConfig& c)
    : config(c),
      probe(w.get("probe", {1, 1, c.dim})),
      attention(w / "attention", c.dim, c.heads, c.dim),
      norm(w / "norm", c.dim, c.eps),
      up(w / "up", c.dim, c.mlp),
      down(w / "down", c.mlp, c.dim) {}

Tensor AttentionPool::operator()(const Tensor& tokens) const {
  const auto [B, T, D] = dims<3>(tokens, "AttentionPool: tokens [B T D]");
  const Tensor x = attention(probe.expand({B, 1, D}), {.context = tokens}).squeeze(1);  // [B D]
  return x + down(up.activated(norm(x), config.activation));
}

}  // namespace limn
