#include "apps/match.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

#include "apps/caption_output.h"
#include "apps/pictures.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"

namespace limn {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void lacks(const char* command, const Model& model, const char* what) {
  throw UsageError(std::string(command) + ": " + model.folder.string() + " (family " + model.family + ") " + what +
                   "; limn models info MODEL says what a model can do");
}

// The embedder, which must read both pictures and texts.
const Embedder& both_towers(const char* command, const Model& model) {
  if (!model.embedder || !model.embedder->image || !model.embedder->text)
    lacks(command, model, "has no common space of pictures and texts");
  return *model.embedder;
}

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

// The path in front of a line, unless the picture is the only one.
std::string prefix(const fs::path& path, bool single) { return single ? "" : printable(path) + "\t"; }

// One batch's figures for `match`; undefined where the model has none.
struct Figures {
  Tensor match, similarity;  // [B T]
};

std::string render_match(const fs::path& path, const Figures& figures, std::int64_t row,
                         const std::vector<std::string>& texts, bool json, bool single) {
  std::string lines;
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const auto value = [&](const Tensor& all) { return all[row][static_cast<std::int64_t>(t)].item<double>(); };
    const bool matches = figures.match.defined(), similar = figures.similarity.defined();
    if (json) {
      lines += Json::object({{"path", path.string()},
                             {"text", texts[t]},
                             {"match", matches ? Json(value(figures.match)) : Json()},
                             {"similarity", similar ? Json(value(figures.similarity)) : Json()}})
                   .dump() +
               "\n";
    } else {
      lines += prefix(path, single) + (matches ? figure(value(figures.match)) : "-") + "\t" +
               (similar ? figure(value(figures.similarity)) : "-") + "\t" + printable(texts[t]) + "\n";
    }
  }
  return lines;
}

}  // namespace

int match(const MatchOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  const std::vector<std::string> texts = gather_texts(options.texts, in);
  if (texts.empty()) throw UsageError("match: names no text; add --text \"a dog in the snow\"");
  const auto open = [&](bool single) {
    const auto model = open_chosen_model(options.common);
    const bool embeds = model->embedder && model->embedder->image && model->embedder->text;
    if (!model->matcher && !embeds) lacks("match", *model, "can neither match nor compare pictures and texts");
    const Tensor rows = embeds ? model->embedder->texts(texts) : Tensor();  // [T E]
    if (embeds) note_cut_texts(*model->embedder, texts, options.common, notes);
    PictureAnswers answers{.model = model,
                           .preprocess = model->matcher ? model->matcher->preprocess : model->embedder->preprocess};
    answers.answer = [=, json = options.json](const Tensor& pictures, const std::vector<fs::path>& paths) {
      const at::NoGradGuard no_grad;
      Figures figures;
      Tensor images;  // [B E]
      if (model->matcher) {
        const Tensor tokens = model->matcher->tokens(pictures);
        figures.match = (*model->matcher)(tokens, texts);
        if (embeds && model->matcher->embedding) images = model->matcher->embedding(tokens).to(at::kCPU);
      }
      if (embeds && !images.defined()) images = model->embedder->pictures(pictures);
      if (embeds) figures.similarity = similarity(*model->embedder, images, rows);
      std::vector<std::string> records;
      for (std::size_t b = 0; b < paths.size(); ++b)
        records.push_back(render_match(paths[b], figures, static_cast<std::int64_t>(b), texts, json, single));
      return records;
    };
    return answers;
  };
  return run_picture_command({"match", "matched", options.common, options.inputs, options.json, open}, in, out, notes);
}

int classify(const ClassifyOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  const std::vector<std::string> labels = read_labels(options.labels), templates = read_templates(options.templates);
  const auto open = [&](bool single) {
    const auto model = open_chosen_model(options.common);
    const Embedder& embedder = both_towers("classify", *model);
    const Tensor rows = label_embeddings(embedder, labels, templates);  // [L E]
    auto top = static_cast<std::int64_t>(labels.size());
    if (!options.json && !single) top = 1;
    if (options.top > 0) top = std::min(options.top, static_cast<std::int64_t>(labels.size()));
    PictureAnswers answers{.model = model, .preprocess = embedder.preprocess};
    answers.answer = [=, json = options.json](const Tensor& pictures, const std::vector<fs::path>& paths) {
      const Embedder& space = *model->embedder;
      const Tensor all = probabilities(space, similarity(space, space.pictures(pictures), rows));  // [B L]
      const auto [values, order] = at::sort(all, /*stable=*/true, -1, /*descending=*/true);
      std::vector<std::string> records;
      for (std::size_t b = 0; b < paths.size(); ++b) {
        const auto row = static_cast<std::int64_t>(b);
        Json list = Json::array();
        std::string lines;
        for (std::int64_t i = 0; i < top; ++i) {
          const std::string& label = labels[static_cast<std::size_t>(order[row][i].item<std::int64_t>())];
          const double value = values[row][i].item<double>();
          list.push(Json::object({{"label", label}, {"probability", value}}));
          lines += prefix(paths[b], single) + printable(label) + "\t" + figure(value) + "\n";
        }
        records.push_back(json ? Json::object({{"path", paths[b].string()}, {"labels", list}}).dump() + "\n" : lines);
      }
      return records;
    };
    return answers;
  };
  return run_picture_command({"classify", "classified", options.common, options.inputs, options.json, open}, in, out,
                             notes);
}

int ask(const AskOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  if (options.question.find_first_not_of(" \t\n") == std::string::npos)
    throw UsageError("ask: has no question; limn ask photo.jpg \"what is the man doing?\"");
  if (options.inputs.paths.empty() && options.inputs.files_from.empty())
    throw UsageError("ask: got \"" + printable(options.question) +
                     "\" alone, expected pictures and, as the last word, a question");
  const auto open = [&](bool single) {
    const auto model = open_chosen_model(options.common);
    if (!model->answerer) lacks("ask", *model, "answers no questions");
    GenerateOptions generate = model->answerer->speaker.defaults;
    if (options.beams > 0) generate.beams = options.beams;
    if (options.max_length > 0) generate.max_new_tokens = options.max_length;
    generate.stop = interrupted;
    PictureAnswers answers{.model = model, .preprocess = model->answerer->speaker.preprocess};
    answers.answer = [=, question = options.question, json = options.json, scores = options.scores](
                         const Tensor& pictures, const std::vector<fs::path>& paths) {
      std::vector<std::string> records;
      const auto all = (*model->answerer)(pictures, question, generate);
      for (std::size_t b = 0; b < paths.size(); ++b) {
        const Caption& answer = all[b].front();
        records.push_back(json ? Json::object({{"path", paths[b].string()},
                                               {"question", question},
                                               {"answer", answer.text},
                                               {"score", answer.score}})
                                         .dump() +
                                     "\n"
                               : prefix(paths[b], single) + printable(answer.text) +
                                     (scores ? std::string("\t").append(figure(answer.score)) : "") + "\n");
      }
      return records;
    };
    return answers;
  };
  return run_picture_command({"ask", "answered", options.common, options.inputs, options.json, open}, in, out, notes);
}

}  // namespace limn
