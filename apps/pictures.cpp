#include "apps/pictures.h"

#include <ostream>

#include "apps/caption_output.h"
#include "apps/models.h"
#include "apps/notes.h"
#include "apps/results.h"
#include "core/json.h"
#include "fusion/model.h"
#include "vision/pipeline.h"

namespace limn {

namespace fs = std::filesystem;

std::shared_ptr<const Model> open_chosen_model(const CommonOptions& common) {
  apply_threads(common);
  const Placement placement = placement_of(common);
  return std::make_shared<const Model>(open_model(resolve_model(common.model), placement));
}

std::string model_text(const Model& model) {
  return model.folder.string() + " (family " + model.family + ", " + describe(model.placement) + ")";
}

void in_order(std::size_t count, const std::function<Tensor(std::size_t)>& make, const ReadAhead& options,
              const UseBatch& batch, const TellEach& each) {
  const bool cuda = options.placement.device.is_cuda();
  const int size = options.common.batch > 0 ? options.common.batch : cuda ? 32 : 8;
  run_pipeline(count, make,
               [&](const PictureBatch& pictures) {
                 if (!pictures.indices.empty()) batch(pictures.pixels, pictures.indices);
                 if (interrupted()) return;
                 auto broken = pictures.errors.begin();
                 const auto tell_broken = [&](std::size_t before) {
                   for (; broken != pictures.errors.end() && broken->index < before; ++broken)
                     each(broken->index, 0, broken->message);
                 };
                 for (std::size_t row = 0; row < pictures.indices.size(); ++row) {
                   tell_broken(pictures.indices[row]);
                   each(pictures.indices[row], row, {});
                 }
                 tell_broken(count);
               },
               {.workers = options.common.workers, .batch = size, .pinned = cuda, .stop = &interruption()});
}

void in_order(const std::vector<fs::path>& files, const Preprocess& preprocess, const ReadAhead& options,
              const UseBatch& batch, const TellEach& each) {
  in_order(files.size(), picture_maker(files, preprocess, {.orientation = options.orient}), options, batch, each);
}

std::string explained(const fs::path& path, const std::string& error) {
  const std::string name = printable(path);
  return error.rfind(name + ":", 0) == 0 ? error : name + ": " + error;
}

namespace {

class Run {
 public:
  Run(const PictureCommand& command, std::ostream& out, std::ostream& notes)
      : command_(command), results_(out), notes_(command.common, notes) {}

  int operator()(std::istream& in) {
    inputs_ = find_inputs(command_.inputs, in);
    for (const std::string& text : inputs_.notes) notes_.note(text);
    std::vector<fs::path> files;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < inputs_.items.size(); ++i) {
      if (!inputs_.items[i].error.empty()) continue;
      files.push_back(inputs_.items[i].path);
      places.push_back(i);
    }
    if (!files.empty()) answer(files, places);
    if (!interrupted()) tell_broken_before(inputs_.items.size());
    summarise();
    if (interrupted()) return exit_interrupted;
    return failed_ > 0 ? exit_some_failed : exit_done;
  }

 private:
  void answer(const std::vector<fs::path>& files, const std::vector<std::size_t>& places) {
    const PictureAnswers answers = command_.open(inputs_.single);
    if (command_.common.verbose) notes_.note(model_text(*answers.model));
    const auto count = static_cast<std::int64_t>(files.size());
    notes_.begin(command_.name, count);
    std::vector<std::string> records;  // of the last batch
    in_order(
        files, answers.preprocess, {command_.common, answers.model->placement, command_.inputs.orient},
        [&](const Tensor& pictures, const std::vector<std::size_t>& indices) {
          std::vector<fs::path> paths;
          for (const std::size_t index : indices) paths.push_back(files[index]);
          records = answers.answer(pictures, paths);
        },
        [&](std::size_t index, std::size_t row, const std::string& error) {
          tell_broken_before(places[index]);
          if (error.empty()) {
            ++answered_;
            put(records[row]);
          } else {
            tell_failure(files[index], error);
          }
          ++told_;
          notes_.update(static_cast<std::int64_t>(index) + 1);
        });
    notes_.end();
  }

  void tell_broken_before(std::size_t end) {
    for (; told_ < end; ++told_)
      if (!inputs_.items[told_].error.empty()) tell_failure(inputs_.items[told_].path, inputs_.items[told_].error);
  }

  void tell_failure(const fs::path& path, const std::string& error) {
    ++failed_;
    notes_.complain(explained(path, error));
    if (command_.json) put(Json::object({{"path", path.string()}, {"error", error}}).dump() + "\n");
  }

  void put(const std::string& lines) {
    notes_.clear();
    results_.put(lines);
  }

  void summarise() {
    const bool worth = command_.common.verbose || failed_ > 0 || interrupted();
    if (!worth || inputs_.items.size() < 2) return;
    std::string text = std::to_string(answered_) + " " + command_.past;
    if (failed_ > 0) text += ", " + std::to_string(failed_) + " failed";
    notes_.note((interrupted() ? "interrupted; " : "") + text);
  }

  const PictureCommand& command_;
  Results results_;
  Notes notes_;
  Inputs inputs_;
  std::size_t told_ = 0;  ///< inputs before this one have been told
  std::int64_t answered_ = 0, failed_ = 0;
};

}  // namespace

int run_picture_command(const PictureCommand& command, std::istream& in, std::ostream& out, std::ostream& notes) {
  return Run(command, out, notes)(in);
}

}  // namespace limn
