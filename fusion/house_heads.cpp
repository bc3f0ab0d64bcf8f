#include "fusion/house_heads.h"

#include "core/ops.h"

namespace limn {

HouseHeads::HouseHeads(const Weights& w, const HouseHeadsConfig& c)
    : config(c),
      image_projection(w / "image_projection", c.picture_dim, c.width, false),
      text_projection(w / "text_projection", c.text_dim, c.width, false),
      logit_scale(w.get("logit_scale", {1}, Init::ones)) {
  if (c.stem > 0) {
    stem_norm.emplace(w / "stem_norm", c.stem, c.eps);
    stem_projection.emplace(w / "stem_projection", c.stem, c.width, false);
  }
  if (c.mlp == 0) return;
  const Weights own = w / "match";
  BlockConfig layer{.dim = c.picture_dim, .heads = c.heads, .mlp = c.mlp, .eps = c.eps};
  picture_layer.emplace(own / "picture", layer);
  picture_norm.emplace(own / "picture_norm", c.picture_dim, c.eps);
  layer.dim = c.text_dim;
  text_layer.emplace(own / "text", layer);
  text_norm.emplace(own / "text_norm", c.text_dim, c.eps);
  match_head.emplace(own / "head", 3, 2);
}

Tensor HouseHeads::pictures(const HybridSight& sight, double dropout) const {
  Tensor x = sight.tokens;  // [B N D]
  if (picture_layer) x = (*picture_layer)(x, {.dropout = dropout});
  x = x.mean(1);
  const Tensor told = image_projection(picture_norm ? (*picture_norm)(x) : x);  // [B E]
  if (!stem_projection) return told;
  Tensor stem = (*stem_norm)(sight.stem);
  if (dropout > 0) stem = at::dropout(stem, dropout, true);
  return told + (*stem_projection)(stem);
}

Tensor HouseHeads::texts(const Tensor& words, const PackedTexts& packed, double dropout) const {
  if (!text_layer) return text_projection(text_means(words, packed));
  BlockCall call{.dropout = dropout};
  call.self.options.mask = packed.whole;
  return text_projection((*text_norm)(text_means((*text_layer)(words, call), packed)));
}

Tensor HouseHeads::match(const Tensor& similarity, const Tensor& seen, const Tensor& blind) const {
  if (!match_head) throw InputError("this house model has no matching head");
  return (*match_head)(at::stack({similarity, seen, blind}, -1));
}

Tensor HouseHeads::scale() const { return logit_scale.clamp(0.0, 4.6052).exp(); }

}  // namespace limn
