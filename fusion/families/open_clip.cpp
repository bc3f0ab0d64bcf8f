#include <algorithm>

#include "core/rename.h"
#include "fusion/dual_encoder.h"
#include "fusion/family_config.h"

namespace limn {

namespace {

// The layers of either tower, below `from` in the file and `to` here.
#define LIMN_OPEN_CLIP_LAYERS(from, to)                                                 \
  {from "transformer.resblocks.{}.attn.in_proj_{p}", to "blocks.{}.self.qkv.{p}"},      \
      {from "transformer.resblocks.{}.attn.out_proj.{p}", to "blocks.{}.self.out.{p}"}, \
      {from "transformer.resblocks.{}.ln_1.{p}", to "blocks.{}.self_norm.{p}"},         \
      {from "transformer.resblocks.{}.ln_2.{p}", to "blocks.{}.mlp_norm.{p}"},          \
      {from "transformer.resblocks.{}.mlp.c_fc.{p}", to "blocks.{}.up.{p}"}, {          \
    from "transformer.resblocks.{}.mlp.c_proj.{p}", to "blocks.{}.down.{p}"             \
  }

// The text tower, which a "custom_text" model has in a module of its own.
#define LIMN_OPEN_CLIP_TEXT(from)                                                                               \
  {from "token_embedding.weight", "text.words.weight"}, {from "positional_embedding", "text.positions.weight"}, \
      LIMN_OPEN_CLIP_LAYERS(from, "text."), {from "ln_final.{p}", "text.final_norm.{p}"},                       \
      {from "text_projection", "text_projection.weight", Fix::transpose}, {                                     \
    from "text_projection.{p}", "text_projection.{p}"                                                           \
  }

constexpr Rename kRows[] = {
    {"visual.class_embedding", "vision.class_token", Fix::token},
    {"visual.positional_embedding", "vision.positions", Fix::unsqueeze0},
    {"visual.conv1.weight", "vision.patch.weight"},
    {"visual.ln_pre.{p}", "vision.norm_before.{p}"},
    LIMN_OPEN_CLIP_LAYERS("visual.", "vision."),
    {"visual.ln_post.{p}", "vision.norm.{p}"},
    {"visual.proj", "image_projection.weight", Fix::transpose},
    LIMN_OPEN_CLIP_TEXT(""),
    LIMN_OPEN_CLIP_TEXT("text."),
    {"logit_scale", "logit_scale"},
    {"logit_bias", "logit_bias"},
};
#undef LIMN_OPEN_CLIP_TEXT
#undef LIMN_OPEN_CLIP_LAYERS

// Keys that change nothing here: training's, or details of towers of other kinds.
bool changes_nothing(const std::string& key) {
  for (const char* known :
       {"patch_dropout", "output_tokens", "pos_embed_type", "attn_pooler_queries", "attn_pooler_heads", "pad_id",
        "hf_model_pretrained", "hf_proj_type", "hf_pooler_type", "pooler_type", "proj"})
    if (key == known) return true;
  return key.starts_with("timm_") && key != "timm_model_name";
}

// Every other key would change the network: layer scale, attentional pooling, towers of timm or transformers, ...
void refuse_others(ConfigReader& read, std::initializer_list<const char*> known) {
  if (!read.json().is_object()) return;
  for (const auto& [key, value] : read.json().members()) {
    const bool unset = value.is_null() || (value.is_boolean() && !value.boolean());
    if (unset || changes_nothing(key) || std::find(known.begin(), known.end(), key) != known.end()) continue;
    read.fault(key, "got " + value.dump() + ", which is not known here; towers are plain transformers");
  }
}

std::int64_t side(ConfigReader& read, const char* key, std::int64_t otherwise) {
  const Json value = read.json()[key];
  if (!value.is_array()) return read.integer(key, otherwise);
  const bool square = value.size() == 2 && value[std::size_t{0}].dump() == value[std::size_t{1}].dump();
  if (square && value[std::size_t{0}].is_integer()) return value[std::size_t{0}].integer();
  read.fault(key, "got " + value.dump() + ", expected one number: squares only");
  return otherwise;
}

double eps(ConfigReader& read) { return read.inside("norm_kwargs").number("eps", 1e-5); }

std::int64_t mlp(ConfigReader& read, std::int64_t width) {
  return static_cast<std::int64_t>(static_cast<double>(width) * read.number("mlp_ratio", 4.0));
}

VitConfig vision_config(ConfigReader& read, Activation activation) {
  VitConfig c{.image = side(read, "image_size", 224),
              .patch = side(read, "patch_size", 16),
              .dim = read.integer("width", 768),
              .layers = read.json()["layers"].is_array() ? 0 : read.integer("layers", 12),
              .eps = eps(read),
              .activation = activation,
              .patch_bias = false,
              .norm_before = !read.boolean("no_ln_pre", false)};
  c.mlp = mlp(read, c.dim);
  const std::int64_t head = read.integer("head_width", 64);
  c.heads = head > 0 ? c.dim / head : 0;
  if (read.json()["layers"].is_array()) read.fault("layers", "is a list, a ResNet's; expected the number of layers");
  check_heads(read, c.dim, c.heads, "head_width");
  check_patches(read, c);
  refuse_others(read, {"image_size", "patch_size", "width", "layers", "mlp_ratio", "head_width", "norm_kwargs",
                       "no_ln_pre", "pool_type", "final_ln_after_pool"});
  return c;
}

TextConfig text_config(ConfigReader& read, Activation activation) {
  TextConfig c{.vocab = read.integer("vocab_size", 49408),
               .dim = read.integer("width", 512),
               .heads = read.integer("heads", 8),
               .layers = read.integer("layers", 12),
               .positions = read.integer("context_length", 77),
               .eps = eps(read),
               .causal = !read.boolean("no_causal_mask", false),
               .pre_norm = true,
               .final_norm = true,
               .activation = activation};
  c.mlp = mlp(read, c.dim);
  check_heads(read, c.dim, c.heads, "heads");
  refuse_others(read, {"vocab_size", "width", "heads", "layers", "context_length", "mlp_ratio", "norm_kwargs",
                       "no_causal_mask", "pool_type", "final_ln_after_pool", "eos_id", "proj_type", "proj_bias"});
  return c;
}

bool matches(const Json& config) { return config["model_cfg"].is_object(); }

TensorTable read_open_clip_weights(const std::filesystem::path& folder) {
  for (const char* name : {"open_clip_model.safetensors", "open_clip_pytorch_model.bin"})
    if (std::filesystem::exists(folder / name)) return read_weights(folder / name);
  return read_weights(folder);
}

Model open(const std::filesystem::path& folder, const Json& json, const Placement& placement) {
  ConfigReader file(json), root = file.inside("model_cfg");
  ConfigReader vision = root.inside("vision_cfg"), text = root.inside("text_cfg");
  const Activation activation = root.boolean("quick_gelu", false) ? Activation::quick_gelu : Activation::gelu;
  const VitConfig vit = vision_config(vision, activation);
  const TextConfig words = text_config(text, activation);
  const std::int64_t width = root.integer("embed_dim");
  refuse_others(root, {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale",
                       "init_logit_bias", "nonscalar_logit_scale", "cast_dtype", "output_dict"});
  const bool average = vision.choice("pool_type", {"tok", "avg"}, "tok") == 1;
  const std::vector<std::string> pools{"first", "last", "argmax", "eos"};
  const auto pool = static_cast<TextPool>(text.choice("pool_type", pools, "argmax"));
  const bool projected = text.choice("proj_type", {"linear", "none"}, "linear") == 0;
  if (!projected && words.dim != width) text.fault("proj_type", "got none, but width is not embed_dim");
  const bool with_bias = !root.json()["init_logit_bias"].is_null();
  const bool rank_1 = root.boolean("nonscalar_logit_scale", false);
  file.finish();

  const Weights weights = renamed(read_open_clip_weights(folder), kRows, folder.string(), placement);
  const PictureSide pictures{.vit = Vit(weights / "vision", vit),
                             .pooled =
                                 [average](const Tensor& tokens) {
                                   return average ? tokens.narrow(1, 1, tokens.size(1) - 1).mean(1)
                                                  : tokens.select(1, 0);
                                 },
                             .norm_after_pool = vision.boolean("final_ln_after_pool", false),
                             .projection = Linear(weights / "image_projection", vit.dim, width, false)};
  TextTower texts{
      .transformer = TextTransformer(weights / "text", words), .pool = pool, .end = text.integer("eos_id", 2)};
  if (projected)
    texts.projection.emplace(weights / "text_projection", words.dim, width, text.boolean("proj_bias", false));
  const std::vector<std::int64_t> shape(rank_1 ? 1 : 0, 1);
  const double scale = weights.number("logit_scale", shape);
  const double bias = with_bias ? weights.number("logit_bias", shape) : 0;
  weights.finish();

  Model model{.family = "open_clip", .folder = folder, .placement = placement};
  model.parameters = weights.count();
  const Preprocess preprocess = read_open_clip_preprocess(json);
  check_picture_size(folder, preprocess, vit.image);
  Embedder& embedder = set_towers(model, preprocess, pictures, texts, open_clip_tokenizer(folder),
                                  {.max_length = words.positions, .pad_to = words.positions});
  embedder.scale = std::exp(scale);
  embedder.bias = bias;
  embedder.probability = with_bias ? Probability::sigmoid : Probability::softmax;
  return model;
}

}  // namespace

// Source: Ilharco et al. 2021, https://github.com/mlfoundations/open_clip, model.py and transformer.py.
extern const Family kOpenClip;
const Family kOpenClip{"open_clip", "https://github.com/mlfoundations/open_clip", matches, open};

}  // namespace limn
