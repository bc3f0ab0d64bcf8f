#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "apps/inputs.h"
#include "apps/run.h"
#include "core/device.h"
#include "vision/preprocess.h"

namespace limn {

struct Model;

/// Opens the model that the options name, with threads and placement as asked.
/// @throws UsageError, CheckpointError
std::shared_ptr<const Model> open_chosen_model(const CommonOptions& common);

/// "photos/model (family clip, cpu, fp32)"
std::string model_text(const Model& model);

/// Where pictures are computed, as far as reading them ahead depends on it.
struct ReadAhead {
  CommonOptions common;  ///< batch and workers
  Placement placement;
  bool orient = true;
};

/// The good pictures of a batch, uint8 [B 3 H W], and their places among the inputs.
using UseBatch = std::function<void(const Tensor& pictures, const std::vector<std::size_t>& indices)>;
/// An input's index, its row in the last batch, and why there is none ("" for the good ones).
using TellEach = std::function<void(std::size_t index, std::size_t row, const std::string& error)>;

/// Makes `count` pictures ready ahead on worker threads and gives them to `batch`; then `each` hears of every input, in
/// order. Ends early, without the unfinished ones, once interrupted() says so.
/// @param make  as for run_pipeline()
void in_order(std::size_t count, const std::function<Tensor(std::size_t index)>& make, const ReadAhead& options,
              const UseBatch& batch, const TellEach& each);
/// The same for picture files.
void in_order(const std::vector<std::filesystem::path>& files, const Preprocess& preprocess, const ReadAhead& options,
              const UseBatch& batch, const TellEach& each);

/// A model made ready to answer about pictures.
struct PictureAnswers {
  std::shared_ptr<const Model> model;
  Preprocess preprocess;
  /// uint8 [B 3 H W] of B paths -> B records, each as its lines on standard output.
  std::function<std::vector<std::string>(const Tensor& pictures, const std::vector<std::filesystem::path>& paths)>
      answer;
};

/// A command that says something of every picture.
struct PictureCommand {
  std::string name;  ///< "match": before the progress bar
  std::string past;  ///< "matched": "3 matched, 1 failed"
  CommonOptions common;
  InputOptions inputs;
  bool json = false;  ///< failures are records too
  /// Opens the model; called where there is a picture. @param single  only one was named
  std::function<PictureAnswers(bool single)> open;
};

/// Runs it: one record per picture on `out`, in the order of the inputs; a picture that cannot be read is reported in
/// its place and does not stop the others.
/// @return an ExitCode
int run_picture_command(const PictureCommand& command, std::istream& in, std::ostream& out, std::ostream& notes);

/// "photo.jpg: is no picture": the path once, even where the reason begins with it.
std::string explained(const std::filesystem::path& path, const std::string& error);

}  // namespace limn
