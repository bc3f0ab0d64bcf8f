#include "core/transformer.h"

#include "core/block_step.h"
#include "core/ops.h"

namespace limn {

Tensor in_pieces(const Tensor& batch, std::int64_t rows, const std::function<Tensor(const Tensor& piece)>& tower) {
  const std::int64_t B = batch.size(0), most = std::max<std::int64_t>(rows, 1);
  if (!batch.is_cpu() || at::GradMode::is_enabled() || B <= most) return tower(batch);
  std::vector<Tensor> results;
  for (std::int64_t first = 0; first < B; first += most)
    results.push_back(tower(batch.narrow(0, first, std::min(most, B - first))));
  return at::cat(results);
}

Block::Block(const Weights& w, const BlockConfig& c)
    : config(c),
      self_norm(w / "self_norm", c.dim, c.eps),
      self(w / "self", c.dim, c.heads),
      mlp_norm(w / "mlp_norm", c.dim, c.eps),
      up(w / "up", c.dim, c.mlp),
      down(w / "down", c.mlp, c.dim) {
  if (c.context_dim == 0) return;
  cross_norm.emplace(w / "cross_norm", c.dim, c.eps);
  cross.emplace(w / "cross", c.dim, c.heads, c.context_dim);
}

Tensor Block::operator()(const Tensor& x, const BlockCall& call) const {
  if (block_step_applies(*this, x, call)) return block_step(*this, x, call);
  const auto residual = [&](const Tensor& stream, const LayerNorm& norm, const auto& part) {
    Tensor y = part(config.pre_norm ? norm(stream) : stream);
    if (call.dropout > 0) y = at::dropout(y, call.dropout, true);
    return config.pre_norm ? stream + y : norm(stream + y);
  };
  Tensor y = residual(x, self_norm, [&](const Tensor& t) { return self(t, call.self); });
  const bool has_context = call.cross.context.defined() || (call.cross.cache && call.cross.cache->filled());
  if (cross && has_context) y = residual(y, *cross_norm, [&](const Tensor& t) { return (*cross)(t, call.cross); });
  return residual(y, mlp_norm, [&](const Tensor& t) { return down(up.activated(t, config.activation)); });
}

void Block::quantize(Int8 what) {
  for (Linear* product : {&self.in[0], &self.out, &up, &down}) product->quantize(what);
  if (!cross) return;
  cross->in[0].quantize(what);
  cross->in[1].quantize(Int8::both);
  cross->out.quantize(what);
}

}  // namespace limn
