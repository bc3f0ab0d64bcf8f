#pragma once

#include "core/transformer.h"
#include "text/packed.h"
#include "vision/hybrid.h"

namespace limn {

struct HouseHeadsConfig {
  std::int64_t picture_dim = 0, text_dim = 0, heads = 0;
  std::int64_t width = 0;  ///< E, of the space that pictures and texts share
  std::int64_t mlp = 0;    ///< of a layer of their own for pictures and for texts; 0: none, and no matching
  std::int64_t stem = 0;   ///< features of the picture stem that pictures are also told by; 0: by tokens only
  double eps = 0;
};

/// The house model's heads for retrieval. Each side may have one layer of its own, so that captions stay as they are
/// when only the heads are trained. What captions do not need is lost in the tokens; the stem still knows it.
struct HouseHeads {
  HouseHeadsConfig config;
  Linear image_projection, text_projection;  // [D E] without bias
  Tensor logit_scale;                        // [1], a logarithm
  std::optional<Block> picture_layer, text_layer;
  std::optional<LayerNorm> picture_norm, text_norm;
  std::optional<Linear> match_head;  // [3 2]
  std::optional<LayerNorm> stem_norm;
  std::optional<Linear> stem_projection;  // [stem E] without bias
  HouseHeads(const Weights& w, const HouseHeadsConfig& c);

  /// @return [B E], not of length one
  Tensor pictures(const HybridSight& sight, double dropout = 0.0) const;
  /// @param words  [R T D] states ahead of the first cross-attending layer. @return [G E], not of length one
  Tensor texts(const Tensor& words, const PackedTexts& packed, double dropout = 0.0) const;
  /// Does a text fit a picture?
  /// @param similarity  [...] scale x cosine. @param seen, @param blind  [...] the text's log-likelihood with the
  /// picture and with none. @return logits [... 2] of "does not fit", "fits"
  Tensor match(const Tensor& similarity, const Tensor& seen, const Tensor& blind) const;
  /// The similarity's factor, e^logit_scale, kept below 100 as in CLIP. [1]
  Tensor scale() const;
};

}  // namespace limn
