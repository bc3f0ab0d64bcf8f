#include <ostream>

#include "apps/match.h"
#include "apps/pictures.h"
#include "apps/results.h"
#include "core/files.h"
#include "core/json.h"
#include "core/npy.h"
#include "core/ops.h"
#include "fusion/model.h"

namespace limn {

namespace fs = std::filesystem;

namespace {

// What becomes of a run: rows and what each is of, in one order.
struct Rows {
  std::vector<Tensor> parts;  // [B E] each
  std::string keys;           // JSON lines
};

void write_rows(const EmbedOptions& options, const Rows& rows, std::int64_t width) {
  const Tensor all = rows.parts.empty() ? at::empty({0, width}) : at::cat(rows.parts);
  write_file(options.out + ".jsonl", rows.keys);
  write_npy(options.out + ".npy", all);
}

std::string key(const char* name, const std::string& value) { return Json::object({{name, value}}).dump() + "\n"; }

Tensor shown(const EmbedOptions& options, const Tensor& rows) {
  return (options.raw ? rows.to(at::kFloat) : normalised(rows)).to(at::kCPU);
}

[[noreturn]] void lacks(const Model& model, const char* what) {
  throw UsageError("embed: " + model.folder.string() + " (family " + model.family + ") embeds no " + what +
                   "; limn models info MODEL says what a model can do");
}

int embed_texts(const EmbedOptions& options, const std::vector<std::string>& texts, std::ostream& notes) {
  const auto model = open_chosen_model(options.common);
  if (!model->embedder || !model->embedder->text) lacks(*model, "texts");
  note_cut_texts(*model->embedder, texts, options.common, notes);
  const at::NoGradGuard no_grad;
  Rows rows;
  rows.parts.push_back(shown(options, model->embedder->text(texts)));
  for (const std::string& text : texts) rows.keys += key("text", text);
  write_rows(options, rows, model->embedder->width);
  return exit_done;
}

int embed_pictures(const EmbedOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  Rows rows;
  std::int64_t width = -1;
  const auto open = [&](bool) {
    const auto model = open_chosen_model(options.common);
    if (!model->embedder || !model->embedder->image) lacks(*model, "pictures");
    width = model->embedder->width;
    PictureAnswers answers{.model = model, .preprocess = model->embedder->preprocess};
    answers.answer = [&, model](const Tensor& pictures, const std::vector<fs::path>& paths) {
      const at::NoGradGuard no_grad;
      const Embedder& embedder = *model->embedder;
      const Tensor pixels = embedder.preprocess.normalise(pictures.to(model->placement.device));
      rows.parts.push_back(shown(options, embedder.image(pixels.to(model->placement.dtype))));
      for (const fs::path& path : paths) rows.keys += key("path", path.string());
      return std::vector<std::string>(paths.size());  // nothing on standard output
    };
    return answers;
  };
  const int code =
      run_picture_command({"embed", "embedded", options.common, options.inputs, false, open}, in, out, notes);
  if (width >= 0) write_rows(options, rows, width);
  return code;
}

}  // namespace

int embed(const EmbedOptions& options, std::istream& in, std::ostream& out, std::ostream& notes) {
  if (options.out.empty()) throw UsageError("embed: says not where to; add --out NAME for NAME.npy and NAME.jsonl");
  const std::vector<std::string> texts = gather_texts(options.texts, in);
  const bool pictures = !options.inputs.paths.empty() || !options.inputs.files_from.empty();
  if (!texts.empty() && pictures) throw UsageError("embed: takes pictures or texts, not both in one file");
  if (options.existing != Existing::error && options.existing != Existing::overwrite)
    throw UsageError("--existing: embed knows error and overwrite");
  for (const char* ending : {".npy", ".jsonl"}) plan_output(options.out + ending, options.existing);
  return texts.empty() ? embed_pictures(options, in, out, notes) : embed_texts(options, texts, notes);
}

}  // namespace limn
