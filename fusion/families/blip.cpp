#include "core/rename.h"
#include "fusion/family_config.h"
#include "fusion/model.h"
#include "vision/vit.h"

namespace limn {

namespace {

// The text tower's layers, below `from` in the file and `to` here.
#define LIMN_BLIP_TEXT(from, to)                                                                             \
  {from "embeddings.word_embeddings.weight", to "words.weight"},                                             \
      {from "embeddings.position_embeddings.weight", to "positions.weight"},                                 \
      {from "embeddings.LayerNorm.{p}", to "embedding_norm.{p}"}, {from "embeddings.position_ids", ""},      \
      {from "encoder.layer.{}.attention.self.query.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 0, 3},      \
      {from "encoder.layer.{}.attention.self.key.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 1, 3},        \
      {from "encoder.layer.{}.attention.self.value.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 2, 3},      \
      {from "encoder.layer.{}.attention.output.dense.{p}", to "blocks.{}.self.out.{p}"},                     \
      {from "encoder.layer.{}.attention.output.LayerNorm.{p}", to "blocks.{}.self_norm.{p}"},                \
      {from "encoder.layer.{}.crossattention.self.query.{p}", to "blocks.{}.cross.q.{p}"},                   \
      {from "encoder.layer.{}.crossattention.self.key.{p}", to "blocks.{}.cross.kv.{p}", Fix::none, 0, 2},   \
      {from "encoder.layer.{}.crossattention.self.value.{p}", to "blocks.{}.cross.kv.{p}", Fix::none, 1, 2}, \
      {from "encoder.layer.{}.crossattention.output.dense.{p}", to "blocks.{}.cross.out.{p}"},               \
      {from "encoder.layer.{}.crossattention.output.LayerNorm.{p}", to "blocks.{}.cross_norm.{p}"},          \
      {from "encoder.layer.{}.intermediate.dense.{p}", to "blocks.{}.up.{p}"},                               \
      {from "encoder.layer.{}.output.dense.{p}", to "blocks.{}.down.{p}"}, {                                 \
    from "encoder.layer.{}.output.LayerNorm.{p}", to "blocks.{}.mlp_norm.{p}"                                \
  }

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
    LIMN_BLIP_TEXT("text_decoder.bert.", "decoder."),
    {"text_decoder.cls.predictions.transform.dense.{p}", "decoder.head.dense.{p}"},
    {"text_decoder.cls.predictions.transform.LayerNorm.{p}", "decoder.head.norm.{p}"},
    {"text_decoder.cls.predictions.decoder.weight", "decoder.words.weight"},  // tied
    {"text_decoder.cls.predictions.decoder.bias", "decoder.head.bias"},
    {"text_decoder.cls.predictions.bias", "decoder.head.bias"},
};
#undef LIMN_BLIP_TEXT

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

TextConfig text_config(ConfigReader read, std::int64_t vision_width) {
  TextConfig c{.vocab = read.integer("vocab_size", 30524),
               .dim = read.integer("hidden_size", 768),
               .heads = read.integer("num_attention_heads", 8),
               .layers = read.integer("num_hidden_layers", 12),
               .mlp = read.integer("intermediate_size", 3072),
               .positions = read.integer("max_position_embeddings", 512),
               .context_dim = vision_width,
               .eps = read.number("layer_norm_eps", 1e-12),
               .causal = true,
               .embedding_norm = true,
               .activation = read_activation(read, "gelu"),
               .head = Head::bert};
  check_heads(read, c.dim, c.heads);
  return c;
}

bool matches(const Json& config) {
  const Json type = config["model_type"], architectures = config["architectures"];
  if (!type.is_text() || type.text() != "blip") return false;
  return !architectures.is_array() || architectures.size() == 0 ||
         architectures[std::size_t{0}].text() == "BlipForConditionalGeneration";
}

Model open(const std::filesystem::path& folder, const Json& json, const Placement& placement) {
  ConfigReader root(json);
  const VitConfig vision = vision_config(root.inside("vision_config"));
  ConfigReader text = root.inside("text_config");
  const TextConfig decoder_config = text_config(text, vision.dim);
  const std::int64_t begin_id = text.integer("bos_token_id", 30522), end_id = text.integer("sep_token_id", 102);
  if (begin_id >= decoder_config.vocab || end_id >= decoder_config.vocab)
    text.fault("bos_token_id", "begin or end token lies outside vocab_size");
  root.finish();

  const Weights weights = renamed(read_weights(folder), kRows, folder.string(), placement);
  const Vit vit(weights / "vision", vision);
  const TextTransformer decoder(weights / "decoder", decoder_config);
  weights.finish();

  Model model{.family = "blip", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  const Preprocess preprocess = read_preprocess(folder, "BlipImageProcessor");
  const auto encode = [vit](const Tensor& pixels) { return vit(pixels); };
  model.pictures = PictureTower{preprocess, encode, [vit](const Tensor& hidden) {
                                  return vit.norm(hidden.select(1, 0));
                                }};  // normed a second time
  const Tokenizer tokenizer = open_tokenizer(folder);
  const auto begin = [tokenizer, begin_id](const std::string& prompt, const std::string& language) {
    if (!language.empty() && language != "en")
      throw InputError("language: got \"" + language + "\", BLIP models write English only");
    if (prompt.empty()) return std::vector<std::int64_t>{begin_id};
    std::vector<std::int64_t> ids = tokenizer.encode(prompt);  // [CLS] words [SEP] -> begin words
    ids.front() = begin_id;
    ids.pop_back();
    return ids;
  };
  model.captioner = Captioner{.preprocess = preprocess,
                              .encode = encode,
                              .decoder = decoder,
                              .tokenizer = tokenizer,
                              .languages = {},
                              .begin = begin,
                              .end = end_id,
                              .defaults = {.beams = 3},
                              .placement = placement};
  return model;
}

}  // namespace

// Source: Li et al. 2022, https://arxiv.org/abs/2201.12086; transformers' modeling_blip.py.
extern const Family kBlip;
const Family kBlip{"blip", "https://arxiv.org/abs/2201.12086", matches, open};

}  // namespace limn
