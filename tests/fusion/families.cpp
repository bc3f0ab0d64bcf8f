#include <iostream>
#include <map>

#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"

// Properties that every family has, on the models of the golden folders: a new folder is tested without new code.
using namespace limn;
namespace fs = std::filesystem;

namespace {

// Whether a folder's cases need weights: many golden folders hold a tokenizer or a preprocessing alone.
bool has_weights(const golden::Folder& folder) {
  for (const Json& each : folder.json().at("cases").items())
    if (each["kind"].text("") != "tokenize" && each["kind"].text("") != "preprocess") return true;
  return false;
}

// Every golden folder that a family opens; `use` gets the model and some of its folder's pictures.
std::size_t each_model(const std::function<void(const Model&, const std::vector<fs::path>& pictures)>& use) {
  std::size_t seen = 0;
  for (const fs::path& path : golden::find_goldens(fixtures_folder())) {
    golden::Folder folder(path);
    const fs::path model = folder.model_folder();
    if (!has_weights(folder) || !fs::is_directory(model) || !find_family(model).family) continue;
    std::vector<fs::path> pictures;
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".png") pictures.push_back(entry.path());
    std::sort(pictures.begin(), pictures.end());
    INFO(path.string());
    static std::map<fs::path, Model> opened;  // tokenizers take longer to open than all tests to run
    if (!opened.count(model)) opened.emplace(model, open_model(model));
    use(opened.at(model), pictures);
    ++seen;
  }
  if (seen == 0) std::cout << "SKIP  no golden folder with a model: set LIMN_FIXTURES" << std::endl;
  return seen;
}

const std::vector<std::string> kTexts = {
    "a photo of a cat",
    "",
    "two",
    "A man in a red jacket is riding his bicycle along the river while three small dogs run behind him, barking",
    "snow",
    "two dogs play in the snow near a wooden fence",
};

Tensor batch_of(const Preprocess& preprocess, const std::vector<fs::path>& files) {
  std::vector<Tensor> all;
  for (const fs::path& file : files) all.push_back(preprocess(read_image(file)));
  return at::stack(all);
}

// The largest difference, relative to the largest value.
double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return ((a - b).abs().max() / b.abs().max().clamp_min(1e-9)).item<double>();
}

}  // namespace

TEST_CASE("families: many texts and pictures embed as each alone does", "[families]") {
  const at::NoGradGuard no_grad;
  each_model([](const Model& model, const std::vector<fs::path>& pictures) {
    if (!model.embedder) return;
    const Embedder& embedder = *model.embedder;
    if (embedder.text) {
      const Tensor together = embedder.text(kTexts);
      CHECK(together.size(1) == embedder.width);
      for (std::size_t i = 0; i < kTexts.size(); ++i) {
        CAPTURE(kTexts[i]);
        CHECK(difference(together.narrow(0, static_cast<std::int64_t>(i), 1), embedder.text({kTexts[i]})) < 2e-5);
      }
      CHECK(embedder.text({}).sizes() == at::IntArrayRef({0, embedder.width}));
      // More texts than one batch takes, all the same: the same answer everywhere.
      const Tensor many = embedder.text(std::vector<std::string>(300, kTexts[5]));
      CHECK(difference(many, together[5].expand({300, -1})) < 2e-5);
    }
    if (embedder.image && pictures.size() > 1) {
      const Tensor pixels = embedder.preprocess.normalise(batch_of(embedder.preprocess, pictures));
      const Tensor together = embedder.image(pixels);
      CHECK(together.size(1) == embedder.width);
      for (std::int64_t i = 0; i < pixels.size(0); ++i)
        CHECK(difference(together.narrow(0, i, 1), embedder.image(pixels.narrow(0, i, 1))) < 2e-5);
    }
  });
}

TEST_CASE("families: what fills a text up behind its end does not change its embedding", "[families]") {
  const at::NoGradGuard no_grad;
  each_model([](const Model& model, const std::vector<fs::path>&) {
    if (!model.embedder || !model.embedder->text_of_ids) return;
    const Embedder& embedder = *model.embedder;
    const auto row = embedder.ids(kTexts[0]);
    const auto longest = static_cast<std::size_t>(embedder.longest);
    if (row.size() == longest) {  // filled up always (SigLIP, open_clip): every text has the same length
      for (const std::string& text : kTexts) CHECK(embedder.ids(text).size() == longest);
      return;
    }
    const Tensor alone = embedder.text_of_ids({row});
    std::vector<std::int64_t> other(longest, row[1]);  // forces filling up to the full width
    other.front() = row.front();
    other.back() = row.back();
    CHECK(difference(embedder.text_of_ids({row, other}).narrow(0, 0, 1), alone) < 2e-5);
  });
}

