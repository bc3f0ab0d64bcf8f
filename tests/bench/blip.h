#pragma once

#include "text/transformer.h"
#include "vision/vit.h"

namespace limn::bench {

// BLIP-base's sizes at 384 pixels, for models with random weights.

inline constexpr std::int64_t kSide = 384, kWidth = 768, kLayers = 12, kMlp = 3072, kVocab = 30524, kBegin = 30522;
inline constexpr std::int64_t kPatches = (kSide / 16) * (kSide / 16) + 1;  // with the class token

inline Vit blip_encoder(const Placement& placement) {
  return Vit(Weights::random(1, placement) / "vision",
             {.image = kSide, .patch = 16, .dim = kWidth, .heads = 12, .layers = kLayers, .mlp = kMlp, .eps = 1e-5});
}

inline TextTransformer blip_decoder(const Placement& placement) {
  return TextTransformer(Weights::random(2, placement) / "decoder", {.vocab = kVocab,
                                                                     .dim = kWidth,
                                                                     .heads = 12,
                                                                     .layers = kLayers,
                                                                     .mlp = kMlp,
                                                                     .positions = 512,
                                                                     .context_dim = kWidth,
                                                                     .eps = 1e-12,
                                                                     .causal = true,
                                                                     .embedding_norm = true,
                                                                     .head = Head::bert});
}

}  // namespace limn::bench
