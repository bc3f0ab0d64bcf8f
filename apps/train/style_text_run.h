#pragma once

#include "apps/train/run.h"
#include "apps/train/style_texts.h"
#include "fusion/model.h"

namespace limn {

/// Learning what words say of a style: the stylizer and the dual encoder stay as they are, the layers between them
/// learn from pictures whose words are known. A drawn picture's words are exact; a photo has its captions; a painting
/// has the dual encoder's embedding of it, which lies near those of words that would fit.
struct StyleTextRun final : Run {
  Weights weights;
  SetStylizer model;
  Model encoder;
  StyleVocabulary vocabulary;
  struct Photo {
    std::filesystem::path file;
    std::vector<std::string> captions;
  };
  std::vector<Photo> photos = {};
  std::vector<std::filesystem::path> paintings = {}, contents = {};
  Tensor embeddings = {}, signals = {};  ///< [n E], [n 8 64]: the samples, those of exact words first
  std::int64_t exact = 0;

  StyleTextRun(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_, Placement place,
               Weights w, SetStylizer m, Model e);
  bool read_data() override;
  void add_gradients(std::int64_t part, std::mt19937_64& random, Report& report) override;
  /// Less the loss over batches that are always the same.
  std::optional<double> judge(Json& line) override;
  std::string measure_kind() const override;
  void save_model(const std::filesystem::path& folder) const override;
  std::int64_t pictures() const override { return static_cast<std::int64_t>(photos.size() + paintings.size()); }
  std::int64_t numbers() const override { return weights.count(); }
  const char* loss_text() const override { return "loss of styles in words"; }
};

}  // namespace limn
