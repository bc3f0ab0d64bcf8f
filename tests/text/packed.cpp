#include "text/packed.h"

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

namespace {

std::vector<std::int64_t> numbers(const Tensor& x) {
  const Tensor flat = x.to(at::kLong).contiguous();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

}  // namespace

TEST_CASE("packed texts: places, targets and owners", "[packed]") {
  const PackedTexts packed = pack({{{1, 5, 2}, {3, 6, 7, 2}}, {{1, 8, 2}}}, 16, LastToken::target);
  CHECK(numbers(packed.ids) == std::vector<std::int64_t>{1, 5, 3, 6, 7, 1, 8, 0, 0, 0});
  CHECK(numbers(packed.positions) == std::vector<std::int64_t>{0, 1, 0, 1, 2, 0, 1, 0, 0, 0});
  CHECK(numbers(packed.places) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
  CHECK(numbers(packed.targets) == std::vector<std::int64_t>{5, 2, 6, 7, 2, 8, 2});
  CHECK(numbers(packed.text) == std::vector<std::int64_t>{0, 0, 1, 1, 1, 2, 2});
  CHECK(numbers(packed.lengths) == std::vector<std::int64_t>{2, 3, 2});
  CHECK(numbers(packed.row) == std::vector<std::int64_t>{0, 0, 1});
}

TEST_CASE("packed texts: a token sees its own text only", "[packed]") {
  const PackedTexts packed = pack({{{1, 2}, {3, 4, 5}}}, 16, LastToken::read);
  CHECK_FALSE(packed.targets.defined());
  const std::vector<std::int64_t> causal{1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1};
  const std::vector<std::int64_t> whole{1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1};
  CHECK(numbers(packed.causal) == causal);
  CHECK(numbers(packed.whole) == whole);
  const Tensor x = at::arange(5, at::kFloat).view({1, 5, 1});
  CHECK(at::equal(text_means(x, packed).flatten(), at::tensor({0.5f, 3.0f})));
}

TEST_CASE("packed texts: too long ones are cut", "[packed]") {
  const PackedTexts packed = pack({{{1, 2, 3, 4, 5}}}, 3, LastToken::target);
  CHECK(numbers(packed.ids) == std::vector<std::int64_t>{1, 2});
  CHECK(numbers(packed.targets) == std::vector<std::int64_t>{2, 3});
}
