#include <iostream>

#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"
#include "tests/temporary.h"

// The same model written in another of the spellings that its family knows must give the same answers.
using namespace limn;
namespace fs = std::filesystem;

namespace {

using Tensors = std::vector<std::pair<std::string, Tensor>>;

// A copy of a golden folder's model whose files may be changed.
struct Variant {
  TemporaryFolder folder;
  Tensors tensors;
  std::string weights;

  // Nothing to copy where the fixtures are absent, which is told.
  bool copy(const std::string& name, const std::string& weights_file) {
    const fs::path source = fixtures_folder() / name;
    if (!fs::exists(source / weights_file)) {
      std::cerr << "SKIPPED: " << source << " is absent; set LIMN_FIXTURES\n";
      return false;
    }
    fs::copy(source, folder.path, fs::copy_options::recursive);
    weights = weights_file;
    for (const auto& [key, stored] : read_safetensors(source / weights))
      tensors.emplace_back(key, stored.load().clone());
    return true;
  }

  void rename(const std::function<std::string(const std::string&)>& renamed) {
    for (auto& [name, tensor] : tensors) name = renamed(name);
  }

  Json config(const char* file) const { return Json::read(folder / file); }

  Model open() {
    write_safetensors(folder / weights, tensors);
    return open_model(folder.path);
  }
};

const std::vector<std::string> kTexts{"a photo of a cat", "two dogs play in the snow near a wooden fence", "snow"};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

// Rewrites a member deep inside a JSON file by its text, which must be there.
void edit(const fs::path& file, const std::string& from, const std::string& to) {
  const std::string text = read_file(file);
  REQUIRE(text.find(from) != std::string::npos);
  write_file(file, replaced(text, from, to));
}

}  // namespace

TEST_CASE("open_clip: a text tower of its own, a bias, other pooling", "[families]") {
  const at::NoGradGuard no_grad;
  Variant plain;
  if (!plain.copy("openclip", "open_clip_model.safetensors")) return;
  const Model reference = plain.open();
  const Tensor expected = reference.embedder->text(kTexts);

  Variant custom;
  custom.copy("openclip", "open_clip_model.safetensors");
  custom.rename([](const std::string& name) {
    return name.starts_with("visual.") || name == "logit_scale" ? name : "text." + name;
  });
  custom.tensors.emplace_back("logit_bias", at::full({}, -10.0));
  edit(custom.folder / "open_clip_config.json", "\"embed_dim\"",
       "\"custom_text\": true, \"init_logit_bias\": -10, \"embed_dim\"");
  const Model model = custom.open();
  CHECK(at::equal(model.embedder->text(kTexts), expected));
  CHECK(model.embedder->bias == -10);
  CHECK(model.embedder->scale == Catch::Approx(reference.embedder->scale));
  CHECK(model.embedder->probability == Probability::sigmoid);

  // The end mark is the largest id, so its first place is the same; first and last are other tokens.
  edit(plain.folder / "open_clip_config.json", "\"context_length\"",
       "\"pool_type\": \"eos\", \"eos_id\": 49407, \"context_length\"");
  CHECK(at::equal(plain.open().embedder->text(kTexts), expected));
  edit(plain.folder / "open_clip_config.json", "\"eos\"", "\"first\"");
  const Tensor first = plain.open().embedder->text(kTexts);
  CHECK(at::allclose(first[0], first[1]));  // causal: the begin token sees itself only
  CHECK_FALSE(at::allclose(first, expected));
  edit(plain.folder / "open_clip_config.json", "\"first\"", "\"last\"");
  const Tensor last = plain.open().embedder->text(kTexts);
  CHECK_FALSE(at::allclose(last, expected));
  CHECK(at::allclose(last.narrow(0, 1, 1), plain.open().embedder->text({kTexts[1]}), 1e-4, 1e-5));
}

TEST_CASE("open_clip: what is not known is refused by name", "[families]") {
  Variant variant;
  if (!variant.copy("openclip", "open_clip_model.safetensors")) return;
  const fs::path file = variant.folder / "open_clip_config.json";
  edit(file, "\"patch_size\"", "\"timm_model_name\": \"vit_base\", \"ls_init_value\": 0.1, \"patch_size\"");
  CHECK_THROWS_WITH(variant.open(), ContainsSubstring("2 problems in the configuration") &&
                                        ContainsSubstring("vision_cfg.timm_model_name: got \"vit_base\"") &&
                                        ContainsSubstring("vision_cfg.ls_init_value: got 0.1"));
  CHECK_THROWS_AS(variant.open(), CheckpointError);
}

