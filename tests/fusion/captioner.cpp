#include "fusion/captioner.h"

#include <iostream>

#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/places.h"

// A batch says of each picture what the picture alone is told: ids equal, log-probabilities up to rounding.

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// Sixteen pictures that have little in common: twelve photos, and noise, a gradient, a single pixel, a wide strip.
std::vector<Image> mixed_pictures() {
  std::vector<fs::path> photos;
  for (const auto& entry : fs::directory_iterator(source_folder() / "photos"))
    if (entry.path().extension() == ".jpg") photos.push_back(entry.path());
  std::sort(photos.begin(), photos.end());
  std::vector<Image> pictures;
  for (const fs::path& photo : photos) pictures.push_back(read_image(photo));
  const auto add = [&pictures](const Tensor& pixels) {
    pictures.push_back({pixels.size(1), pixels.size(0), pixels.to(at::kByte).contiguous()});
  };
  const auto ramp = at::arange(300 * 200 * 3, at::kLong);
  add(ramp.mul(2654435761).bitwise_right_shift(13).remainder(256).view({300, 200, 3}));
  add(ramp.remainder(251).view({200, 300, 3}));
  add(at::full({1, 1, 3}, 130));
  add(ramp.slice(0, 0, 600 * 7 * 3).remainder(253).view({7, 600, 3}));
  return pictures;
}

void check_batch(const Captioner& captioner, const CaptionRequest& request) {
  std::vector<Tensor> prepared;
  for (const Image& picture : mixed_pictures()) prepared.push_back(captioner.preprocess(picture));
  REQUIRE(prepared.size() == 16);
  const auto together = captioner(at::stack(prepared), request);
  REQUIRE(together.size() == 16);
  std::size_t different = 0;  // captions that differ from the first: a test that could not fail would show none
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    INFO("picture " << i);
    const auto alone = captioner(prepared[i].unsqueeze(0), request);
    REQUIRE(alone.size() == 1);
    REQUIRE(together[i].size() == alone[0].size());
    for (std::size_t n = 0; n < alone[0].size(); ++n) {
      CHECK(together[i][n].ids == alone[0][n].ids);
      CHECK(together[i][n].text == alone[0][n].text);
      CHECK(std::abs(together[i][n].score - alone[0][n].score) < 1e-4);
    }
    different += together[i][0].ids != together[0][0].ids;
  }
  CHECK(different > 8);
}

void check_searches(const Captioner& captioner) {
  CaptionRequest greedy;
  greedy.generate = captioner.defaults;
  greedy.generate.beams = 1;
  CaptionRequest beams = greedy;
  beams.generate.beams = 3;
  beams.generate.returned = 3;
  SECTION("greedy") { check_batch(captioner, greedy); }
  SECTION("beams") { check_batch(captioner, beams); }
}

}  // namespace

TEST_CASE("a batch of mixed pictures is captioned as each alone: the bundled model", "[captioner]") {
  check_searches(*open_model(source_folder() / "models" / "limn-small").captioner);
}

TEST_CASE("a batch of mixed pictures is captioned as each alone: BLIP", "[captioner]") {
  const fs::path folder = fixtures_folder() / "blip-caption";
  if (!fs::exists(folder / "config.json")) {
    std::cerr << "SKIPPED: " << folder << " is absent; set LIMN_FIXTURES to try a BLIP model\n";
    return;
  }
  check_searches(*open_model(folder).captioner);
}
