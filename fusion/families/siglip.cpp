#include "fusion/dual_encoder.h"
#include "fusion/families/clip_rows.h"
#include "fusion/family_config.h"
#include "vision/attention_pool.h"

namespace limn {

namespace {

constexpr Rename kRows[] = {
    {"vision_model.embeddings.patch_embedding.{p}", "vision.patch.{p}"},
    {"vision_model.embeddings.position_embedding.weight", "vision.positions", Fix::unsqueeze0},
    {"vision_model.embeddings.position_ids", ""},
    LIMN_CLIP_LAYERS("vision_model.encoder.", "vision."),
    {"vision_model.post_layernorm.{p}", "vision.norm.{p}"},
    {"vision_model.head.probe", "pool.probe"},
    {"vision_model.head.attention.in_proj_{p}", "pool.attention.q.{p}", Fix::first_third},
    {"vision_model.head.attention.in_proj_{p}", "pool.attention.kv.{p}", Fix::last_two_thirds},
    {"vision_model.head.attention.out_proj.{p}", "pool.attention.out.{p}"},
    {"vision_model.head.layernorm.{p}", "pool.norm.{p}"},
    {"vision_model.head.mlp.fc1.{p}", "pool.up.{p}"},
    {"vision_model.head.mlp.fc2.{p}", "pool.down.{p}"},
    {"text_model.embeddings.token_embedding.weight", "text.words.weight"},
    {"text_model.embeddings.position_embedding.weight", "text.positions.weight"},
    {"text_model.embeddings.position_ids", ""},
    LIMN_CLIP_LAYERS("text_model.encoder.", "text."),
    {"text_model.final_layer_norm.{p}", "text.final_norm.{p}"},
    {"text_model.head.{p}", "text_projection.{p}"},
    {"logit_scale", "logit_scale"},
    {"logit_bias", "logit_bias"},
};

VitConfig vision_config(ConfigReader read) {
  VitConfig c{.image = read.integer("image_size", 224),
              .patch = read.integer("patch_size", 16),
              .dim = read.integer("hidden_size", 768),
              .heads = read.integer("num_attention_heads", 12),
              .layers = read.integer("num_hidden_layers", 12),
              .mlp = read.integer("intermediate_size", 3072),
              .eps = read.number("layer_norm_eps", 1e-6),
              .activation = read_activation(read, "gelu_pytorch_tanh"),
              .class_token = false};
  check_heads(read, c.dim, c.heads);
  check_patches(read, c);
  if (read.integer("num_channels", 3) != 3) read.fault("num_channels", "expected 3");
  if (!read.boolean("vision_use_head", true))
    read.fault("vision_use_head", "got false, expected a model with its head");
  return c;
}

TextConfig text_config(ConfigReader& read) {
  TextConfig c{.vocab = read.integer("vocab_size", 32000),
               .dim = read.integer("hidden_size", 768),
               .heads = read.integer("num_attention_heads", 12),
               .layers = read.integer("num_hidden_layers", 12),
               .mlp = read.integer("intermediate_size", 3072),
               .positions = read.integer("max_position_embeddings", 64),
               .eps = read.number("layer_norm_eps", 1e-6),
               .pre_norm = true,
               .final_norm = true,
               .activation = read_activation(read, "gelu_pytorch_tanh")};
  check_heads(read, c.dim, c.heads);
  return c;
}

bool matches(const Json& config) {
  const Json type = config["model_type"], architectures = config["architectures"];
  if (!type.is_text() || type.text() != "siglip") return false;
  return !architectures.is_array() || architectures.size() == 0 ||
         architectures[std::size_t{0}].text() == "SiglipModel";
}

// The models were trained on texts in lower case. SigLIP's own tokenizer sees to it; SigLIP 2's folders name Gemma's,
// which does not.
Tokenizer lower_case_tokenizer(const std::filesystem::path& folder) {
  const auto file = folder / "tokenizer_config.json";
  const bool lower = !std::filesystem::exists(file) || Json::read(file)["do_lower_case"].boolean(true);
  const Tokenizer tokenizer = open_tokenizer(folder, {.lower = lower});
  if (tokenizer.special.pad < 0)
    throw CheckpointError(file.string() + ": pad_token: is missing, but texts are filled up to one length");
  return tokenizer;
}

Model open(const std::filesystem::path& folder, const Json& json, const Placement& placement) {
  ConfigReader root(json), text = root.inside("text_config");
  const VitConfig vision = vision_config(root.inside("vision_config"));
  const TextConfig words = text_config(text);
  const std::int64_t width = text.integer("projection_size", words.dim);
  if (width != vision.dim)
    text.fault("projection_size",
               "got " + std::to_string(width) + ", expected the pictures' hidden_size " + std::to_string(vision.dim));
  root.finish();

  const Weights weights = renamed(read_weights(folder), kRows, folder.string(), placement);
  const PictureSide pictures{.vit = Vit(weights / "vision", vision),
                             .pooled = AttentionPool(weights / "pool", {.dim = vision.dim,
                                                                        .heads = vision.heads,
                                                                        .mlp = vision.mlp,
                                                                        .eps = vision.eps,
                                                                        .activation = vision.activation})};
  // No mask: what fills a text up is read with it, and the last of it stands for the text.
  const TextTower texts{.transformer = TextTransformer(weights / "text", words),
                        .pool = TextPool::last,
                        .projection = Linear(weights / "text_projection", words.dim, width)};
  const double scale = weights.number("logit_scale", {1}), bias = weights.number("logit_bias", {1});
  weights.finish();

  Model model{.family = "siglip", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  const Preprocess preprocess = read_preprocess(folder, "SiglipImageProcessor");
  check_picture_size(folder, preprocess, vision.image);
  Embedder& embedder = set_towers(model, preprocess, pictures, texts, lower_case_tokenizer(folder),
                                  {.max_length = words.positions, .pad_to = words.positions});
  embedder.scale = std::exp(scale);
  embedder.bias = bias;
  embedder.probability = Probability::sigmoid;
  return model;
}

}  // namespace

// Source: Zhai et al. 2023, https://arxiv.org/abs/2303.15343; transformers' modeling_siglip.py.
extern const Family kSiglip;
const Family kSiglip{"siglip", "https://arxiv.org/abs/2303.15343", matches, open};

}  // namespace limn