TEST_CASE("clip: projections' width, older sub-configurations, sizes that contradict", "[families]") {
  const at::NoGradGuard no_grad;
  Variant variant;
  if (!variant.copy("clip-gelu", "model.safetensors")) return;
  const Tensor expected = variant.open().embedder->text(kTexts);
  const std::string config = read_file(variant.folder / "config.json");
  // The older key, where it is there, is the whole configuration; what it lacks takes the class's default.
  const std::string text = variant.config("config.json")["text_config"].dump();
  write_file(variant.folder / "config.json",
             replaced(config, "\"text_config\"",
                      "\"text_config_dict\": " + text + ", \"text_config\": {\"hidden_size\": 999}, \"unused\""));
  CHECK(at::equal(variant.open().embedder->text(kTexts), expected));
  write_file(variant.folder / "config.json", replaced(config, "\"image_size\": 60", "\"image_size\": 48"));
  CHECK_THROWS_AS(variant.open(), CheckpointError);
  // Sides that are no multiple of the patch: what is left over is not seen, as a convolution has it.
  write_file(variant.folder / "config.json", replaced(config, "\"image_size\": 60", "\"image_size\": 67"));
  edit(variant.folder / "preprocessor_config.json", "\"height\": 60", "\"height\": 67");
  edit(variant.folder / "preprocessor_config.json", "\"width\": 60", "\"width\": 67");
  const Model larger = variant.open();
  const Tensor pixels = at::randn({1, 3, 67, 67});
  CHECK(at::allclose(larger.embedder->image(pixels),
                     larger.embedder->image(pixels.narrow(2, 0, 60).narrow(3, 0, 60).contiguous()), 1e-5, 1e-6));
}

TEST_CASE("bert: older names, a prefix, and every way of pooling", "[families]") {
  const at::NoGradGuard no_grad;
  Variant variant;
  if (!variant.copy("bert-encoder", "model.safetensors")) return;
  const Model reference = variant.open();
  const Tensor expected = reference.embedder->text(kTexts);
  variant.rename([](const std::string& name) {
    return "bert." +
           replaced(replaced(name, "LayerNorm.weight", "LayerNorm.gamma"), "LayerNorm.bias", "LayerNorm.beta");
  });
  CHECK(at::equal(variant.open().embedder->text(kTexts), expected));

  const auto pooled = [&](const std::string& modes) {
    write_file(variant.folder / "1_Pooling" / "config.json",
               "{\"word_embedding_dimension\": 36, \"pooling_mode_mean_tokens\": false, " + modes + "}");
    return variant.open().embedder->text(kTexts);
  };
  const Tensor cls = pooled("\"pooling_mode_cls_token\": true"), max = pooled("\"pooling_mode_max_tokens\": true"),
               root = pooled("\"pooling_mode_mean_sqrt_len_tokens\": true");
  for (std::int64_t t = 0; t < 3; ++t) {
    const auto count = static_cast<double>(reference.embedder->ids(kTexts[static_cast<std::size_t>(t)]).size());
    CHECK(at::allclose(root[t], expected[t] * std::sqrt(count), 1e-4, 1e-5));
    CHECK((max[t] >= expected[t] - 1e-5).all().item<bool>());
  }
  CHECK(at::allclose(pooled("\"pooling_mode_cls_token\": true, \"pooling_mode_max_tokens\": true"),
                     at::cat({cls, max}, 1), 1e-5, 1e-6));
  CHECK_THROWS_WITH(pooled("\"pooling_mode_lasttoken\": true"), ContainsSubstring("pooling_mode_lasttoken: got true"));

  // A Dense layer behind the pooling.
  pooled("\"pooling_mode_cls_token\": true");
  fs::create_directories(variant.folder / "2_Dense");
  write_file(variant.folder / "2_Dense" / "config.json",
             R"({"in_features": 36, "out_features": 5, "bias": true,
                 "activation_function": "torch.nn.modules.activation.Tanh"})");
  const Tensor weight = at::randn({5, 36}), bias = at::randn({5});
  write_safetensors(variant.folder / "2_Dense" / "model.safetensors",
                    {{"linear.weight", weight}, {"linear.bias", bias}});
  write_file(variant.folder / "modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
      {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
      {"type": "sentence_transformers.models.Dense", "path": "2_Dense"},
      {"type": "sentence_transformers.models.Normalize", "path": "3_Normalize"}])");
  const Model dense = variant.open();
  CHECK(dense.embedder->width == 5);
  CHECK(at::allclose(dense.embedder->text(kTexts), at::tanh(at::linear(cls, weight, bias)), 1e-4, 1e-5));
}
