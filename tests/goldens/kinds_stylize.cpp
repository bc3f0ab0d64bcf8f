#include "core/ops.h"
#include "tests/goldens/kinds.h"
#include "tests/goldens/model_cases.h"

namespace limn::golden {

namespace {

Tensor picture(GoldenCase& current, const char* field) {
  return read_image(current.file(field)).pixels.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).div(255);
}

}  // namespace

void run_stylize(GoldenCase& current) {
  const Stylizer& stylizer = needed(opened(current).stylizer, "stylizer");
  const at::NoGradGuard no_grad;
  const Tensor canvas = picture(current, "content");
  const std::vector<Tensor> content = stylizer.content(canvas), style = stylizer.style(picture(current, "style"));
  std::vector<std::string> features;
  if (current.has("features")) features = current.json.at("features").texts();
  for (std::size_t depth = 0; depth < features.size(); ++depth)
    current.compare("features", content.at(depth), current.folder.tensor(features[depth]));
  // MicroAST's filters; other families have none.
  for (std::size_t depth = 0; current.has("modulation") && depth < features.size(); ++depth) {
    const std::string number = std::to_string(depth);
    const Json modulation = current.json.at("modulation");
    current.compare("features", style.at(4 * depth + 2),
                    current.folder.tensor(modulation.at("style_weight_" + number).text()));
    current.compare("features", style.at(4 * depth + 3),
                    current.folder.tensor(modulation.at("style_bias_" + number).text()));
  }
  const auto [h, w] = stylizer.grid(canvas.size(2), canvas.size(3));
  const double strength = current.has("alpha") ? current.json.at("alpha").number() : 1;
  current.compare("output", stylizer.paint(content, {{style, at::ones({1, 1, h, w})}}, {.strength = strength}).picture);
}

}  // namespace limn::golden
