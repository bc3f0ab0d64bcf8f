#include "core/weights.h"

#include "core/rename.h"
#include "core/safetensors.h"
#include "tests/catch.h"
#include "tests/damage.h"

using namespace limn;

namespace {

constexpr Rename kRows[] = {
    {"text.layer.{}.query.{p}", "blocks.{}.qkv.{p}", Fix::none, 0, 2},
    {"text.layer.{}.key.{p}", "blocks.{}.qkv.{p}", Fix::none, 1, 2},
    {"text.layer.{}.dense.{p}", "blocks.{}.up.{p}"},
    {"text.head.weight", "head.weight"},
    {"text.tied.weight", "head.weight"},
    {"*position_ids", ""},
};

std::string message(const std::function<void()>& step) {
  try {
    step();
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

TensorTable table_of(const TemporaryFolder& folder, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  write_safetensors(folder / "model.safetensors", tensors);
  return read_weights(folder.path);
}

}  // namespace

TEST_CASE("weights: one message has every fault, once, in the file's spelling and ours", "[weights]") {
  const TemporaryFolder folder;
  const TensorTable table = table_of(folder, {{"text.layer.0.query.weight", at::ones({2, 3})},
                                              {"text.layer.1.query.weight", at::ones({2, 3})},
                                              {"text.layer.1.key.weight", at::ones({2, 4})},
                                              {"text.layer.0.dense.weight", at::ones({3, 2})},
                                              {"text.layer.0.dense.bias", at::ones({2}, at::kInt)},
                                              {"x.position_ids", at::ones({1, 2}, at::kLong)},
                                              {"blocks.9", at::ones({5})}});
  const Weights weights = renamed(table, kRows, "folder", {});
  for (const int block : {0, 1}) weights.get("blocks." + std::to_string(block) + ".qkv.weight", {4, 3});
  weights.get("blocks.0.qkv.bias", {4});
  weights.get("blocks.0.up.weight", {2, 3});
  weights.get("blocks.0.up.weight", {2, 3});
  weights.get("blocks.0.up.bias", {2});
  weights.get("head.weight", {7, 3});
  weights.get("other", {1});
  CHECK(message([&] { weights.finish(); }) ==
        "folder: 8 problems in the weights; do they belong to this config.json?"
        "\n  missing     text.layer.0.key.weight (part of blocks.0.qkv.weight)"
        "\n  wrong parts of blocks.1.qkv.weight do not fit together: text.layer.1.query.weight Float [2, 3], "
        "text.layer.1.key.weight Float [2, 4]"
        "\n  missing     text.layer.0.query.bias + text.layer.0.key.bias (blocks.0.qkv.bias) [4]"
        "\n  wrong shape text.layer.0.dense.weight (blocks.0.up.weight) [3, 2], expected [2, 3]"
        "\n  wrong dtype text.layer.0.dense.bias (blocks.0.up.bias) Int, expected a floating type"
        "\n  missing     text.head.weight or text.tied.weight (head.weight) [7, 3]"
        "\n  missing     other [1]"
        "\n  unexpected  blocks.9 [5]");
}

TEST_CASE("weights: parts of one tensor may be stored in different precisions", "[weights]") {
  const TemporaryFolder folder;
  const Weights weights = renamed(table_of(folder, {{"text.layer.0.query.weight", at::full({2, 3}, 0.5, at::kHalf)},
                                                    {"text.layer.0.key.weight", at::full({2, 3}, 0.1)}}),
                                  kRows, "folder", {});
  const Tensor joined = weights.get("blocks.0.qkv.weight", {4, 3});
  CHECK(joined.scalar_type() == at::kFloat);
  CHECK(joined.narrow(0, 2, 2).equal(at::full({2, 3}, 0.1)));
  weights.finish();
}

TEST_CASE("weights: a configuration that asks for the impossible is refused in bounded memory and time", "[weights]") {
  const TemporaryFolder folder;
  const TensorTable table = table_of(folder, {{"a", at::ones({1})}});
  const Weights large(table, {.what = "folder"});
  CHECK(large.get("scalar", {}).dim() == 0);
  const std::int64_t huge = std::int64_t{1} << 29;
  CHECK(large.get("b", {huge, huge}).sizes() == at::IntArrayRef{huge, huge});  // 1 EiB, if it had memory
  CHECK_THAT(message([&] { large.get("c", {huge, huge, huge}); }), ContainsSubstring("missing     c [536870912, "));
  const Weights many(table, {.what = "folder"});
  CHECK_THAT(message([&] {
               for (std::int64_t block = 0;; ++block) (many / "blocks" / block).get("weight", {2});
             }),
             ContainsSubstring("folder: 10001 problems in the weights") && ContainsSubstring("and 9981 more"));
}
