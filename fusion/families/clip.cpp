#include "fusion/dual_encoder.h"
#include "fusion/families/clip_rows.h"
#include "fusion/family_config.h"

namespace limn {

namespace {

constexpr Rename kRows[] = {
    {"vision_model.embeddings.class_embedding", "vision.class_token", Fix::token},
    {"vision_model.embeddings.position_embedding.weight", "vision.positions", Fix::unsqueeze0},
    {"vision_model.embeddings.patch_embedding.{p}", "vision.patch.{p}"},
    {"vision_model.embeddings.position_ids", ""},
    {"vision_model.pre_layrnorm.{p}", "vision.norm_before.{p}"},
    LIMN_CLIP_LAYERS("vision_model.encoder.", "vision."),
    {"vision_model.post_layernorm.{p}", "vision.norm.{p}"},
    {"visual_projection.{p}", "image_projection.{p}"},
    {"text_model.embeddings.token_embedding.weight", "text.words.weight"},
    {"text_model.embeddings.position_embedding.weight", "text.positions.weight"},
    {"text_model.embeddings.position_ids", ""},
    LIMN_CLIP_LAYERS("text_model.encoder.", "text."),
    {"text_model.final_layer_norm.{p}", "text.final_norm.{p}"},
    {"text_projection.{p}", "text_projection.{p}"},
    {"logit_scale", "logit_scale"},
};

VitConfig vision_config(ConfigReader read) {
  VitConfig c{.image = read.integer("image_size", 224),
              .patch = read.integer("patch_size", 32),
              .dim = read.integer("hidden_size", 768),
              .heads = read.integer("num_attention_heads", 12),
              .layers = read.integer("num_hidden_layers", 12),
              .mlp = read.integer("intermediate_size", 3072),
              .eps = read.number("layer_norm_eps", 1e-5),
              .activation = read_activation(read, "quick_gelu"),
              .patch_bias = false,
              .norm_before = true};
  check_heads(read, c.dim, c.heads);
  check_patches(read, c);
  if (read.integer("num_channels", 3) != 3) read.fault("num_channels", "expected 3");
  return c;
}

TextConfig text_config(ConfigReader& read) {
  TextConfig c{.vocab = read.integer("vocab_size", 49408),
               .dim = read.integer("hidden_size", 512),
               .heads = read.integer("num_attention_heads", 8),
               .layers = read.integer("num_hidden_layers", 12),
               .mlp = read.integer("intermediate_size", 2048),
               .positions = read.integer("max_position_embeddings", 77),
               .eps = read.number("layer_norm_eps", 1e-5),
               .causal = true,
               .pre_norm = true,
               .final_norm = true,
               .activation = read_activation(read, "quick_gelu")};
  check_heads(read, c.dim, c.heads);
  return c;
}

// A tower's configuration; the older key, where it is given, overrides the newer one altogether.
ConfigReader tower(ConfigReader& root, const std::string& name) {
  const std::string older = name + "_config_dict";
  return root.inside(root.json()[older] ? older : name + "_config");
}

bool matches(const Json& config) {
  const Json type = config["model_type"], architectures = config["architectures"];
  if (!type.is_text() || type.text() != "clip") return false;
  return !architectures.is_array() || architectures.size() == 0 || architectures[std::size_t{0}].text() == "CLIPModel";
}

Model open(const std::filesystem::path& folder, const Json& json, const Placement& placement) {
  ConfigReader root(json);
  ConfigReader text = tower(root, "text");
  const VitConfig vision = vision_config(tower(root, "vision"));
  const TextConfig words = text_config(text);
  const std::int64_t end = text.integer("eos_token_id", 49407);
  const std::int64_t width = root.integer("projection_dim", 512);
  root.finish();

  const Weights weights = renamed(read_weights(folder), kRows, folder.string(), placement);
  const PictureSide pictures{.vit = Vit(weights / "vision", vision),
                             .pooled = [](const Tensor& tokens) { return tokens.select(1, 0); },
                             .projection = Linear(weights / "image_projection", vision.dim, width, false)};
  // Folders from before the configuration knew its end mark say 2; there the largest id is the end mark.
  const TextTower texts{.transformer = TextTransformer(weights / "text", words),
                        .pool = end == 2 ? TextPool::argmax : TextPool::end_token,
                        .end = end,
                        .projection = Linear(weights / "text_projection", words.dim, width, false)};
  const double scale = weights.number("logit_scale", {});
  weights.finish();

  Model model{.family = "clip", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  const Preprocess preprocess = read_preprocess(folder, "CLIPImageProcessor");
  check_picture_size(folder, preprocess, vision.image);
  const Tokenizer tokenizer = open_tokenizer(folder);
  set_towers(model, preprocess, pictures, texts, tokenizer, {.max_length = words.positions}).scale = std::exp(scale);
  return model;
}

}  // namespace

// Source: Radford et al. 2021, https://arxiv.org/abs/2103.00020; transformers' modeling_clip.py.
extern const Family kClip;
const Family kClip{"clip", "https://arxiv.org/abs/2103.00020", matches, open};

}  // namespace limn
