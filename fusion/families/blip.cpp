#include <algorithm>

#include "core/ops.h"
#include "fusion/families/bert_rows.h"
#include "fusion/family_config.h"
#include "fusion/model.h"
#include "text/batch.h"
#include "vision/vit.h"

namespace limn {

namespace {

constexpr Rename kRows[] = {
    {"vision_model.embeddings.class_embedding", "vision.class_token"},
    {"vision_model.embeddings.position_embedding", "vision.positions"},
    {"vision_model.embeddings.patch_embedding.{p}", "vision.patch.{p}"},
    {"vision_model.encoder.layers.{}.self_attn.qkv.{p}", "vision.blocks.{}.self.qkv.{p}"},
    {"vision_model.encoder.layers.{}.self_attn.projection.{p}", "vision.blocks.{}.self.out.{p}"},
    {"vision_model.encoder.layers.{}.layer_norm1.{p}", "vision.blocks.{}.self_norm.{p}"},
    {"vision_model.encoder.layers.{}.layer_norm2.{p}", "vision.blocks.{}.mlp_norm.{p}"},
    {"vision_model.encoder.layers.{}.mlp.fc1.{p}", "vision.blocks.{}.up.{p}"},
    {"vision_model.encoder.layers.{}.mlp.fc2.{p}", "vision.blocks.{}.down.{p}"},
    {"vision_model.post_layernorm.{p}", "vision.norm.{p}"},
    LIMN_BERT_ROWS("text_encoder.", "encoder."),
    {"vision_proj.{p}", "image_projection.{p}"},
    {"text_proj.{p}", "text_projection.{p}"},
    {"itm_head.{p}", "match.{p}"},
    LIMN_BERT_ROWS("text_decoder.bert.", "decoder."),
    {"text_decoder.cls.predictions.transform.dense.{p}", "decoder.head.dense.{p}"},
    {"text_decoder.cls.predictions.transform.LayerNorm.{p}", "decoder.head.norm.{p}"},
    {"text_decoder.cls.predictions.decoder.weight", "decoder.words.weight"},  // tied
    {"text_decoder.cls.predictions.decoder.bias", "decoder.head.bias"},
    {"text_decoder.cls.predictions.bias", "decoder.head.bias"},
};

VitConfig vision_config(ConfigReader read) {
  VitConfig c{.image = read.integer("image_size", 384),
              .patch = read.integer("patch_size", 16),
              .dim = read.integer("hidden_size", 768),
              .heads = read.integer("num_attention_heads", 12),
              .layers = read.integer("num_hidden_layers", 12),
              .mlp = read.integer("intermediate_size", 3072),
              .eps = read.number("layer_norm_eps", 1e-5),
              .activation = read_activation(read, "gelu")};
  check_heads(read, c.dim, c.heads);
  check_patches(read, c);
  return c;
}

// The text tower: as an encoder it sees all of a text; as a decoder it is causal and has a head.
TextConfig text_config(ConfigReader& read, std::int64_t context_dim, bool decoder) {
  TextConfig c{.vocab = read.integer("vocab_size", 30524),
               .dim = read.integer("hidden_size", 768),
               .heads = read.integer("num_attention_heads", 8),
               .layers = read.integer("num_hidden_layers", 12),
               .mlp = read.integer("intermediate_size", 3072),
               .positions = read.integer("max_position_embeddings", 512),
               .context_dim = context_dim,
               .eps = read.number("layer_norm_eps", 1e-12),
               .causal = decoder,
               .embedding_norm = true,
               .activation = read_activation(read, "gelu"),
               .head = decoder ? Head::bert : Head::none};
  check_heads(read, c.dim, c.heads);
  return c;
}

enum class Kind { captioner, matcher, answerer };

std::optional<Kind> kind_of(const Json& config) {
  const Json type = config["model_type"], architectures = config["architectures"];
  if (!type.is_text() || type.text() != "blip") return std::nullopt;
  const std::string name = architectures.size() > 0 ? architectures[std::size_t{0}].text() : "";
  if (name.empty() || name == "BlipForConditionalGeneration") return Kind::captioner;
  if (name == "BlipForImageTextRetrieval") return Kind::matcher;
  if (name == "BlipForQuestionAnswering") return Kind::answerer;
  return std::nullopt;
}

bool matches(const Json& config) { return kind_of(config).has_value(); }

struct Ends {
  std::int64_t begin = 0, end = 0;
};

Ends read_ends(ConfigReader& text, std::int64_t vocabulary) {
  const Ends ends{text.integer("bos_token_id", 30522), text.integer("sep_token_id", 102)};
  if (ends.begin >= vocabulary || ends.end >= vocabulary)
    text.fault("bos_token_id", "begin or end token lies outside vocab_size");
  return ends;
}

Captioner speaker(const Model& model, const Tokenizer& tokenizer, const TextTransformer& decoder, const Ends& ends) {
  const auto begin = [tokenizer, ends](const std::string& prompt, const std::string& language) {
    if (!language.empty() && language != "en")
      throw InputError("language: got \"" + language + "\", BLIP models write English only");
    if (prompt.empty()) return std::vector<std::int64_t>{ends.begin};
    std::vector<std::int64_t> ids = tokenizer.encode(prompt);  // [CLS] words [SEP] -> begin words
    ids.front() = ends.begin;
    ids.pop_back();
    return ids;
  };
  return Captioner{.preprocess = model.pictures->preprocess,
                   .encode = model.pictures->hidden,
                   .decoder = decoder,
                   .tokenizer = tokenizer,
                   .languages = {},
                   .begin = begin,
                   .end = ends.end,
                   .defaults = {.beams = 3},
                   .placement = model.placement};
}

// Texts as [CLS] words [SEP] through the encoder, alone or against every picture; the first row stands for a text.
struct TextReader {
  TextTransformer encoder;
  Tokenizer tokenizer;

