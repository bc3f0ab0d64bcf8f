#include <algorithm>

#include "core/ops.h"
#include "fusion/families/bert_rows.h"
#include "fusion/family_config.h"
#include "fusion/model.h"
#include "text/batch.h"
#include "text/unicode.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

// sentence-transformers stores the encoder without `bert.`; heads for pre-training are not an encoder's.
constexpr Rename kRows[] = {
    LIMN_BERT_ROWS("", "text."),
    LIMN_BERT_ROWS("bert.", "text."),
    {"pooler.dense.{p}", ""},
    {"bert.pooler.dense.{p}", ""},
    {"cls.predictions.transform.dense.{p}", ""},
    {"cls.predictions.transform.LayerNorm.{n}", ""},
    {"cls.predictions.decoder.{p}", ""},
    {"cls.predictions.bias", ""},
    {"cls.seq_relationship.{p}", ""},
};

TextConfig text_config(ConfigReader& read) {
  TextConfig c{.vocab = read.integer("vocab_size", 30522),
               .dim = read.integer("hidden_size", 768),
               .heads = read.integer("num_attention_heads", 12),
               .layers = read.integer("num_hidden_layers", 12),
               .mlp = read.integer("intermediate_size", 3072),
               .positions = read.integer("max_position_embeddings", 512),
               .token_types = read.integer("type_vocab_size", 2),
               .eps = read.number("layer_norm_eps", 1e-12),
               .embedding_norm = true,
               .activation = read_activation(read, "gelu")};
  check_heads(read, c.dim, c.heads);
  read.choice("position_embedding_type", {"absolute"}, "absolute");
  if (read.boolean("is_decoder", false)) read.fault("is_decoder", "got true, expected an encoder");
  return c;
}

// How the tokens of a text become one row: the steps of a sentence-transformers folder behind the transformer.
struct Pooling {
  bool cls = false, max = false, mean = true, mean_sqrt = false;  // several: side by side, in this order
  std::int64_t parts() const { return cls + max + mean + mean_sqrt; }

  // hidden [B T D], visible [B T 1] -> [B parts x D]
  Tensor operator()(const Tensor& hidden, const Tensor& visible) const {
    const Tensor sum = (hidden * visible).sum(1), count = visible.sum(1);  // [B D], [B 1]
    std::vector<Tensor> rows;
    if (cls) rows.push_back(hidden.select(1, 0));
    if (max) rows.push_back(hidden.masked_fill(visible == 0, -1e9).amax(1));
    if (mean) rows.push_back(sum / count);
    if (mean_sqrt) rows.push_back(sum / count.sqrt());
    return at::cat(rows, -1);
  }
};

struct Dense {
  Linear linear;
  bool tanh = false;
  Tensor operator()(const Tensor& x) const { return tanh ? at::tanh(linear(x)) : linear(x); }
};

Pooling read_pooling(const Json& json, std::int64_t dim) {
  ConfigReader read(json);
  if (read.integer("word_embedding_dimension", dim) != dim)
    read.fault("word_embedding_dimension", "got " + json["word_embedding_dimension"].dump() +
                                               ", expected the encoder's hidden_size " + std::to_string(dim));
  Pooling pooling{.cls = read.boolean("pooling_mode_cls_token", false),
                  .max = read.boolean("pooling_mode_max_tokens", false),
                  .mean = read.boolean("pooling_mode_mean_tokens", !json["pooling_mode"]),
                  .mean_sqrt = read.boolean("pooling_mode_mean_sqrt_len_tokens", false)};
  for (const char* key : {"pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"})
    if (read.boolean(key, false)) read.fault(key, "got true, expected cls, max, mean or mean_sqrt_len");
  if (json["pooling_mode"]) {  // newer files name it
    const std::size_t mode = read.choice("pooling_mode", {"cls", "max", "mean", "mean_sqrt_len_tokens"}, "mean");
    pooling = {.cls = mode == 0, .max = mode == 1, .mean = mode == 2, .mean_sqrt = mode == 3};
  }
  if (pooling.parts() == 0) read.fault("pooling_mode_mean_tokens", "no pooling mode is true");
  read.finish();
  return pooling;
}

Dense read_dense(const fs::path& folder, std::int64_t in, const Placement& placement, std::int64_t& parameters) {
  ConfigReader read(Json::read(folder / "config.json"));
  const std::string name = read.text("activation_function", "torch.nn.modules.activation.Tanh");
  const bool tanh = name.ends_with(".Tanh");
  if (!tanh && !name.ends_with(".Identity"))
    read.fault("activation_function", "got \"" + name + "\", expected Tanh or Identity");
  const std::int64_t features = read.integer("in_features");
  if (features != in) read.fault("in_features", "got " + std::to_string(features) + ", expected " + std::to_string(in));
  const std::int64_t out = read.integer("out_features");
  const bool bias = read.boolean("bias", true);
  read.finish();
  const Weights weights(read_weights(folder), {.placement = placement, .what = folder.string()});
  const Dense dense{Linear(weights / "linear", in, out, bias), tanh};
  weights.finish();
  parameters += weights.count();
  return dense;
}

