#include "core/ops.h"
#include "fusion/model.h"
#include "fusion/set_stylizer.h"

namespace limn {

namespace {

bool matches(const Json& config) {
  return config["model_type"].is_text() && config["model_type"].text() == "limn-stylizer";
}

std::vector<Tensor> listed(const StyleTokens& t) { return {t.keys, t.log_part, t.moments, t.signals, t.relations}; }

StyleTokens tokens(const std::vector<Tensor>& list) {
  return {list.at(0), list.at(1), list.at(2), list.at(3), list.at(4)};
}

Model open(const std::filesystem::path& folder, const Json& config, const Placement& placement) {
  const Weights weights(read_weights(folder), {.placement = placement, .what = folder.string()});
  const SetStylizer house(weights, read_set_stylizer_config(config));
  weights.finish();

  Model model{.family = "limn-stylizer", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  model.stylizer = Stylizer{
      .smallest = MicroAst::kSmallest,
      .grid = [](std::int64_t height, std::int64_t width) { return std::pair((height + 7) / 8, (width + 7) / 8); },
      .content =
          [house](const Tensor& picture) {
            const SetStylizer::Content content = house.content(picture);
            return std::vector<Tensor>{content.deep, content.overview};
          },
      .style = [house](const Tensor& picture) { return listed(house.style(picture)); },
      .paint =
          [house](std::vector<Tensor> content, const std::vector<StylePart>& styles, const PaintOptions& options) {
            std::vector<StyleTokens> read;
            std::vector<Tensor> shares;
            for (const StylePart& part : styles) {
              read.push_back(tokens(part.style));
              shares.push_back(part.share[0]);
            }
            const bool own = options.strength < 1 && options.own;
            const SetStylizer::Result made =
                house.paint({std::move(content.at(0)), std::move(content.at(1))}, read, at::stack(shares), options,
                            own ? tokens(options.own()).signals : Tensor());
            return Painted{made.pictures, made.mass.squeeze(1)};
          },
      .placement = placement,
      .room = {.pixel = 31, .strip_pixel = 480, .halo = 48}};
  if (house.words)
    model.stylizer->words = StyleReader{
        .encoder = house.config.words.encoder, .known = house.words->known, .style = [house](const Tensor& e) {
          return listed(house.style_of((*house.words)(e)));
        }};
  return model;
}

}  // namespace

extern const Family kLimnStylizer;
const Family kLimnStylizer{"limn-stylizer", "this repository, docs/stylize.md", matches, open};

}  // namespace limn
