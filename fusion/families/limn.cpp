#include <algorithm>

#include "core/ops.h"
#include "fusion/family_config.h"
#include "fusion/house.h"
#include "fusion/model.h"
#include "fusion/normalise.h"
#include "text/batch.h"
#include "text/unicode.h"

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

// Texts as the heads read them: begin token of the text's language, words, end token. A text with an ideograph is
// Chinese, any other is in the model's first language.
struct HouseTexts {
  HouseModel house;
  Tokenizer tokenizer;
  std::map<std::string, std::int64_t> begins;

  std::vector<std::int64_t> ids(const std::string& text) const {
    const auto chinese = begins.find("zh");
    const bool ideographs = chinese != begins.end() && std::ranges::any_of(utf32(valid_utf8(text)), is_ideograph);
    std::vector<std::int64_t> ids{ideographs ? chinese->second : begins.at(house.config.languages.front())};
    for (const std::int64_t id : tokenizer.encode(plain_caption(text), {.special = false})) ids.push_back(id);
    const auto room = static_cast<std::size_t>(house.config.text.positions - 1);
    if (ids.size() > room) ids.resize(room);
    ids.push_back(tokenizer.special.end);
    return ids;
  }

  std::vector<std::vector<std::int64_t>> rows(const std::vector<std::string>& texts) const {
    std::vector<std::vector<std::int64_t>> rows;
    for (const std::string& text : texts) rows.push_back(ids(text));
    return rows;
  }

  // [T E]
  Tensor embedding(const std::vector<std::vector<std::int64_t>>& rows) const {
    const Tensor& words = house.text.words.weight;
    if (rows.empty()) return at::empty({0, house.config.contrast}, words.options());
    return in_batches(rows, 0, words.device(), [&](const TextBatch& batch) {
      TextRows chosen;
      for (const std::size_t index : batch.indices) chosen.push_back({rows[index]});
      const PackedTexts packed = pack(std::move(chosen), house.config.text.positions, LastToken::read, words.device());
      return house.heads->texts(house.words(packed), packed);
    });
  }

  // What matching keeps of pictures, in one tensor: [P 1 N*D+F].
  Tensor kept(const Tensor& pixels) const {
    const HybridSight sight = house.vision.see(house.vision.stem.grid(pixels));
    return at::cat({sight.tokens.flatten(1), sight.stem}, 1).unsqueeze(1);
  }
  HybridSight sight(const Tensor& kept) const {
    const std::int64_t dim = house.config.vision.dim, rest = house.config.vision.stem.head;
    const std::int64_t tokens = kept.size(2) - rest;
    return {kept.narrow(2, 0, tokens).reshape({kept.size(0), tokens / dim, dim}),
            kept.narrow(2, tokens, rest).squeeze(1)};
  }

  // T texts -> [P T 2]. Some 64 pairs are read at a time.
  Tensor match(const Tensor& kept, const std::vector<std::string>& texts) const {
    const HybridSight seen_as = sight(kept);
    const Tensor& tokens = seen_as.tokens;  // [P N D]
    const auto all = rows(texts);
    const auto P = tokens.size(0), T = static_cast<std::int64_t>(all.size()), most = std::int64_t{64};
    const Tensor likeness =
        at::matmul(normalised(house.heads->pictures(seen_as)), normalised(embedding(all)).t()) * house.heads->scale();
    const Tensor nothing = house.no_picture();
    std::vector<Tensor> columns{at::empty({P, 0, 2}, likeness.options())};
    for (std::int64_t t = 0; t < T; t += most) {
      const std::int64_t count = std::min(most, T - t);
      const Tensor blind = house.log_likelihood(nothing, packed(all, t, count, 1));  // [count]
      std::vector<Tensor> seen;
      for (std::int64_t p = 0, step = most / count; p < P; p += step) {
        const std::int64_t pictures = std::min(step, P - p);
        seen.push_back(house.log_likelihood(tokens.narrow(0, p, pictures), packed(all, t, count, pictures))
                           .view({pictures, count}));
      }
      columns.push_back(house.heads->match(likeness.narrow(1, t, count), at::cat(seen), blind.expand({P, count})));
    }
    return at::cat(columns, 1);
  }

  // Some of the texts, a row each, `times` over.
  PackedTexts packed(const std::vector<std::vector<std::int64_t>>& all, std::int64_t first, std::int64_t count,
                     std::int64_t times) const {
    TextRows chosen;
    for (std::int64_t i = 0; i < times * count; ++i)
      chosen.push_back({all[static_cast<std::size_t>(first + i % count)]});
    return pack(std::move(chosen), house.config.text.positions, LastToken::target, house.text.words.weight.device());
  }
};

void set_heads(Model& model, const HouseTexts& texts, const Preprocess& preprocess) {
  const HouseModel& house = texts.house;
  const auto encode = [texts](const Tensor& pixels) { return texts.kept(pixels); };
  const auto embedding = [texts](const Tensor& kept) { return texts.house.heads->pictures(texts.sight(kept)); };
  const auto ids = [texts](const std::string& text) { return texts.ids(text); };
  model.embedder =
      Embedder{.preprocess = preprocess,
               .image = [encode, embedding](const Tensor& pixels) { return embedding(encode(pixels)); },
               .text = [texts](const std::vector<std::string>& lines) { return texts.embedding(texts.rows(lines)); },
               .ids = ids,
               .text_of_ids = [texts](const auto& rows) { return texts.embedding(rows); },
               .tokenizer = texts.tokenizer,
               .longest = house.config.text.positions - 2,  // begin and end are not the tokenizer's
               .width = house.config.contrast,
               .scale = house.heads->scale().item<double>(),
               .placement = model.placement};
  model.matcher =
      Matcher{.preprocess = preprocess,
              .encode = encode,
              .logits = [texts](const Tensor& tokens,
                                const std::vector<std::string>& lines) { return texts.match(tokens, lines); },
              .ids = ids,
              .embedding = embedding,
              .placement = model.placement};
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
  if (house.heads && house.config.match_mlp > 0) set_heads(model, {house, tokenizer, begins}, preprocess);
  return model;
}

}  // namespace

extern const Family kLimn;
const Family kLimn{"limn", "this repository, docs/model-format.md", matches, open};

}  // namespace limn
