#include <algorithm>
#include <iomanip>
#include <ostream>
#include <set>
#include <sstream>

#include "apps/caption_output.h"
#include "apps/evaluate/embed_files.h"
#include "apps/evaluate/evaluate_retrieval.h"
#include "apps/evaluate/retrieval_metrics.h"
#include "apps/inputs.h"
#include "apps/match.h"
#include "apps/pictures.h"
#include "core/files.h"
#include "core/json.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

struct Labelled {
  std::vector<fs::path> pictures;
  std::vector<std::string> labels;  // one each
};

// A folder that has a folder of pictures for each label.
Labelled read_folders(const fs::path& folder) {
  std::vector<fs::path> classes;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory()) classes.push_back(entry.path());
  std::sort(classes.begin(), classes.end());
  Labelled data;
  for (const fs::path& label : classes) {
    std::vector<fs::path> pictures;
    for (const auto& entry : fs::directory_iterator(label))
      if (entry.is_regular_file() && has_picture_extension(entry.path())) pictures.push_back(entry.path());
    std::sort(pictures.begin(), pictures.end());
    for (const fs::path& picture : pictures) {
      data.pictures.push_back(picture);
      data.labels.push_back(label.filename().string());
    }
  }
  return data;
}

// "picture,label" or {"image": picture, "label": label} on each line.
Labelled read_lines(const fs::path& file, const fs::path& images) {
  Labelled data;
  const bool csv = file.extension() == ".csv";
  each_line(read_file(file), [&](std::string_view line, std::size_t number) {
    const std::string where = file.string() + ":" + std::to_string(number);
    std::string picture, label;
    if (csv) {
      const std::size_t comma = line.find(',');
      if (comma == std::string_view::npos || comma == 0 || comma + 1 == line.size())
        throw InputError(where + ": got \"" + printable(std::string(line)) + "\", expected picture,label");
      picture = line.substr(0, comma);
      label = line.substr(comma + 1);
      if (number == 1 && (label == "label" || label == "class")) return;  // a header
    } else {
      const Json record = Json::parse(line, where);
      picture = record.at("image").text();
      label = record.at("label").text();
    }
    data.pictures.push_back(images / picture);
    data.labels.push_back(label);
  });
  return data;
}

Labelled read_labelled(const EvaluateClassifyOptions& options) {
  std::error_code error;
  const fs::path images = options.images.empty() ? options.data.parent_path() : options.images;
  Labelled data = fs::is_directory(options.data, error) ? read_folders(options.data) : read_lines(options.data, images);
  if (options.limit > 0 && data.pictures.size() > static_cast<std::size_t>(options.limit)) {
    data.pictures.resize(static_cast<std::size_t>(options.limit));
    data.labels.resize(static_cast<std::size_t>(options.limit));
  }
  if (data.pictures.empty()) throw InputError(options.data.string() + ": has no labelled picture");
  return data;
}

void report(const ClassificationScores& scores, std::int64_t pictures, std::int64_t classes, bool json,
            std::ostream& out) {
  if (json) {
    out << Json::object({{"top1", scores.top_1},
                         {"top5", scores.top_5},
                         {"mean_per_class_recall", scores.mean_per_class_recall},
                         {"pictures", pictures},
                         {"classes", classes}})
               .dump()
        << '\n';
  } else {
    std::ostringstream table;
    table << std::fixed << std::setprecision(1) << "top-1 " << scores.top_1 << ", top-5 " << scores.top_5
          << ", mean per-class recall " << scores.mean_per_class_recall << " per cent; " << pictures << " pictures, "
          << classes << " labels\n";
    out << table.str();
  }
  flush_results(out);
}

int evaluate_scores(const EvaluateClassifyOptions& options, std::ostream& out) {
  const TensorTable tables = read_safetensors(options.scores);
  const auto found = tables.find("logits");
  if (found == tables.end()) throw InputError(options.scores.string() + ": logits: is missing");
  const Tensor logits = found->second.load();
  dims<2>(logits, "evaluate classify: logits [B C]");
  report(score_classification(logits, Json::read(options.truth).integers()), logits.size(0), logits.size(1),
         options.json, out);
  return exit_done;
}

}  // namespace

int evaluate_classify(const EvaluateClassifyOptions& options, std::ostream& out, std::ostream& notes) {
  if (options.scores.empty() != options.truth.empty())
    throw UsageError("evaluate classify: --scores and --truth go together");
  if (options.scores.empty() == options.data.empty())
    throw UsageError("evaluate classify: takes a data set, or --scores with --truth");
  if (!options.scores.empty()) return evaluate_scores(options, out);
  const Labelled data = read_labelled(options);
  const std::set<std::string> own(data.labels.begin(), data.labels.end());
  const std::vector<std::string> labels =
      options.labels.empty() ? std::vector<std::string>(own.begin(), own.end()) : read_labels(options.labels);
  std::vector<std::int64_t> truth;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    const auto at = std::find(labels.begin(), labels.end(), data.labels[i]);
    if (at == labels.end())
      throw InputError(data.pictures[i].string() + ": label: \"" + data.labels[i] + "\" is not among --labels");
    truth.push_back(at - labels.begin());
  }
  const std::vector<std::string> templates = read_templates(options.templates);
  const auto model = open_chosen_model(options.common);
  const Tensor images = embed_files(data.pictures, *model, options.common, notes);
  if (!images.defined()) return exit_interrupted;
  const Tensor logits = similarity(*model->embedder, images, label_embeddings(*model->embedder, labels, templates));
  report(score_classification(logits, truth), logits.size(0), logits.size(1), options.json, out);
  return exit_done;
}

}  // namespace limn
