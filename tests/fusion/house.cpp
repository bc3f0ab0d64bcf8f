#include "fusion/house.h"

#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/small_house.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

Model small_house(const TemporaryFolder& folder) {
  write_small_house(folder / "model");
  return open_model(folder / "model");
}

Tensor some_pictures(std::int64_t count) {
  at::manual_seed(7);
  return at::randint(0, 256, {count, 3, 32, 32}, at::kByte);
}

}  // namespace

TEST_CASE("house heads: a text's embedding and a pair's match do not hang on their neighbours", "[house]") {
  const TemporaryFolder folder;
  const Model model = small_house(folder);
  REQUIRE(model.embedder);
  REQUIRE(model.matcher);
  const std::vector<std::string> texts{"a dog", "two men in red shirts sit on a long bench", "一只狗在草地上奔跑"};
  const Tensor all = model.embedder->texts(texts);  // [T E]
  CHECK(all.sizes() == at::IntArrayRef({3, 8}));
  CHECK(at::allclose(all.norm(2, {-1}), at::ones({3}), 1e-5, 1e-5));
  const Tensor pictures = some_pictures(3), tokens = model.matcher->tokens(pictures);
  const Tensor fits = (*model.matcher)(tokens, texts);  // [P T]
  CHECK(fits.sizes() == at::IntArrayRef({3, 3}));
  for (std::int64_t t = 0; t < 3; ++t) {
    const std::vector<std::string> one{texts[static_cast<std::size_t>(t)]};
    CHECK(at::allclose(model.embedder->texts(one)[0], all[t], 1e-4, 1e-5));
    for (std::int64_t p = 0; p < 3; ++p)
      CHECK(at::allclose((*model.matcher)(tokens.narrow(0, p, 1), one)[0][0], fits[p][t], 1e-4, 1e-5));
  }
  CHECK(at::allclose(normalised(model.matcher->embedding(tokens)), model.embedder->pictures(pictures), 1e-4, 1e-5));
  std::vector<std::string> many;
  for (int i = 0; i < 70; ++i) many.push_back(texts[static_cast<std::size_t>(i % 3)]);  // more than are read at a time
  CHECK(at::allclose((*model.matcher)(tokens, many).narrow(1, 66, 3), fits, 1e-4, 1e-5));
}

TEST_CASE("house heads: the script of a text chooses its begin token", "[house]") {
  const TemporaryFolder folder;
  const Model model = small_house(folder);
  const Tokenizer& tokenizer = *model.embedder->tokenizer;
  CHECK(model.embedder->ids("a dog").front() == *tokenizer.id("<en>"));
  CHECK(model.embedder->ids("一只狗").front() == *tokenizer.id("<zh>"));
  CHECK(model.embedder->ids("").size() == 2);
  CHECK(model.embedder->ids("dog").back() == tokenizer.special.end);
  std::string endless;
  for (int i = 0; i < 100; ++i) endless += "dog ";
  CHECK(model.embedder->ids(endless).size() == 32);
  CHECK(model.embedder->texts({endless}).size(0) == 1);
}

TEST_CASE("house heads: more likely with the picture means a better fit where the head says so", "[house]") {
  const at::NoGradGuard no_grad;
  WeightsOptions options;
  options.fill = true;
  options.trainable = true;  // such weights are read where they lie
  const Weights weights({}, options);
  const HouseHeads heads(weights, {.picture_dim = 16, .text_dim = 16, .heads = 2, .width = 8, .mlp = 16, .eps = 1e-5});
  const auto named = [&](const char* name) { return weights.parameters().at(name); };
  named("match.head.weight").copy_(at::tensor({0.0f, 0.0f, 0.0f, 0.0f, 1.0f, -1.0f}).view({2, 3}));
  named("match.head.bias").zero_();
  const Tensor seen = at::tensor({-10.0f, -20.0f}), blind = at::tensor({-15.0f, -15.0f});
  const Tensor fits = at::softmax(heads.match(at::zeros({2}), seen, blind), -1).select(-1, 1);
  CHECK(fits[0].item<double>() == Approx(1 / (1 + std::exp(-5.0))));
  CHECK(fits[1].item<double>() == Approx(1 / (1 + std::exp(5.0))));
}

TEST_CASE("house heads: the stem tells pictures apart where the tokens do not", "[house]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(11);
  WeightsOptions options;
  options.fill = true;
  options.trainable = true;
  const HouseHeadsConfig tokens_only{.picture_dim = 16, .text_dim = 16, .heads = 2, .width = 8, .mlp = 16, .eps = 1e-5};
  HouseHeadsConfig with_stem = tokens_only;
  with_stem.stem = 12;
  const HybridSight sight{at::randn({1, 9, 16}).expand({2, 9, 16}), at::rand({2, 12})};  // two pictures of equal tokens
  const Tensor alike = HouseHeads(Weights({}, options), tokens_only).pictures(sight);
  CHECK(at::allclose(alike[0], alike[1]));
  const Tensor apart = HouseHeads(Weights({}, options), with_stem).pictures(sight);
  CHECK(apart.sizes() == at::IntArrayRef({2, 8}));
  CHECK_FALSE(at::allclose(apart[0], apart[1]));
}
