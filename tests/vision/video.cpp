#include "vision/video.h"

#include <fstream>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/moving.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

bool without_video() {
  try {
    video_module();
    return false;
  } catch (const InputError& error) {
    WARN("SKIPPED: " << error.what());
    return true;
  }
}

}  // namespace

TEST_CASE("clips: what is written is read again", "[video]") {
  if (without_video()) return;
  const TemporaryFolder folder;
  const Tensor picture = soft_picture(80, 120);
  for (const char* name : {"a.avi", "a.mp4", "a.mkv"}) {
    write_clip(folder / name, picture, 7, 48, 64, 12.5);
    Clip clip(folder / name);
    CHECK(clip.about().width == 64);
    CHECK(clip.about().height == 48);
    CHECK(clip.about().rate == Approx(12.5).epsilon(0.01));
    for (std::int64_t i = 0; i < 7; ++i) {
      const Tensor frame = clip.next();
      REQUIRE(frame.defined());
      const Tensor apart = frame.to(at::kFloat) - moving_frame(picture, i, 48, 64).to(at::kFloat);
      CHECK(apart.abs().mean().item<double>() < 12);  // codecs lose some, colours first
    }
    CHECK(!clip.next().defined());
  }
}

TEST_CASE("clips: one sentence for what is none", "[video]") {
  if (without_video()) return;
  const TemporaryFolder folder;
  std::ofstream(folder / "text.mp4") << "these are words and no clip";
  std::ofstream(folder / "empty.avi");
  for (const char* name : {"text.mp4", "empty.avi"})
    CHECK_THROWS_WITH(Clip(folder / name).about(),
                      ContainsSubstring(std::string(name) + ": clip: no frame of it can be decoded"));
  CHECK_THROWS_WITH(Clip(folder / "nothing.mp4"), ContainsSubstring("nothing.mp4: No such file or directory"));
  CHECK_THROWS_WITH(Clip(97), "camera:97: no picture comes from there; is there such a camera?");
  CHECK_THROWS_WITH(ClipFile(folder / "a.txt", 16, 16, 10), ContainsSubstring("got \".txt\", expected .mp4, .mov"));
  CHECK_THROWS_AS(ClipFile(folder / "nowhere/a.avi", 16, 16, 10), WriteError);
  { ClipFile unfinished(folder / "half.avi", 16, 16, 10); }
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path)) ++files;
  CHECK(files == 2);
}

TEST_CASE("optical flow follows what moves", "[video]") {
  if (without_video()) return;
  const Tensor grey = soft_picture(120, 160).select(2, 0).contiguous();
  const Tensor now = grey.narrow(0, 5, 96).narrow(1, 10, 128).contiguous();
  const Tensor before = grey.narrow(0, 3, 96).narrow(1, 7, 128).contiguous();
  const Tensor flow = optical_flow(now, before);
  REQUIRE(flow.sizes() == at::IntArrayRef({2, 96, 128}));
  const Tensor inner = flow.narrow(1, 16, 64).narrow(2, 16, 96);
  CHECK(inner[0].median().item<double>() == Approx(3).margin(0.3));
  CHECK(inner[1].median().item<double>() == Approx(2).margin(0.3));
  CHECK(optical_flow(now.narrow(0, 0, 8), before.narrow(0, 0, 8)).abs().max().item<double>() == 0);
}
