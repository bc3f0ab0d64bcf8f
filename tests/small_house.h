#pragma once

#include "core/files.h"
#include "core/safetensors.h"
#include "fusion/house.h"
#include "tests/places.h"

namespace limn {

//// A house folder with a picture stem of two small stages and random weights.
inline void write_small_house(const std::filesystem::path& folder) {
  HouseConfig c;
  c.vision = {.stem = {.stem = 8, .head = 16, .stages = {{1, 3, 2, 1, 8}, {2, 3, 8, 1, 8}}},
              .image = 32,
              .dim = 16,
              .heads = 2,
              .layers = 1,
              .mlp = 32,
              .eps = 1e-5};
  c.text = {.vocab = 5000,
            .dim = 16,
            .heads = 2,
            .layers = 2,
            .mlp = 32,
            .positions = 32,
            .context_dim = 16,
            .cross_from = 1,
            .eps = 1e-5,
            .causal = true,
            .pre_norm = true,
            .final_norm = true,
            .head = Head::tied};
  c.contrast = 8;
  c.match_mlp = 16;
  c.languages = {"en", "zh"};
  c.max_new_tokens = 6;
  const Weights weights = Weights::random(1);
  const HouseModel model(weights, weights / "vision" / "stem", c);
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model.safetensors", quantized_for_storage(weights.parameters()), {{"format", "limn"}});
  write_file(folder / "preprocessor_config.json",
             R"({"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "do_resize": true,
                 "resample": 3, "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true,
                 "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})");
  write_file(folder / "config.json", house_config_json(c).dump(1));
  std::filesystem::copy_file(source_folder() / "models/limn-small/tokenizer.model", folder / "tokenizer.model");
}

}  // namespace limn
