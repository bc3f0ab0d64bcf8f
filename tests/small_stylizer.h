#pragma once

#include <cmath>

#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/set_stylizer.h"

namespace limn {

/// A house stylizer's folder with random weights that let pictures through to the end.
/// @param words  of a part for styles in words; known: its encoder's answer to kKnownText
inline void write_small_stylizer(const std::filesystem::path& folder, std::uint64_t seed = 4,
                                 const StyleWordsConfig& words = {}, const Tensor& known = {}) {
  const SetStylizerConfig config{.relation = {.dim = 16, .heads = 2, .layers = 1, .mlp = 32}, .words = words};
  const Weights weights = Weights::random(seed);
  const SetStylizer house(weights, config);
  at::manual_seed(seed);
  std::vector<std::pair<std::string, Tensor>> stored;
  for (const auto& [name, weight] : weights.parameters()) {
    const double deviation = std::sqrt(2.0 / static_cast<double>(std::max<std::int64_t>(weight[0].numel(), 1)));
    const bool scaled = weight.dim() == 4;
    const Tensor drawn = scaled ? at::randn(weight.sizes()) * deviation : weight;
    stored.emplace_back(name, name == "words.known" ? known : drawn);
  }
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model.safetensors", stored, {{"format", "limn"}});
  write_file(folder / "config.json", set_stylizer_config_json(config).dump(1));
}

}  // namespace limn
