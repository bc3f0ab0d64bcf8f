#include "fusion/house.h"

#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

namespace {

EfficientNetConfig read_stem(ConfigReader read) {
  read.choice("kind", {"efficientnet-lite"}, "efficientnet-lite");
  EfficientNetConfig stem{.stem = read.integer("stem_channels"), .head = read.integer("head_channels"), .stages = {}};
  const Json stages = read.json()["stages"];
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const Json row = stages[i];
    bool good = row.is_array() && row.size() == 5;
    for (std::size_t k = 0; good && k < 5; ++k) good = row[k].is_integer() && row[k].integer() > 0;
    if (!good) {
      read.fault("stages", "row " + std::to_string(i) + " is " + row.dump() +
                               ", expected [expand, kernel, stride, repeats, channels]");
      continue;
    }
    const auto n = row.integers();
    stem.stages.push_back({n[0], n[1], n[2], n[3], n[4]});
  }
  if (stem.stages.empty()) read.fault("stages", "needs at least one row");
  return stem;
}

Json stem_json(const EfficientNetConfig& stem) {
  Json stages = Json::array();
  for (const EfficientNetStage& s : stem.stages)
    stages.push(Json::list(std::vector<std::int64_t>{s.expand, s.kernel, s.stride, s.repeats, s.out}));
  return Json::object(
      {{"kind", "efficientnet-lite"}, {"stem_channels", stem.stem}, {"head_channels", stem.head}, {"stages", stages}});
}

}  // namespace

HouseConfig read_house_config(const Json& config) {
  HouseConfig c;
  ConfigReader root(config), vision = root.inside("vision"), text = root.inside("text");
  c.vision = {.stem = read_stem(vision.inside("stem")),
              .image = vision.integer("image_size"),
              .dim = vision.integer("dim"),
              .heads = vision.integer("heads"),
              .layers = vision.integer("layers"),
              .mlp = vision.integer("mlp"),
              .eps = vision.number("eps", 1e-5)};
  c.text = {.vocab = text.integer("vocab_size"),
            .dim = text.integer("dim"),
            .heads = text.integer("heads"),
            .layers = text.integer("layers"),
            .mlp = text.integer("mlp"),
            .positions = text.integer("positions"),
            .context_dim = c.vision.dim,
            .cross_from = text.integer("cross_from", 0),
            .eps = text.number("eps", 1e-5),
            .causal = true,
            .pre_norm = true,
            .final_norm = true,
            .head = Head::tied};
  c.contrast = root.integer("contrast_dim", 0);
  c.match_mlp = root.integer("match_mlp", 0);
  c.stem_projection = root.boolean("stem_projection", false);
  if (c.match_mlp && !c.contrast) root.fault("match_mlp", "needs contrast_dim");
  if (c.vision.heads && c.vision.dim % c.vision.heads) vision.fault("heads", "do not divide dim");
  if (c.text.heads && c.text.dim % c.text.heads) text.fault("heads", "do not divide dim");
  if (config["languages"].is_array())
    c.languages = config["languages"].texts();
  else
    root.fault("languages", "is missing, expected a list such as [\"en\", \"zh\"]");
  c.beams = root.integer("beams", c.beams);
  c.length_penalty = root.number("length_penalty", c.length_penalty);
  c.max_new_tokens = root.integer("max_new_tokens", c.max_new_tokens);
  root.finish();
  return c;
}

Json house_config_json(const HouseConfig& c) {
  const Json vision = Json::object({{"image_size", c.vision.image},
                                    {"dim", c.vision.dim},
                                    {"heads", c.vision.heads},
                                    {"layers", c.vision.layers},
                                    {"mlp", c.vision.mlp},
                                    {"eps", c.vision.eps},
                                    {"stem", stem_json(c.vision.stem)}});
  const Json text = Json::object({{"vocab_size", c.text.vocab},
                                  {"dim", c.text.dim},
                                  {"heads", c.text.heads},
                                  {"layers", c.text.layers},
                                  {"mlp", c.text.mlp},
                                  {"positions", c.text.positions},
                                  {"cross_from", c.text.cross_from},
                                  {"eps", c.text.eps}});
  Json json = Json::object({{"model_type", "limn"},
                            {"architectures", Json::list(std::vector<std::string>{"LimnModel"})},
                            {"vision", vision},
                            {"text", text},
                            {"contrast_dim", c.contrast},
                            {"match_mlp", c.match_mlp},
                            {"languages", Json::list(c.languages)},
                            {"beams", c.beams},
                            {"length_penalty", c.length_penalty},
                            {"max_new_tokens", c.max_new_tokens}});
  if (c.stem_projection) json.set("stem_projection", true);
  return json;
}

HouseModel::HouseModel(const Weights& w, const Weights& stem, const HouseConfig& c)
    : config(c), vision(w / "vision", stem, c.vision), text(w / "text", c.text) {
  if (c.contrast > 0)
    heads.emplace(w, HouseHeadsConfig{.picture_dim = c.vision.dim,
                                      .text_dim = c.text.dim,
                                      .heads = c.text.heads,
                                      .width = c.contrast,
                                      .mlp = c.match_mlp,
                                      .stem = c.stem_projection ? c.vision.stem.head : 0,
                                      .eps = c.text.eps});
}

Tensor HouseModel::words(const PackedTexts& texts, double dropout) const {
  return text(texts.ids, {.mask = texts.causal, .positions = texts.positions, .words_only = true, .dropout = dropout});
}

Tensor HouseModel::log_likelihood(const Tensor& tokens, const PackedTexts& texts) const {
  const Tensor hidden =
      text(texts.ids, {.context = tokens, .mask = texts.causal, .positions = texts.positions});            // [R T D]
  const Tensor logits = text.logits(hidden.flatten(0, 1).index_select(0, texts.places)).to(at::kFloat);    // [M V]
  const Tensor surprise = at::cross_entropy_loss(logits, texts.targets, {}, at::Reduction::None);          // [M]
  return at::zeros({texts.lengths.size(0)}, surprise.options()).index_add(0, texts.text, surprise, -1.0);  // [G]
}

Tensor HouseModel::no_picture() const {
  const std::int64_t side = (config.vision.image + 31) / 32, channels = config.vision.stem.stages.back().out;
  return vision.tokens(at::zeros({1, side, side, channels}, vision.positions.options().requires_grad(false)));
}

std::vector<std::pair<std::string, Tensor>> quantized_for_storage(const std::map<std::string, Tensor>& weights) {
  std::vector<std::pair<std::string, Tensor>> stored;
  for (const auto& [name, weight] : weights) {
    const bool matrix =
        weight.dim() >= 2 && weight.size(0) > 1 && name.size() > 7 && name.substr(name.size() - 7) == ".weight";
    if (!matrix) {
      stored.emplace_back(name, weight.detach().to(at::kCPU, at::kFloat));
      continue;
    }
    auto [values, scale] = quantize_rows(weight.detach().to(at::kCPU, at::kFloat));
    stored.emplace_back(name, values);
    stored.emplace_back(name + ".scale", scale);
  }
  return stored;
}

}  // namespace limn
