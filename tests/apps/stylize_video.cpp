#include "apps/stylize_video.h"

#include <fstream>
#include <sstream>

#include "core/json.h"
#include "core/ops.h"
#include "tests/apps/stylize_world.h"
#include "tests/catch.h"
#include "tests/moving.h"
#include "tests/small_stylizer.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

struct World : StylizeWorld {
  bool able = true;

  World() {
    write_small_stylizer(folder / "model");
    write_image(folder / "s.png", soft_picture(48, 60, 7));
    write_image(folder / "t.png", 255 - soft_picture(48, 60, 8));
    try {
      write_clip(folder / "clip.avi", soft_picture(100, 160), 9, 50, 64);
    } catch (const InputError& error) {
      WARN("SKIPPED: " << error.what());
      able = false;
    }
    command.contents = {folder / "clip.avi"};
    command.styles = {folder / "s.png", folder / "t.png"};
    command.out = folder / "out.avi";
  }
  std::vector<Tensor> frames() const {
    std::vector<Tensor> all;
    Clip clip(command.out);
    for (Tensor frame; (frame = clip.next()).defined();) all.push_back(frame.to(at::kFloat));
    return all;
  }
};

}  // namespace

TEST_CASE("stylize: a clip keeps its size, rate and length", "[stylize][video]") {
  World world;
  if (!world.able) return;
  world.command.json = true;
  REQUIRE(world.run() == exit_done);
  const Json told = Json::parse(world.out.str(), "told");
  CHECK(told["frames"].number() == 9);
  CHECK(told["scenes"].number() == 1);
  CHECK(Clip(world.command.out).about().rate == Approx(12));
  const std::vector<Tensor> steady = world.frames();
  REQUIRE(steady.size() == 9);
  CHECK(steady[0].sizes() == at::IntArrayRef({50, 64, 3}));
  world.command.out = world.folder / "loose.avi";
  world.command.steady = false;
  REQUIRE(world.run() == exit_done);
  const std::vector<Tensor> loose = world.frames();
  CHECK((steady[0] - loose[0]).abs().max().item<double>() == 0);
  CHECK((steady[8] - loose[8]).abs().mean().item<double>() > 0.5);
}

TEST_CASE("stylize: shares move over a clip", "[stylize][video]") {
  CHECK(shares_between({3, 1}, {0, 2}, 0) == std::vector<double>{0.75, 0.25});
  CHECK(shares_between({3, 1}, {0, 2}, 1) == std::vector<double>{0, 1});
  CHECK(shares_between({1, 1}, {1, 0}, 0.5) == std::vector<double>{0.75, 0.25});
  World world;
  if (!world.able) return;
  world.command.steady = false;
  world.command.shares = {1, 0};
  world.command.shares_to = {0, 1};
  REQUIRE(world.run() == exit_done);
  const std::vector<Tensor> moved = world.frames();
  const std::vector<fs::path> both = world.command.styles;
  world.command.shares = {};
  world.command.shares_to = {};
  for (std::size_t i = 0; i < 2; ++i) {
    world.command.styles = {both[i]};
    world.command.out = world.folder / (std::to_string(i) + ".avi");
    REQUIRE(world.run() == exit_done);
    const std::size_t frame = i == 0 ? 0 : 8;
    CHECK((world.frames().at(frame) - moved.at(frame)).abs().max().item<double>() == 0);
  }
}

TEST_CASE("stylize: clips that cannot be painted are said in one sentence and leave nothing", "[stylize][video]") {
  const auto says = [](const auto& change, const std::string& sentence) {
    World world;
    if (!world.able) return;
    change(world);
    CHECK_THROWS_WITH(world.run(), ContainsSubstring(sentence));
    CHECK_FALSE(fs::exists(world.command.out));
    for (const auto& entry : fs::directory_iterator(world.folder.path))
      CHECK(entry.path().string().find("partial") == std::string::npos);
  };
  says(
      [](World& w) {
        std::ofstream(w.folder / "text.mp4") << "words";
        w.command.contents = {w.folder / "text.mp4"};
      },
      "text.mp4: clip: no frame of it can be decoded");
  says([](World& w) { w.command.contents = {"camera:88"}; }, "camera:88: no picture comes from there");
  says([](World& w) { w.command.contents = {"camera:front"}; }, "expected a camera's number, e.g. camera:0");
  says([](World& w) { w.command.out = w.folder / "out.png"; }, "clip: got \".png\", expected .mp4, .mov");
  says([](World& w) { w.command.out = w.folder / "no/out.avi"; }, "cannot be written: No such file or directory");
  says([](World& w) { w.command.contents.push_back(w.folder / "s.png"); }, "a clip or camera is painted alone");
  says([](World& w) { w.command.shares_to = {1}; }, "--shares-to: got 1, expected one for each of 2 styles");
  says([](World& w) { w.command.shares_to = {1, -2}; }, "--shares-to: got -2.000000, expected 0 or more");
  says([](World& w) { w.command.shares_to = {0, 0}; }, "--shares-to: got only zeros");
  says([](World& w) { w.command.shares = {1, -1}; }, "share: got");
  says([](World& w) { w.command.compare = w.folder / "sheet.png"; }, "but --content is a clip");
}

TEST_CASE("stylize: a clip that is cut off gives what there is, and says so", "[stylize][video]") {
  World world;
  if (!world.able) return;
  fs::resize_file(world.folder / "clip.avi", fs::file_size(world.folder / "clip.avi") * 55 / 100);
  const int code = world.run();
  CHECK(code == exit_some_failed);
  CHECK(world.notes.str().find("is the file cut off?") != std::string::npos);
  CHECK(world.frames().size() < 9);
  CHECK(!world.frames().empty());
}
