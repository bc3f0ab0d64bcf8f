#pragma once

#include "apps/train/run.h"
#include "vision/feature_net.h"

namespace limn {

/// Learning to paint contents in styles: no picture tells how it should look, a classifier's features do.
struct StylizeRun final : Run {
  Weights weights;
  SetStylizer model;
  FeatureNet net;
  std::vector<std::filesystem::path> contents = {}, styles = {};
  Tensor validation_contents = {}, validation_styles = {};  ///< float [n 3 H W]

  StylizeRun(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_, Placement place,
             Weights w, SetStylizer m, FeatureNet n);
  bool read_data() override;
  void add_gradients(std::int64_t part, std::mt19937_64& random, Report& report) override;
  /// Less the weighted sum of style distance, content distance and identity error over all pairs.
  std::optional<double> judge(Json& line) override;
  std::string measure_kind() const override;
  void save_model(const std::filesystem::path& folder) const override;
  std::int64_t pictures() const override { return static_cast<std::int64_t>(contents.size() + styles.size()); }
  std::int64_t numbers() const override { return weights.count(); }
  const char* loss_text() const override { return "loss of stylizing"; }
};

/// A stylizer's folder, its weights as fp16.
void save_stylizer(const std::filesystem::path& folder, const Weights& weights, const SetStylizerConfig& config);

}  // namespace limn
