#pragma once

#include <filesystem>

#include "fusion/house.h"
#include "fusion/set_stylizer.h"

namespace limn {

enum class Objective { caption, stylize, stylize_text };

/// What a run that learns to stylize is told beyond the keys that all runs have.
struct StylizeTraining {
  // [data]
  std::vector<std::filesystem::path> contents, styles;                        ///< folders and pictures
  std::vector<std::filesystem::path> validation_contents, validation_styles;  ///< never learnt from
  std::vector<std::string> held_out;  ///< names of pictures that are not learnt from either
  // [model]
  SetStylizerConfig model;
  std::filesystem::path loss_network;  ///< SqueezeNet 1.1 or VGG: vision/feature_net.h
  // [train]
  std::int64_t side = 128;  ///< of the crops
  std::int64_t validation_side = 192;
  double net_rate = 0.2;                                 ///< share of `rate` for MicroAST's own network
  double drawn_styles = 0.25;                            ///< share of styles that are drawn instead of read
  double two_styles = 0.35, masks = 0.15, steady = 0.2;  ///< shares of steps with two styles, with masks; noise added
  double style_weight = 5, content_weight = 1, identity_weight = 50, share_weight = 1, steady_weight = 5;
};

/// What a run that learns styles in words is told beyond the keys that all runs have. The stylizer stays as it is.
struct StyleTextTraining {
  // [data]
  std::filesystem::path words;                ///< what words look like: apps/train/style_texts.h
  std::vector<std::string> held_out_texts;    ///< never said
  std::filesystem::path captions;             ///< captioned photos: apps/train/data.h; empty: none
  std::vector<std::filesystem::path> styles;  ///< paintings; none: none
  std::vector<std::filesystem::path> contents;
  std::vector<std::string> held_out;  ///< names of pictures that are not learnt from
  // [model]
  std::filesystem::path encoder;  ///< the dual encoder's folder
  std::int64_t hidden = 512;
  // [train]
  std::int64_t samples = 10000;  ///< of words and styles, drawn at the start
  std::int64_t side = 128;       ///< of styles and contents
  double photos = 0.2;           ///< share of the samples that is photos by a caption of theirs
  double paintings = 0.1;        ///< by their pictures' embeddings
  double noise = 0.1;            ///< added to embeddings, in their deviations
  double signal_weight = 1, paint_weight = 0, words_weight = 0;
};

/// Pictures that are made and captioned beside those of the data: apps/train/styled_pictures.h.
struct StyledTraining {
  std::int64_t pictures = 0;                ///< 0: none
  std::filesystem::path words;              ///< what words look like: apps/train/style_texts.h
  std::vector<std::string> held_out_texts;  ///< never said
  std::filesystem::path painter;            ///< a stylizer's folder; empty: styles are only drawn
};

/// Another dual encoder's embeddings, learnt from beside captions: apps/train/teacher.h.
struct TeacherTraining {
  std::filesystem::path texts, pictures;  ///< .npy files as limn embed writes them; empty: none
  std::int64_t texts_of_step = 256;       ///< drawn for each step
  double weight = 0;
};

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
  StyledTraining styled;
  TeacherTraining teacher;
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
  Objective objective = Objective::caption;
  StylizeTraining stylize;
  StyleTextTraining style_text;
};

/// @throws InputError naming file, line and key: unknown keys, wrong types, values out of range, missing paths
TrainConfig read_train_config(const std::filesystem::path& file);

}  // namespace limn
