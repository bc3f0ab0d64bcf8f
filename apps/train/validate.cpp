#include <array>

#include "apps/train/run.h"
#include "core/files.h"
#include "vision/drawing.h"
#include "vision/image.h"

namespace limn {

namespace {

// Loss over steps, from the metrics file, as a picture.
void plot_losses(const std::filesystem::path& run, const std::string& title) {
  Series training{"training", {}, {}}, validation{"validation", {}, {}};
  const std::filesystem::path file = run / "metrics.jsonl";
  each_line(read_file(file), [&](std::string_view line, std::size_t) {
    const Json json = Json::parse(line, file.string());
    for (const auto& [key, series] : {std::pair{"loss", &training}, {"validation_loss", &validation}})
      if (json.has(key)) {
        series->x.push_back(json["step"].number(0));
        series->y.push_back(json[key].number(0));
      }
  });
  if (training.x.empty()) return;
  const std::array<Series, 2> both{training, validation};
  write_image(run / "loss.png", line_plot(both, {.title = title, .x_label = "step", .y_label = "loss"}).pixels);
}

}  // namespace

void validate(Run& run) {
  run.optimizer.swap_averaged();
  Json line = Json::object({{"step", run.step}});
  const std::optional<double> measure = run.judge(line);
  if (measure && (!run.best || *measure > *run.best)) {
    run.best = measure;
    run.save_model(run.config.out / "best");
  }
  run.optimizer.swap_averaged();
  if (!measure) return;
  append_metrics(run, line);
  plot_losses(run.config.out, run.loss_text());
}

}  // namespace limn
