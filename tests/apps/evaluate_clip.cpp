#include "apps/evaluate/evaluate_clip.h"

#include <sstream>

#include "core/json.h"
#include "tests/catch.h"
#include "tests/moving.h"
#include "tests/small_stylizer.h"
#include "tests/temporary.h"
#include "vision/image.h"

using namespace limn;

TEST_CASE("evaluate clip: steadiness lowers warp error and flicker, of a clip and of a photo", "[stylize][video]") {
  const TemporaryFolder folder;
  write_small_stylizer(folder / "model");
  write_image(folder / "photo.jpg", soft_picture(200, 300));
  write_image(folder / "s.png", soft_picture(48, 60, 7));
  try {
    write_clip(folder / "clip.avi", soft_picture(140, 200), 6, 64, 96);
  } catch (const InputError& error) {
    WARN("SKIPPED: " << error.what());
    return;
  }
  for (const char* name : {"clip.avi", "photo.jpg"}) {
    std::ostringstream out, notes;
    EvaluateClipOptions options{.clip = folder / name, .style = folder / "s.png", .frames = 5, .json = true};
    options.common.model = (folder / "model").string();
    REQUIRE(evaluate_clip(options, out, notes) == exit_done);
    const Json told = Json::parse(out.str(), "told");
    CHECK(told["frames"].number() == 5);
    for (const char* measure : {"warp_error", "flicker"})
      CHECK(told["rows"][1][measure].number() < told["rows"][0][measure].number());
  }
}
