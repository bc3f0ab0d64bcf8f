#include "apps/evaluate/style_measures.h"

#include <sstream>

#include "apps/evaluate/evaluate_stylize.h"
#include "core/json.h"
#include "core/ops.h"
#include "tests/catch.h"
#include "tests/small_feature_net.h"
#include "tests/small_stylizer.h"
#include "tests/temporary.h"
#include "vision/image.h"

using namespace limn;

TEST_CASE("measures of style and content: nothing to themselves, more to others", "[evaluate]") {
  at::manual_seed(3);
  const std::vector<Tensor> a{at::rand({2, 4, 8, 8}), at::rand({2, 6, 4, 4})};
  const std::vector<Tensor> b{at::rand({2, 4, 8, 8}) * 3, at::rand({2, 6, 4, 4}).square()};
  const FeatureMoments ma = feature_moments(a), mb = feature_moments(b);
  CHECK(style_distance(ma, ma).abs().max().item<double>() == 0);
  CHECK(style_distance(ma, mb).min().item<double>() > 0.1);
  CHECK(content_distance(a, a).max().item<double>() < 1e-6);
  // By its definition: one channel, one place.
  const std::vector<Tensor> one{at::full({1, 1, 1, 1}, 3.0)}, two{at::full({1, 1, 1, 1}, 1.0)};
  CHECK(style_distance(feature_moments(one), feature_moments(two)).item<double>() == Approx(4).epsilon(1e-3));
  const FeatureMoments half = mixed_moments({ma, mb}, {at::full({1}, 0.5), at::full({1}, 0.5)});
  CHECK(at::allclose(half.mean[0], (ma.mean[0] + mb.mean[0]) / 2));
  // A region counts alone.
  Tensor region = at::zeros({1, 1, 16, 16});
  region.narrow(3, 0, 8).fill_(1);
  const FeatureMoments left = feature_moments({a[0].narrow(3, 0, 4)});
  CHECK(at::allclose(feature_moments({a[0]}, region).mean[0], left.mean[0], 1e-4, 1e-5));
  CHECK(at::allclose(feature_moments({a[0]}, region).deviation[0], left.deviation[0], 1e-4, 1e-5));
}

TEST_CASE("measures without a network", "[evaluate]") {
  at::manual_seed(4);
  const Tensor a = at::rand({1, 3, 64, 72}), b = at::rand({1, 3, 64, 72}).square();
  CHECK(structural_similarity(a, a).item<double>() == Approx(1));
  CHECK(structural_similarity(a, b).item<double>() < 0.2);
  CHECK(patch_distance(a, b) > 3 * patch_distance(a, a));
  CHECK(peak_ratio(a, a + 0.1) == Approx(20).margin(1e-3));
}

TEST_CASE("evaluate stylize: rows and promises of a small stylizer", "[evaluate]") {
  const TemporaryFolder folder;
  write_random_squeezenet(folder / "net.safetensors");
  write_small_stylizer(folder / "model");
  for (const char* name : {"c.png", "s.png", "t.png"})
    write_image(folder / name, at::randint(0, 256, {70, 90, 3}, at::kByte));
  EvaluateStylizeOptions options;  // set one by one: GCC 12 takes a list's rest for uninitialised
  options.contents = {folder / "c.png"};
  options.styles = {folder / "s.png", folder / "t.png"};
  options.features = folder / "net.safetensors";
  options.side = 128;
  options.sheet = folder / "sheet.png";
  options.json = true;
  options.common.model = (folder / "model").string();
  std::ostringstream out, notes;
  REQUIRE(evaluate_stylize(options, out, notes) == 0);
  const Json result = Json::parse(out.str(), "result");
  REQUIRE(result["rows"].size() == 4);
  CHECK(result["rows"][0]["row"].text() == "untouched");
  CHECK(result["rows"][0]["ssim"].number() == Approx(1));
  CHECK(result["rows"][2]["row"].text() == "model");
  const Json promises = result["promises"][0];
  CHECK(promises["largest_share_error"].number() <= 0.02);
  CHECK(promises["mass_outside_masks"].number() == 0);
  CHECK(std::filesystem::exists(folder / "sheet.png"));
  options.styles.pop_back();
  CHECK_THROWS_WITH(evaluate_stylize(options, out, notes),
                    "evaluate stylize: got 1 contents and 1 styles, expected at least one and two");
}
