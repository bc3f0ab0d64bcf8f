#pragma once

#include <iosfwd>
#include <optional>
#include <random>

#include "apps/train/config.h"
#include "apps/train/optimizer.h"
#include "apps/train/train.h"
#include "core/device.h"
#include "core/json.h"
#include "core/weights.h"

namespace limn {

/// Sums of what is reported, over steps.
struct Report {
  std::vector<std::pair<std::string, double>> losses;  ///< by name, in the order of their first mention
  double norm = 0, rate = 0;
  void add(const std::string& name, double value);
};

/// A training run. What is learnt differs (captions, stylizing); loop, optimiser, checkpoints, metrics and progress are
/// the same for all.
struct Run {
  const TrainConfig& config;
  const TrainOptions& options;
  std::ostream& out;
  std::ostream& notes;
  Placement placement;  ///< of all weights
  AdamW optimizer;
  std::optional<double> best = {};  ///< of the validation measure
  std::int64_t step = 0;            ///< steps done

  virtual ~Run() = default;
  /// Reads what is learnt from. @return false where it was stopped
  virtual bool read_data() = 0;
  /// Lays the gradients of a part of the next step (there are `accumulate`) on the weights. All that is random comes
  /// from `random`, which follows from seed and step.
  virtual void add_gradients(std::int64_t part, std::mt19937_64& random, Report& report) = 0;
  /// How good the weights are, larger being better; writes its figures to `line` and `notes`.
  /// @return nothing where there is nothing to judge by, or it was stopped
  virtual std::optional<double> judge(Json& line) = 0;
  /// What the measure depends on in the configuration: a best one of another kind is forgotten on resuming.
  virtual std::string measure_kind() const { return ""; }
  /// A complete model folder of the weights as they are now.
  virtual void save_model(const std::filesystem::path& folder) const = 0;
  virtual std::int64_t pictures() const = 0;  ///< learnt from
  virtual std::int64_t numbers() const = 0;   ///< in all weights, trained or not
  virtual const char* loss_text() const = 0;  ///< what the plot of "loss" and "validation_loss" is called

 protected:
  Run(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_, const Placement& place,
      AdamW steps)
      : config(c), options(o), out(out_), notes(notes_), placement(place), optimizer(std::move(steps)) {}
};

std::unique_ptr<Run> caption_run(TrainConfig& config, const TrainOptions& options, std::ostream& out,
                                 std::ostream& notes);
std::unique_ptr<Run> stylize_run(TrainConfig& config, const TrainOptions& options, std::ostream& out,
                                 std::ostream& notes);

std::unique_ptr<Run> style_text_run(TrainConfig& config, const TrainOptions& options, std::ostream& out,
                                    std::ostream& notes);

/// How the configuration steps weights. @param rates  shares of the rate by the beginning of a weight's name
AdamWOptions steps_of(const TrainConfig& config, std::map<std::string, double> rates);
/// Weights to be trained: those of `start`, all others drawn at random by the configuration's seed.
Weights trainable_weights(TensorTable start, const TrainConfig& config, const Placement& placement);
/// The weights that are stepped: all but those of [model] frozen, which no gradient reaches.
/// @throws InputError for a part that does not exist, or where nothing is left
std::map<std::string, Tensor> stepped(std::map<std::string, Tensor> weights, const TrainOptions& options,
                                      const TrainConfig& config);

/// One optimiser step.
void take_step(Run& run, Report& report);

/// checkpoint.safetensors of the run folder: all that the next step depends on.
std::filesystem::path checkpoint_file(const TrainConfig& config);
void save_checkpoint(const Run& run);
/// @throws CheckpointError where the file is not a checkpoint of this configuration
void load_checkpoint(Run& run);

void append_metrics(const Run& run, const Json& line);
/// The metrics file as it was at `step`: later lines belong to steps that will be taken again.
void rewind_metrics(const std::filesystem::path& file, std::int64_t step);

/// Judges the averaged weights, keeps the best as `best/` and draws the losses.
void validate(Run& run);

}  // namespace limn
