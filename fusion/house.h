#pragma once

#include "core/json.h"
#include "text/transformer.h"
#include "vision/hybrid.h"

namespace limn {

/// The house family `limn`: hybrid ViT, one vocabulary for all languages, a decoder whose first layers see words only
/// and whose other layers cross-attend to the picture (as CoCa, https://arxiv.org/abs/2205.01917).
struct HouseConfig {
  HybridConfig vision;
  TextConfig text;                     ///< text.cross_from: the first layer that sees the picture
  std::int64_t contrast = 0;           ///< width of the shared space of pictures and texts; 0: no contrastive heads
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
  std::optional<Linear> image_projection, text_projection;  // [D E] without bias
  Tensor logit_scale;                                       // [1], a logarithm
  /// @param stem  where the picture stem is read from: `w / "vision" / "stem"` but in training with a frozen stem
  HouseModel(const Weights& w, const Weights& stem, const HouseConfig& c);
};

/// The weights as a house folder stores them: matrices in int8 by rows (docs/model-format.md), the rest as they are.
std::vector<std::pair<std::string, Tensor>> quantized_for_storage(const std::map<std::string, Tensor>& weights);

}  // namespace limn