TEST_CASE("families: every text against every picture matches as each pair does", "[families]") {
  const at::NoGradGuard no_grad;
  each_model([](const Model& model, const std::vector<fs::path>& pictures) {
    if (!model.matcher || pictures.size() < 2) return;
    const Matcher& matcher = *model.matcher;
    const std::vector<fs::path> some(pictures.begin(), pictures.begin() + 2);
    const Tensor tokens = matcher.tokens(batch_of(matcher.preprocess, some));
    const Tensor all = matcher.logits(tokens, kTexts);
    CHECK(all.sizes() == at::IntArrayRef({2, static_cast<std::int64_t>(kTexts.size()), 2}));
    for (std::int64_t p = 0; p < 2; ++p)
      for (std::size_t t = 0; t < kTexts.size(); ++t)
        CHECK(difference(all[p][static_cast<std::int64_t>(t)],
                         matcher.logits(tokens.narrow(0, p, 1), {kTexts[t]})[0][0]) < 2e-5);
    const Tensor probability = matcher(tokens, kTexts);
    CHECK(difference(probability, at::softmax(all, -1).select(-1, 1)) < 1e-6);
    CHECK(matcher.logits(tokens, {}).sizes() == at::IntArrayRef({2, 0, 2}));
    REQUIRE(matcher.embedding);
    const Tensor pixels = matcher.preprocess.normalise(batch_of(matcher.preprocess, some));
    CHECK(difference(matcher.embedding(tokens), model.embedder->image(pixels)) < 2e-5);
  });
}

TEST_CASE("families: a batch of pictures is answered as each picture alone", "[families]") {
  each_model([](const Model& model, const std::vector<fs::path>& pictures) {
    if (!model.answerer || pictures.size() < 2) return;
    const Answerer& answerer = *model.answerer;
    const Tensor batch = batch_of(answerer.speaker.preprocess, pictures);
    for (const std::int64_t beams : {1, 3}) {
      const auto together = answerer(batch, "what is in the picture?", {.beams = beams});
      for (std::int64_t i = 0; i < batch.size(0); ++i) {
        const auto alone = answerer(batch.narrow(0, i, 1), "what is in the picture?", {.beams = beams});
        CHECK(together[static_cast<std::size_t>(i)][0].ids == alone[0][0].ids);
      }
    }
  });
}

TEST_CASE("families: what a text tower does not read is told", "[families]") {
  each_model([](const Model& model, const std::vector<fs::path>&) {
    if (!model.embedder || !model.embedder->ids) return;
    std::string text;
    for (int i = 0; i < 600; ++i) text += "dog ";
    CHECK(left_out(*model.embedder, "dog cat").empty());
    const std::string rest = left_out(*model.embedder, text);
    CHECK(rest.size() >= 3);
    CHECK(rest.size() < text.size());
    CHECK(static_cast<std::int64_t>(model.embedder->ids(text).size()) <= model.embedder->longest);
  });
}

TEST_CASE("families: similarity and probability as the family defines them", "[families]") {
  Embedder embedder{.scale = 10, .bias = -2};
  const Tensor images = at::tensor({3.0F, 0.0F, 0.0F, 2.0F}).view({2, 2}),
               texts = at::tensor({1.0F, 0.0F, 1.0F, 1.0F}).view({2, 2});
  const Tensor similar = similarity(embedder, images, texts);
  CHECK(similar[0][0].item<float>() == Catch::Approx(8));
  CHECK(similar[1][0].item<float>() == Catch::Approx(-2));
  CHECK(similar[1][1].item<float>() == Catch::Approx(10 / std::sqrt(2.0) - 2));
  CHECK(probabilities(embedder, similar).sum(-1)[1].item<float>() == Catch::Approx(1));
  embedder.probability = Probability::sigmoid;
  CHECK(probabilities(embedder, similar)[0][0].item<float>() == Catch::Approx(1 / (1 + std::exp(-8.0))));
  CHECK(at::equal(normalised(at::zeros({1, 3})), at::zeros({1, 3})));
  CHECK_THROWS_WITH(similarity(embedder, images, at::ones({1, 3})),
                    "similarity: texts [T E]: got [1, 3], expected rows like images [2, 2]");
}
