#pragma once

#include "apps/train/grids.h"
#include "apps/train/run.h"
#include "apps/train/self_critical.h"

namespace limn {

/// What another dual encoder teaches.
struct CaptionTeacher {
  std::vector<std::vector<std::int64_t>> texts;  ///< tokens
  Tensor told;                                   // [texts F], of length one
  Tensor seen;                                   // [pictures F]; zeros where it says nothing
};

struct CaptionSet {
  std::vector<CaptionRecord> records;
  std::vector<TokenizedCaptions> tokens;  ///< by record
  Tensor grids;                           ///< fp16 [pictures views h w C]
};

/// Learning captions, and which of them belong to which picture.
struct CaptionRun final : Run {
  Tokenizer tokenizer;
  Weights stem_weights;  ///< trained too where its rate is not 0
  Weights weights;       ///< all others; those of frozen parts need no gradient
  HouseModel model;
  GridOptions looks = {};                  ///< how pictures are looked at
  CaptionSet train = {}, validation = {};  ///< without grids where the stem is trained
  CaptionTeacher teacher = {};
  std::vector<CaptionReward> rewards = {};  ///< by language, where training is self-critical

  CaptionRun(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_, Placement place,
             Tokenizer words, Weights stem, Weights others, HouseModel house);
  bool read_data() override;
  void add_gradients(std::int64_t part, std::mt19937_64& random, Report& report) override;
  /// By mean CIDEr over languages, or by loss where no captions are made, or by recalls.
  std::optional<double> judge(Json& line) override;
  void save_model(const std::filesystem::path& folder) const override;
  std::int64_t pictures() const override { return static_cast<std::int64_t>(train.records.size()); }
  std::int64_t numbers() const override { return weights.count() + stem_weights.count(); }
  const char* loss_text() const override { return "loss per token"; }
};

/// What becomes of a picture, in training and in the model that it makes.
Json preprocess_json(const HouseConfig& model);

}  // namespace limn