  std::vector<std::int64_t> ids(const std::string& text) const {
    return tokenizer.encode(text, {.max_length = encoder.config.positions});
  }

  /// @param tokens  [P S C], or undefined: no pictures, P = 1. @return [T P D]
  Tensor first_rows(const std::vector<std::vector<std::int64_t>>& rows, const Tensor& tokens) const {
    const std::int64_t P = tokens.defined() ? tokens.size(0) : 1;
    const auto tower = [&](const TextBatch& batch) {
      const Tensor mask = batch.mask();
      const Tensor hidden = encoder(batch.ids.repeat({P, 1}),
                                    {.context = tokens, .mask = mask.defined() ? mask.repeat({P, 1, 1, 1}) : mask});
      return hidden.select(1, 0).reshape({P, -1, encoder.config.dim}).transpose(0, 1);  // [B P D]
    };
    return in_batches(rows, std::max<std::int64_t>(tokenizer.special.pad, 0), encoder.words.weight.device(), tower, P);
  }

  std::vector<std::vector<std::int64_t>> all_ids(const std::vector<std::string>& texts) const {
    std::vector<std::vector<std::int64_t>> rows;
    for (const std::string& text : texts) rows.push_back(ids(text));
    return rows;
  }
};

// The heads of image-text retrieval: a cosine, and a decision by the encoder that sees both.
void add_matcher(Model& model, const Weights& weights, const TextReader& reader, std::int64_t vision_dim,
                 std::int64_t width) {
  const Linear image(weights / "image_projection", vision_dim, width),
      head(weights / "match", reader.encoder.config.dim, 2),
      text(weights / "text_projection", reader.encoder.config.dim, width);
  const auto encode = model.pictures->hidden;
  const auto embedding = [image](const Tensor& tokens) { return image(tokens.select(1, 0)); };
  const auto ids = [reader](const std::string& line) { return reader.ids(line); };
  const auto text_of_ids = [reader, text](const std::vector<std::vector<std::int64_t>>& rows) {
    if (rows.empty()) return at::empty({0, text.width}, reader.encoder.words.weight.options());
    return text(reader.first_rows(rows, {}).squeeze(1));
  };
  // The training's learned temperature is not in the files; 0.07 is where it began.
  model.embedder =
      Embedder{.preprocess = model.pictures->preprocess,
               .image = [encode, embedding](const Tensor& pixels) { return embedding(encode(pixels)); },
               .text = [reader, text_of_ids](
                           const std::vector<std::string>& texts) { return text_of_ids(reader.all_ids(texts)); },
               .ids = ids,
               .text_of_ids = text_of_ids,
               .tokenizer = reader.tokenizer,
               .longest = reader.encoder.config.positions,
               .width = width,
               .temperature = 0.07,
               .placement = model.placement};
  model.matcher = Matcher{.preprocess = model.pictures->preprocess,
                          .encode = encode,
                          .logits =
                              [reader, head](const Tensor& tokens, const std::vector<std::string>& texts) {
                                if (texts.empty()) return at::empty({tokens.size(0), 0, 2}, tokens.options());
                                return head(reader.first_rows(reader.all_ids(texts), tokens)).transpose(0, 1);
                              },
                          .ids = ids,
                          .embedding = embedding,
                          .placement = model.placement};
}

void add_answerer(Model& model, const TextReader& reader, const Captioner& speaker) {
  model.answerer = Answerer{.read =
                                [reader](const Tensor& tokens, const std::string& question) {
                                  const auto row = reader.ids(question);
                                  const Tensor ids = at::tensor(row, at::kLong).to(tokens.device()).unsqueeze(0);
                                  return reader.encoder(ids.repeat({tokens.size(0), 1}), {.context = tokens});
                                },
                            .ids = [reader](const std::string& question) { return reader.ids(question); },
                            .speaker = speaker};
  model.answerer->speaker.defaults.max_new_tokens = 10;  // as the authors ask
}

Model open(const std::filesystem::path& folder, const Json& json, const Placement& placement) {
  const Kind kind = *kind_of(json);
  ConfigReader root(json), text = root.inside("text_config");
  const VitConfig vision = vision_config(root.inside("vision_config"));
  const bool encodes = kind != Kind::captioner, speaks = kind != Kind::matcher;
  const TextConfig encoder = text_config(text, vision.dim, false), decoder = text_config(text, vision.dim, true);
  const Ends ends = speaks ? read_ends(text, decoder.vocab) : Ends{};
  const std::int64_t width = kind == Kind::matcher ? root.integer("image_text_hidden_size", 256) : 0;
  // The answering decoder attends to the question's rows by a projection from the pictures' width.
  if (kind == Kind::answerer && encoder.dim != vision.dim)
    text.fault("hidden_size", "got " + std::to_string(encoder.dim) + ", expected the pictures' hidden_size " +
                                  std::to_string(vision.dim));
  root.finish();

  const Weights weights = renamed(read_weights(folder), kRows, folder.string(), placement);
  const Vit vit(weights / "vision", vision);
  const Preprocess preprocess = read_preprocess(folder, "BlipImageProcessor");
  const Tokenizer tokenizer = open_tokenizer(folder);
  Model model{.family = "blip", .folder = folder, .placement = placement};
  model.pictures = PictureTower{preprocess, [vit](const Tensor& pixels) { return vit(pixels); },
                                [vit](const Tensor& hidden) {
                                  return vit.norm(hidden.select(1, 0));  // normed a second time
                                },
                                [vit](const Tensor& pixels) { return vit.tokens(pixels); }};
  std::optional<TextReader> reader;
  std::optional<Captioner> spoken;
  if (encodes) reader = TextReader{TextTransformer(weights / "encoder", encoder), tokenizer};
  if (speaks) spoken = speaker(model, tokenizer, TextTransformer(weights / "decoder", decoder), ends);
  if (kind == Kind::matcher) add_matcher(model, weights, *reader, vision.dim, width);
  weights.finish();
  check_picture_size(folder, preprocess, vision.image);
  model.parameters = weights.count();
  if (kind == Kind::captioner) model.captioner = *spoken;
  if (kind == Kind::answerer) add_answerer(model, *reader, *spoken);
  return model;
}

}  // namespace

// Source: Li et al. 2022, https://arxiv.org/abs/2201.12086; transformers' modeling_blip.py.
extern const Family kBlip;
const Family kBlip{"blip", "https://arxiv.org/abs/2201.12086", matches, open};

}  // namespace limn
