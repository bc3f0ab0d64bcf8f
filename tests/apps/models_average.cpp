#include "apps/models.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/small_house.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// The house with all weights times a factor.
void write_scaled_house(const fs::path& folder, double factor) {
  write_small_house(folder);
  std::map<std::string, Tensor> weights;
  for (const auto& [name, stored] : read_weights(folder)) weights[name] = stored.load().to(at::kFloat) * factor;
  write_safetensors(folder / "model.safetensors", quantized_for_storage(weights), {{"format", "limn"}});
}

}  // namespace

TEST_CASE("models average: the shares' mean of all weights, ready to be opened", "[apps][models]") {
  const TemporaryFolder folder;
  write_scaled_house(folder / "a", 1);
  write_scaled_house(folder / "b", 3);
  std::ostringstream out;
  const std::vector<std::string> both{(folder / "a").string(), (folder / "b").string()};
  REQUIRE(average_models({.models = both, .shares = {3, 1}, .out = folder / "mean"}, out) == 0);
  CHECK(out.str() == (folder / "mean").string() + "\n");
  CHECK(open_model(folder / "mean").embedder.has_value());
  const TensorTable mean = read_weights(folder / "mean"), first = read_weights(folder / "a");
  CHECK(mean.size() == first.size());
  for (const auto& [name, stored] : first) {
    CAPTURE(name);
    const Tensor expected = stored.load().to(at::kFloat) * 1.5, got = mean.at(name).load().to(at::kFloat);
    CHECK(at::allclose(got, expected, 0.01, 0.02 * expected.abs().max().item<double>() + 1e-6));
  }
  CHECK_THROWS_WITH(average_models({.models = both, .shares = {}, .out = folder / "mean"}, out),
                    ContainsSubstring("is there already; name a new folder with -o"));
}

TEST_CASE("models average: what cannot be averaged", "[apps][models]") {
  const TemporaryFolder folder;
  write_small_house(folder / "a");
  write_small_house(folder / "less");
  std::vector<std::pair<std::string, Tensor>> kept;
  for (const auto& [name, stored] : read_weights(folder / "less"))
    if (name != "logit_scale") kept.emplace_back(name, stored.load());
  write_safetensors(folder / "less/model.safetensors", kept, {{"format", "limn"}});
  std::ostringstream out;
  const auto says = [&](const std::vector<std::string>& names, const std::vector<double>& shares,
                        const std::string& message) {
    AverageOptions options{.models = {}, .shares = shares, .out = folder / "mean"};
    for (const std::string& name : names) options.models.push_back((folder / name).string());
    CHECK_THROWS_WITH(average_models(options, out), ContainsSubstring(message));
    CHECK_FALSE(fs::exists(folder / "mean"));
  };
  says({"a"}, {}, "models average: got 1 models, expected at least two");
  says({"a", "a"}, {1}, "--shares: got 1, expected one for each of 2 models");
  says({"a", "a"}, {1, -1}, "--shares: got -1.000000, expected more than 0");
  says({"a", "less"}, {}, "less: logit_scale: is missing; models that are averaged have one structure");
  says({"less", "a"}, {}, "logit_scale: is not in the first model, or of another shape");
  write_file(folder / "a/config.json", R"({"model_type": "clip"})");
  says({"a", "less"}, {}, "is of family clip, expected limn");
}