struct SentenceEncoder {
  TextTransformer transformer;
  Pooling pooling = {};
  std::vector<Dense> dense = {};
  std::int64_t fill = 0;

  Tensor operator()(const std::vector<std::vector<std::int64_t>>& rows) const {
    const Tensor embedding = in_batches(rows, fill, transformer.words.weight.device(), [&](const TextBatch& batch) {
      const Tensor hidden = transformer(batch.ids, {.mask = batch.mask()});
      const Tensor visible =
          at::arange(hidden.size(1), batch.lengths.options()).lt(batch.lengths.unsqueeze(1));  // [B T]
      Tensor row = pooling(hidden, visible.unsqueeze(-1).to(hidden.scalar_type()));
      for (const Dense& layer : dense) row = layer(row);
      return row;
    });
    return rows.empty() ? at::empty({0, width()}, transformer.words.weight.options()) : embedding;
  }

  std::int64_t width() const {
    return dense.empty() ? pooling.parts() * transformer.config.dim : dense.back().linear.width;
  }
};

// The steps of modules.json behind the transformer. A last Normalize is every user's own: lengths are told apart here.
void read_modules(const fs::path& folder, const Placement& placement, SentenceEncoder& encoder,
                  std::int64_t& parameters) {
  if (!fs::exists(folder / "modules.json")) return;  // the library's own choice is then the mean
  for (const Json& step : Json::read(folder / "modules.json").items()) {
    const std::string type = step.at("type").text();
    const fs::path path = folder / step.at("path").text();
    if (type.ends_with(".Pooling"))
      encoder.pooling = read_pooling(Json::read(path / "config.json"), encoder.transformer.config.dim);
    else if (type.ends_with(".Dense"))
      encoder.dense.push_back(read_dense(path, encoder.width(), placement, parameters));
    else if (!type.ends_with(".Transformer") && !type.ends_with(".Normalize"))
      step["type"].fail("got \"" + type + "\", expected Transformer, Pooling, Dense or Normalize");
  }
}

// How much of a text is read, special tokens included, and whether it is lowered before its tokenizer sees it.
struct Reading {
  std::int64_t longest = 0;
  bool lower = false;
};

Reading read_reading(const fs::path& folder, std::int64_t positions) {
  Json own = Json::object(), tokenizer = Json::object();
  if (fs::exists(folder / "sentence_bert_config.json")) own = Json::read(folder / "sentence_bert_config.json");
  if (fs::exists(folder / "tokenizer_config.json")) tokenizer = Json::read(folder / "tokenizer_config.json");
  ConfigReader read(own);
  Reading reading{positions, read.boolean("do_lower_case", false)};
  // "model_max_length" may be 1e30, for "no limit".
  const Json most = tokenizer["model_max_length"];
  if (most.is_number() && most.number() < static_cast<double>(positions)) reading.longest = most.integer();
  reading.longest = read.integer("max_seq_length", reading.longest);
  if (reading.longest < 2 || reading.longest > positions)
    read.fault("max_seq_length", "got " + std::to_string(reading.longest) + ", expected 2 to max_position_embeddings " +
                                     std::to_string(positions));
  read.finish();
  return reading;
}

bool matches(const Json& config) {
  const Json type = config["model_type"], architectures = config["architectures"];
  if (!type.is_text() || type.text() != "bert") return false;
  const std::string name = architectures.size() > 0 ? architectures[std::size_t{0}].text() : "";
  return name.empty() || name == "BertModel" || name == "BertForMaskedLM" || name == "BertForPreTraining";
}

Model open(const fs::path& folder, const Json& json, const Placement& placement) {
  ConfigReader root(json);
  const TextConfig config = text_config(root);
  root.finish();
  const Weights weights = renamed(read_weights(folder), kRows, folder.string(), placement);
  SentenceEncoder encoder{.transformer = TextTransformer(weights / "text", config)};
  weights.finish();

  Model model{.family = "bert", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  read_modules(folder, placement, encoder, model.parameters);
  const Tokenizer tokenizer = open_tokenizer(folder);
  encoder.fill = std::max<std::int64_t>(tokenizer.special.pad, 0);
  const Reading reading = read_reading(folder, config.positions);
  const auto ids = [tokenizer, reading](const std::string& text) {
    return tokenizer.encode(reading.lower ? python_lower(valid_utf8(text)) : text, {.max_length = reading.longest});
  };
  model.embedder = Embedder{.text =
                                [encoder, ids](const std::vector<std::string>& texts) {
                                  std::vector<std::vector<std::int64_t>> rows;
                                  for (const std::string& text : texts) rows.push_back(ids(text));
                                  return encoder(rows);
                                },
                            .ids = ids,
                            .text_of_ids = encoder,
                            .tokenizer = tokenizer,
                            .longest = reading.longest,
                            .width = encoder.width(),
                            .placement = placement};
  return model;
}

}  // namespace

// Source: Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084; Devlin et al. 2019; transformers'
// modeling_bert.py, sentence-transformers' models/Pooling.py.
extern const Family kBert;
const Family kBert{"bert", "https://arxiv.org/abs/1908.10084", matches, open};

}  // namespace limn
