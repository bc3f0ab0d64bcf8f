#pragma once

#include <iosfwd>
#include <optional>

#include "apps/train/config.h"
#include "apps/train/grids.h"
#include "apps/train/optimizer.h"
#include "apps/train/self_critical.h"
#include "apps/train/train.h"

namespace limn {

struct CaptionSet {
  std::vector<CaptionRecord> records;
  std::vector<TokenizedCaptions> tokens;  ///< by record
  Tensor grids;                           ///< fp16 [pictures views h w C]
};

/// Everything that a training run holds.
struct Run {
  const TrainConfig& config;
  const TrainOptions& options;
  std::ostream& out;
  std::ostream& notes;
  Tokenizer tokenizer;
  Weights stem_weights;  ///< trained too where its rate is not 0
  Weights weights;       ///< all others; those of frozen parts need no gradient
  Placement placement;   ///< of all weights
  HouseModel model;
  AdamW optimizer;
  GridOptions pictures = {};                ///< how pictures are looked at
  CaptionSet train = {}, validation = {};   ///< without grids where the stem is trained
  std::vector<CaptionReward> rewards = {};  ///< by language, where training is self-critical
  std::optional<double> best = {};          ///< of the validation measure
  std::int64_t step = 0;                    ///< steps done
};

/// Sums of what is reported, over steps.
struct Report {
  double caption = 0, contrast = 0, match = 0, reward = 0, norm = 0, rate = 0;
};

/// One optimiser step; all that is random follows from seed and step.
void take_step(Run& run, Report& report);

/// What becomes of a picture, in training and in the model that it makes.
Json preprocess_json(const HouseConfig& model);

/// checkpoint.safetensors of the run folder: all that the next step depends on.
std::filesystem::path checkpoint_file(const TrainConfig& config);
void save_checkpoint(const Run& run);
/// @throws CheckpointError where the file is not a checkpoint of this configuration
void load_checkpoint(Run& run);

/// A complete model folder of the weights as they are now.
void save_model(const Run& run, const std::filesystem::path& folder);

void append_metrics(const Run& run, const Json& line);
/// The metrics file as it was at `step`: later lines belong to steps that will be taken again.
void rewind_metrics(const std::filesystem::path& file, std::int64_t step);

/// Judges the averaged weights, keeps the best as `best/` and draws the losses: by mean CIDEr over languages, or by
/// loss where no captions are made.
void validate(Run& run);

}  // namespace limn
