#include "apps/stylize.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "fusion/style_words.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "vision/image.h"
#include "vision/resize.h"

using namespace limn;

TEST_CASE(
    "styles in words: the bundled stylizer paints in the colours that "
    "are named",
    "[stylize]") {
  const std::filesystem::path models = source_folder() / "models";
  const Model model = open_model(models / kDefaultStylizer);
  REQUIRE(model.stylizer->words.has_value());
  const Model encoder = open_model(models / model.stylizer->words->encoder);
  const Tensor photo =
      resize(read_image(models / "../photos/kitchen.jpg").pixels, 192, 256).permute({2, 0, 1}).contiguous();
  const auto painted = [&](const std::string& words) {  // mean red, green and blue
    const StyleItem style{
        .picture = {}, .share = 1, .mask = {}, .read = read_style(*model.stylizer, *encoder.embedder, words)};
    const Tensor mean = stylize(*model.stylizer, photo, {style}).picture.to(at::kDouble).mean(at::IntArrayRef{1, 2});
    return std::array{mean[0].item<double>(), mean[1].item<double>(), mean[2].item<double>()};
  };
  for (const char* words : {"red and black dots", "红色和黑色的圆点"}) {
    CAPTURE(words);
    const auto [red, green, blue] = painted(words);
    CHECK(red > green + 25);
    CHECK(red > blue + 25);
  }
  for (const char* words : {"dark blue and light blue", "深蓝色和浅蓝色"}) {
    CAPTURE(words);
    const auto [red, green, blue] = painted(words);
    CHECK(blue > red + 15);
  }
  CHECK(painted("snow")[0] > painted("a dark night")[0] + 60);
  CHECK(painted("雪")[0] > painted("黑夜")[0] + 60);
}
