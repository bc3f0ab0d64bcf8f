#include "text/transformer.h"

#include "core/ops.h"

namespace limn {

void TextState::reorder(const Tensor& parents) {
  for (KvCache& cache : self) cache.reorder(parents);
}

void TextState::keep_pictures(const Tensor& pictures) {
  for (KvCache& cache : cross) cache.reorder(pictures);
}

TextTransformer::TextTransformer(const Weights& w, const TextConfig& c)
    : config(c), words(w / "words", c.vocab, c.dim), positions(w.get("positions.weight", {c.positions, c.dim})) {
  if (c.token_types > 0) token_types = w.get("token_types.weight", {c.token_types, c.dim});
  if (c.embedding_norm) embedding_norm.emplace(w / "embedding_norm", c.dim, c.eps);
  for (std::int64_t i = 0; i < c.layers; ++i)
    blocks.emplace_back(w / "blocks" / i, BlockConfig{.dim = c.dim,
                                                      .heads = c.heads,
                                                      .mlp = c.mlp,
                                                      .context_dim = i >= c.cross_from ? c.context_dim : 0,
                                                      .eps = c.eps,
                                                      .pre_norm = c.pre_norm,
                                                      .activation = c.activation});
  if (c.final_norm) final_norm.emplace(w / "final_norm", c.dim, c.eps);
  if (c.head == Head::bert) {
    head_dense.emplace(w / "head" / "dense", c.dim, c.dim);
    head_norm.emplace(w / "head" / "norm", c.dim, c.eps);
    head_bias = w.get("head.bias", {c.vocab}, Init::zeros);
  }
  if (!w.placement().int8) return;
  const bool decoder = c.causal && c.head != Head::none;
  for (Block& block : blocks) block.quantize(decoder ? Int8::weights : Int8::both);
  if (!decoder) return;
  words.quantize();
  if (head_dense) head_dense->quantize(Int8::weights);
}

Tensor TextTransformer::operator()(const Tensor& ids, const TextCall& call) const {
  const auto [B, T] = dims<2>(ids, "TextTransformer: ids [B T]");
  const std::int64_t seen = call.state ? call.state->length : 0;
  if (!call.positions.defined() && seen + T > config.positions)
    throw InputError("text: " + std::to_string(seen + T) + " tokens, but the model has " +
                     std::to_string(config.positions) + " positions; shorten the text or the asked length");
  if (call.state && call.state->self.empty()) {
    call.state->self.resize(blocks.size());
    // Where weights are int8, a picture's keys and values in float would be most of what a token reads.
    const KvCache cross{.type = words.scale.defined() ? std::optional(at::kBFloat16) : std::nullopt};
    call.state->cross.resize(blocks.size(), cross);
  }
  Tensor x = words(ids);  // [B T D]
  x = x + (call.positions.defined() ? at::embedding(positions, call.positions) : positions.narrow(0, seen, T));
  if (token_types.defined())
    x = x + (call.token_types.defined() ? at::embedding(token_types, call.token_types) : token_types[0]);
  if (embedding_norm) x = (*embedding_norm)(x);
  if (call.dropout > 0) x = at::dropout(x, call.dropout, true);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (call.words_only && static_cast<std::int64_t>(i) == config.cross_from) return x;
    BlockCall block{.dropout = call.dropout};
    block.self.cache = call.state ? &call.state->self[i] : nullptr;
    block.self.options.causal = config.causal && !call.mask.defined();
    block.self.options.mask = call.mask;
    block.cross.context = call.context;
    block.cross.cache = call.state ? &call.state->cross[i] : nullptr;
    x = blocks[i](x, block);
  }
  if (call.state) call.state->length += T;
  return final_norm ? (*final_norm)(x) : x;
}

Tensor TextTransformer::logits(const Tensor& hidden) const {
  switch (config.head) {
    case Head::tied:
      return limn::linear(hidden, words.weight, Tensor(), words.scale);
    case Head::bert:
      return linear((*head_norm)(head_dense->activated(hidden, config.activation)), words.weight, head_bias,
                    words.scale);
    case Head::none:
      break;
  }
  throw InputError("text: this model has no language-modelling head");
}

}  // namespace limn
