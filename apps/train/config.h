#pragma once

#include <filesystem>

#include "fusion/house.h"

namespace limn {

/// A training run, as its TOML file states it. Paths are relative to the file.
struct TrainConfig {
  // [data]
  std::filesystem::path train, validation;  ///< captioned pictures: apps/train/data.h
  std::int64_t validate_pictures = 0;       ///< of `validation`, the first n; 0: all
  std::int64_t validate_captions =
      200;  ///< greedy captions judged by CIDEr at each validation; 0: none, the loss decides
  // [model]
  HouseConfig model;
  std::filesystem::path tokenizer;  ///< SentencePiece file
  std::filesystem::path start;      ///< a house folder to go on from; empty: from scratch
  std::vector<std::string> frozen;  ///< parts that stay as they are, by the beginning of their names: "vision", "text"
  std::filesystem::path stem_weights;  ///< published EfficientNet-Lite file; needed from scratch
  // [train]
  std::filesystem::path out;  ///< run folder: checkpoint, metrics, plot, best model
  std::int64_t steps = 0, batch = 0, accumulate = 1;
  std::int64_t captions = 3;  ///< drawn per picture, language and step
  double rate = 1e-3, weight_decay = 0.05, beta1 = 0.9, beta2 = 0.98, clip = 1.0, smoothing = 0.1, dropout = 0.1;
  double stem_rate = 0.0;  ///< share of `rate` for the picture stem; 0: frozen, and its grids are kept
  std::int64_t warmup = 100;
  double final_rate = 0.01;                ///< share of `rate` at the end of the cosine
  double ema = 0.999;                      ///< decay of the averaged weights, ramped up at the start
  double caption_weight = 1.0;             ///< of the caption loss
  double contrast_weight = 0.0;            ///< of the contrastive loss beside it
  std::int64_t self_critical_samples = 0;  ///< captions drawn per picture and language and rewarded by CIDEr-D; 0: off
  double match_weight = 0.0;               ///< of the matching loss; needs [model] match_mlp
  double self_critical_weight = 1.0;       ///< of that loss; caption_weight should be small beside it
  double drop_cells = 0.0;                 ///< share of grid cells zeroed in training
  std::int64_t views = 1;                  ///< crops of each picture whose grids are cached (frozen stem)
  double smallest_crop = 0.6;              ///< area share of the smallest crop
  bool flip = true;
  bool bf16 = false;  ///< mixed precision: bf16 products, fp32 weights and sums
  std::int64_t log_every = 20, save_every = 200, validate_every = 500;
  std::uint64_t seed = 0;
};

/// @throws InputError naming file, line and key: unknown keys, wrong types, values out of range, missing paths
TrainConfig read_train_config(const std::filesystem::path& file);

}  // namespace limn
