#include <iomanip>
#include <ostream>

#include "apps/train/objective.h"
#include "apps/train/run.h"
#include "core/files.h"
#include "core/ops.h"
#include "text/generate.h"
#include "vision/drawing.h"
#include "vision/image.h"

namespace limn {

namespace {

// Mean loss per token of fixed validation captions, right pictures or each picture's neighbour's.
double validation_loss(Run& run, std::int64_t shift) {
  at::NoGradGuard no_grad;
  const std::int64_t pictures = static_cast<std::int64_t>(run.validation.records.size());
  double sum = 0, tokens = 0;
  for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
    const std::int64_t count = std::min(run.config.batch, pictures - first);
    std::vector<const TokenizedCaptions*> captions;
    for (std::int64_t i = 0; i < count; ++i)
      captions.push_back(&run.validation.tokens[static_cast<std::size_t>((first + i + shift) % pictures)]);
    std::mt19937_64 random(1);
    const PackedBatch batch = pack(draw_captions(captions, 5, random), run.config.model.text.positions);
    const Losses losses = caption_losses(
        run.model, run.validation.grids.narrow(0, first, count).select(1, 0).to(at::kFloat), batch, run.config, false);
    sum += losses.caption * static_cast<double>(batch.targets.size(0));
    tokens += static_cast<double>(batch.targets.size(0));
  }
  return sum / tokens;
}

// CIDEr of greedy captions of the first validation pictures, by language.
std::map<std::string, double> validation_cider(Run& run) {
  const at::NoGradGuard no_grad;
  const HouseConfig& model = run.config.model;
  const std::int64_t pictures = std::min(run.config.validate_captions, run.validation.grids.size(0));
  std::map<std::string, double> cider;
  for (const std::string& language : model.languages) {
    References references;
    std::vector<std::string> candidates;
    const GenerateOptions greedy{.max_new_tokens = model.max_new_tokens, .end = run.tokenizer.special.end};
    for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
      const std::int64_t count = std::min(run.config.batch, pictures - first);
      const Tensor grid = run.validation.grids.narrow(0, first, count).select(1, 0).to(at::kFloat);  // [B h w C]
      const std::vector<std::vector<std::int64_t>> begin(
          static_cast<std::size_t>(count), std::vector<std::int64_t>{*run.tokenizer.id("<" + language + ">")});
      const auto captions = generate(run.model.text, run.model.vision.tokens(grid), begin, greedy);
      for (std::int64_t i = 0; i < count; ++i) {
        const CaptionRecord& record = run.validation.records[static_cast<std::size_t>(first + i)];
        const auto found = record.captions.find(language);
        if (found == record.captions.end()) continue;
        references.emplace_back();
        for (const std::string& text : found->second) references.back().push_back(metric_words(text, language));
        candidates.push_back(metric_words(run.tokenizer, captions[static_cast<std::size_t>(i)].front().ids, language));
      }
    }
    if (!references.empty()) cider[language] = score_captions(references, candidates).cider;
  }
  return cider;
}

// Loss over steps, from the metrics file, as a picture.
void plot_losses(const std::filesystem::path& run) {
  Series training{"training", {}, {}}, validation{"validation", {}, {}};
  const std::filesystem::path file = run / "metrics.jsonl";
  each_line(read_file(file), [&](std::string_view line, std::size_t) {
    const Json json = Json::parse(line, file.string());
    const bool validated = json.has("validation_loss");
    Series& series = validated ? validation : training;
    series.x.push_back(json["step"].number(0));
    series.y.push_back(json[validated ? "validation_loss" : "loss"].number(0));
  });
  const std::array<Series, 2> both{training, validation};
  write_image(run / "loss.png",
              line_plot(both, {.title = "loss per token", .x_label = "step", .y_label = "loss"}).pixels);
}

}  // namespace

void validate(Run& run) {
  if (run.validation.records.empty()) return;
  run.optimizer.swap_averaged();
  const double right = validation_loss(run, 0), shuffled = validation_loss(run, 1);
  const auto cider = validation_cider(run);
  double measure = cider.empty() ? -right : 0;
  Json line = Json::object({{"step", run.step}, {"validation_loss", right}, {"shuffled_loss", shuffled}});
  run.notes << "step " << run.step << ": validation loss " << std::setprecision(4) << right
            << " (other pictures: " << shuffled << ")";
  for (const auto& [language, value] : cider) {
    measure += value / static_cast<double>(cider.size());
    line.set("cider_" + language, value);
    run.notes << "  CIDEr " << language << " " << value;
  }
  run.notes << std::endl;
  if (!run.best || measure > *run.best) {
    run.best = measure;
    save_model(run, run.config.out / "best");
  }
  run.optimizer.swap_averaged();
  append_metrics(run, line);
  plot_losses(run.config.out);
}

}  // namespace limn
