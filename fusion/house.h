#pragma once

#include "core/json.h"
#include "fusion/house_heads.h"
#include "text/transformer.h"
#include "vision/hybrid.h"

namespace limn {

/// The house family `limn`: hybrid ViT, one vocabulary for all languages, a decoder whose first layers see words only
/// and whose other layers cross-attend to the picture (as CoCa, https://arxiv.org/abs/2205.01917).
struct HouseConfig {
  HybridConfig vision;
  TextConfig text;                     ///< text.cross_from: the first layer that sees the picture
  std::int64_t contrast = 0;           ///< width of the shared space of pictures and texts; 0: no heads for retrieval
  bool stem_projection = false;        ///< those heads read the stem's features, too
  std::int64_t match_mlp = 0;          ///< of those heads' own layers; 0: projections only, and no matching
  std::vector<std::string> languages;  ///< "en", "zh": each has a begin token <en>, <zh>
  std::int64_t beams = 3;              ///< the search that suits the model
  double length_penalty = 1.0;
  std::int64_t max_new_tokens = 24;
};

/// @throws CheckpointError naming every fault of the file
HouseConfig read_house_config(const Json& config);
Json house_config_json(const HouseConfig& config);

struct HouseModel {
  HouseConfig config;
  Hybrid vision;
  TextTransformer text;
  std::optional<HouseHeads> heads;
  /// @param stem  where the picture stem is read from: `w / "vision" / "stem"` but in training with a frozen stem
  HouseModel(const Weights& w, const Weights& stem, const HouseConfig& c);
  /// What the heads read of texts: states [R T D] ahead of the layers that see the picture.
  Tensor words(const PackedTexts& texts, double dropout = 0.0) const;
  /// How likely the decoder finds texts: log p summed over each text's tokens behind the first.
  /// @param tokens  [P N D]; row r reads picture r / (R / P). @param texts  whose last tokens are targets
  /// @return float32 [G]
  Tensor log_likelihood(const Tensor& tokens, const PackedTexts& texts) const;
  /// What the decoder sees where there is no picture: the tokens of an empty grid. [1 N D]
  Tensor no_picture() const;
};

/// The weights as a house folder stores them: matrices in int8 by rows (docs/model-format.md), the rest as they are.
std::vector<std::pair<std::string, Tensor>> quantized_for_storage(const std::map<std::string, Tensor>& weights);

}  // namespace limn
