#include "fusion/family_config.h"
#include "fusion/house.h"
#include "fusion/model.h"
#include "fusion/normalise.h"

namespace limn {

namespace {

bool matches(const Json& config) { return config["model_type"].is_text() && config["model_type"].text() == "limn"; }

std::map<std::string, std::int64_t> begin_tokens(const Tokenizer& tokenizer, const HouseConfig& config,
                                                 const std::filesystem::path& folder) {
  std::map<std::string, std::int64_t> begins;
  for (const std::string& language : config.languages) {
    const auto id = tokenizer.id("<" + language + ">");
    if (!id)
      throw CheckpointError((folder / "tokenizer.model").string() + ": has no piece <" + language +
                            ">, but config.json lists the language");
    begins[language] = *id;
  }
  if (begins.empty()) throw CheckpointError((folder / "config.json").string() + ": languages: is empty");
  return begins;
}

Model open(const std::filesystem::path& folder, const Json& json, const Placement& placement) {
  const HouseConfig config = read_house_config(json);
  const Weights weights(read_weights(folder), {.placement = placement, .what = folder.string()});
  const HouseModel house(weights, weights / "vision" / "stem", config);
  weights.finish();
  const Tokenizer tokenizer = open_sentencepiece(folder / "tokenizer.model");
  if (tokenizer.size() != config.text.vocab)
    throw CheckpointError((folder / "tokenizer.model").string() + ": has " + std::to_string(tokenizer.size()) +
                          " pieces, but config.json says vocab_size " + std::to_string(config.text.vocab));
  const auto begins = begin_tokens(tokenizer, config, folder);
  const std::string first = config.languages.front();

  Model model{.family = "limn", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  const Preprocess preprocess = read_preprocess(folder, "ViTImageProcessor");
  check_picture_size(folder, preprocess, config.vision.image);
  const auto encode = [house](const Tensor& pixels) { return house.vision(pixels); };
  model.pictures = PictureTower{preprocess, encode, nullptr};
  const auto begin = [tokenizer, begins, first](const std::string& prompt, const std::string& language) {
    const auto found = begins.find(language.empty() ? first : language);
    if (found == begins.end()) {
      std::string known;
      for (const auto& [name, id] : begins) known += (known.empty() ? "" : ", ") + name;
      throw InputError("language: got \"" + language + "\", this model writes: " + known);
    }
    std::vector<std::int64_t> ids{found->second};
    for (const std::int64_t id : tokenizer.encode(plain_caption(prompt), {.special = false})) ids.push_back(id);
    return ids;
  };
  model.captioner = Captioner{.preprocess = preprocess,
                              .encode = encode,
                              .decoder = house.text,
                              .tokenizer = tokenizer,
                              .languages = config.languages,
                              .begin = begin,
                              .end = tokenizer.special.end,
                              .spelled = joined_caption,
                              .defaults = {.beams = config.beams,
                                           .max_new_tokens = config.max_new_tokens,
                                           .length_penalty = config.length_penalty},
                              .placement = placement};
  return model;
}

}  // namespace

extern const Family kLimn;
const Family kLimn{"limn", "this repository, docs/model-format.md", matches, open};

}  // namespace limn
