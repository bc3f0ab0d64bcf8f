#include "apps/stylize.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "apps/stylize_room.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "tests/apps/stylize_world.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "tests/small_stylizer.h"
#include "vision/image.h"
#include "vision/resize.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

struct World : StylizeWorld {
  World() {
    at::manual_seed(6);
    write_small_stylizer(folder / "model");
    fs::create_directory(folder / "contents");
    for (const char* name : {"contents/a.png", "contents/b.png", "s.png", "t.png"})
      write_image(folder / name, at::randint(0, 256, {44, 60, 3}, at::kByte));
    command.contents = {folder / "contents/a.png"};
    command.styles = {folder / "s.png", folder / "t.png"};
  }
  Tensor picture(const std::string& name) const { return read_image(folder / name).pixels; }
};

}  // namespace

TEST_CASE("stylize: shares are told, attribution and comparison are drawn", "[stylize]") {
  World world;
  world.command.shares = {3, 1};
  world.command.attribution = world.folder / "map.png";
  world.command.compare = world.folder / "sheet.png";
  world.command.json = true;
  REQUIRE(world.run() == exit_done);
  const Json told = Json::parse(world.out.str(), "told");
  CHECK(told["shares"][0].number() == Approx(0.75).margin(0.02));
  CHECK(world.picture("out.png").sizes() == at::IntArrayRef({44, 60, 3}));
  CHECK(world.picture("map.png").sizes() == at::IntArrayRef({44, 60, 3}));
  CHECK(world.picture("sheet.png").size(1) > 180);
}

TEST_CASE("stylize: a saved style paints as its picture; another model's is refused", "[stylize]") {
  World world;
  world.command.styles = {world.folder / "s.png"};
  world.command.save_style = world.folder / "s.style";
  REQUIRE(world.run() == exit_done);
  world.command.styles = {world.folder / "s.style"};
  world.command.save_style.clear();
  world.command.out = world.folder / "again.png";
  REQUIRE(world.run() == exit_done);
  CHECK(at::equal(world.picture("out.png"), world.picture("again.png")));
  world.command.out = world.folder / "other.png";
  world.command.colour = "coral";
  CHECK_THROWS_WITH(world.run(),
                    "stylize: colour: a style that was read before cannot be recoloured; give its picture");
  world.command.colour = "style";
  write_small_stylizer(world.folder / "model", 9);
  CHECK_THROWS_WITH(world.run(), ContainsSubstring("s.style: was read by another model"));
  fs::copy_file(world.folder / "model/model.safetensors", world.folder / "no.style");
  world.command.styles = {world.folder / "no.style"};
  CHECK_THROWS_WITH(world.run(), ContainsSubstring("no.style: is no style that --save-style wrote"));
}

TEST_CASE("stylize: each picture of a folder; what cannot be read stops no other", "[stylize]") {
  World world;
  std::ofstream(world.folder / "contents/broken.jpg") << "no picture";
  world.command.contents = {world.folder / "contents"};
  world.command.out = world.folder / "painted";
  CHECK(world.run() == exit_some_failed);
  CHECK(world.picture("painted/a.png").size(1) == 60);
  CHECK(fs::exists(world.folder / "painted/b.png"));
  CHECK(world.notes.str().find("broken.jpg") != std::string::npos);
  world.command.attribution = world.folder / "map.png";
  CHECK_THROWS_AS(world.run(), UsageError);
}

TEST_CASE("stylize: memory is a number and a unit", "[stylize]") {
  CHECK(parse_memory("1000") == 1000);
  CHECK(parse_memory("2K") == 2048);
  CHECK(parse_memory("1.5g") == 1.5 * 1024 * 1024 * 1024);
  CHECK(parse_memory("512MB") == 512.0 * 1024 * 1024);
  for (const char* wrong : {"", "G", "-1G", "0", "1T", "1GG", "nan", "inf", "1 G", "B"})
    CHECK_THROWS_AS(parse_memory(wrong), UsageError);
  // Less memory, narrower strips; the pixels stay.
  Stylizer painter;
  painter.room = {.pixel = 16, .strip_pixel = 400, .halo = 48};
  CHECK(strip_within(0, painter, 1024, 1024) == PaintOptions{}.strip);
  CHECK(strip_within(0, painter, 4096, 4096) == std::int64_t{128} * 4096);
  CHECK(strip_within(64e9, painter, 4096, 4096) == std::int64_t{128} * 4096);
  CHECK_THROWS_WITH(strip_within(1e6, painter, 4096, 4096), ContainsSubstring("for 4096 x 4096 pixels"));
  CHECK_THROWS_WITH(strip_within(1e9, {}, 64, 64), ContainsSubstring("paints every canvas as a whole"));
}

TEST_CASE("stylize: less memory, the same picture", "[stylize]") {
  World world;
  write_image(world.folder / "contents/a.png", at::randint(0, 256, {1030, 520, 3}, at::kByte));
  REQUIRE(world.run() == exit_done);
  const Model model = open_model(world.folder / "model");
  const auto read = [&](const char* name) { return world.picture(name).permute({2, 0, 1}).contiguous(); };
  const Stylized narrow =
      stylize(*model.stylizer, read("contents/a.png"), {{read("s.png")}, {read("t.png")}}, {.strip = 40'000});
  CHECK((narrow.picture.to(at::kInt) - read("out.png").to(at::kInt)).abs().max().item<int>() <= 1);
}

TEST_CASE("stylize: a tile has sides in multiples of 8", "[stylize]") {
  World world;
  world.command.tile = true;
  REQUIRE(world.run() == exit_done);
  CHECK(world.picture("out.png").sizes() == at::IntArrayRef({48, 64, 3}));
  world.command.contents = {"clip.mp4"};
  CHECK_THROWS_WITH(world.run(), "--tile: is of pictures, but --content is a clip");
  world.command.tile = false;
  world.command.contents = {"a.png"};
  world.command.shares_to = {1, 1};
  CHECK_THROWS_WITH(world.run(), "--shares-to: is of clips, but --content is none");
}

TEST_CASE("stylize: wishes that cannot be met are said in one sentence", "[stylize]") {
  const auto says = [](const auto& change, const std::string& sentence) {
    World world;
    change(world);
    CHECK_THROWS_WITH(world.run(), ContainsSubstring(sentence));
    CHECK_FALSE(fs::exists(world.folder / "out.png"));
  };
  says([](World& w) { w.command.shares = {1}; }, "--shares: got 1, expected one for each of 2 styles");
  says([](World& w) { w.command.shares = {1, -1}; }, "share: got -1.000000, expected more than 0");
  says([](World& w) { w.command.share = "most"; }, "share: got \"most\", expected global, exact or free");
  says([](World& w) { w.command.colour = "blue"; },
       "colour: got \"blue\", expected style, keep, only, coral or histogram");
  says([](World& w) { w.command.memory = "much"; },
       "--memory: got \"much\", expected a size such as 800M or 1.5G, or a number of bytes");
  says([](World& w) { w.command.memory = "20M"; }, "stylize: --memory: got 20M, expected at least ");
  says([](World& w) { w.command.save_style = w.folder / "x.style"; }, "--save-style: expected one style");
  says([](World& w) { w.command.styles = {w.folder / "model/config.json"}; }, "config.json");
  says([](World& w) { w.command.out = w.folder / "nowhere/out.png"; }, "nowhere");
  says(
      [](World& w) {
        write_image(w.folder / "black.png", at::zeros({44, 60, 3}, at::kByte));
        w.command.style_masks = {w.folder / "black.png", w.folder / "black.png"};
      },
      "masks: no place is left that a style may paint");
  says(
      [](World& w) {
        write_image(w.folder / "long.png", at::zeros({10, 60, 3}, at::kByte));
        w.command.style_masks = {w.folder / "long.png", w.folder / "long.png"};
      },
      "expected the proportions of the canvas");
}

TEST_CASE("stylize: the bundled stylizer keeps its promises on photos", "[stylize]") {
  const fs::path root = source_folder();
  const Model model = open_model(root / "models" / kDefaultStylizer);
  CHECK(model.parameters < 2'000'000);
  CHECK(fs::file_size(root / "models" / kDefaultStylizer / "model.safetensors") < 6'000'000);
  const auto read = [&](const char* name) {
    const Tensor pixels = read_image(root / name).pixels;
    return resize(pixels, 192, 256).permute({2, 0, 1}).contiguous();
  };
  const Tensor photo = read("photos/kitchen.jpg"), one = read("paintings/van-gogh-starry-night.jpg"),
               two = read("paintings/klimt-kiss.jpg");
  const auto painted = [&](const std::vector<StyleItem>& styles) { return stylize(*model.stylizer, photo, styles); };
  const auto apart = [](const Tensor& a, const Tensor& b) {
    return (a.to(at::kInt) - b.to(at::kInt)).abs().max().item<int>();
  };
  const Stylized mixed = painted({{one, 3}, {two, 1}});
  CHECK(std::abs(mixed.shares[0] - 0.75) < 0.02);
  CHECK(apart(mixed.picture, painted({{two, 1}, {one, 3}}).picture) <= 1);
  CHECK(apart(mixed.picture, painted({{one, 1.5}, {two, 1}, {one, 1.5}}).picture) <= 1);
  CHECK(apart(mixed.picture, painted({{one, 1}, {two, 3}}).picture) > 10);
  // Strength leads from the photo to the painting, farther from the one as it nears the other.
  const auto error = [](const Tensor& a, const Tensor& b) {
    return a.to(at::kFloat).sub(b.to(at::kFloat)).div(255).square().mean().item<double>();
  };
  const Tensor full = painted({{one}}).picture;
  double from_photo = 0, to_full = error(photo, full);
  for (const double strength : {0.0, 0.3, 0.6, 0.9}) {
    CAPTURE(strength);
    const Tensor made = stylize(*model.stylizer, photo, {{one}}, {.strength = strength}).picture;
    CHECK(error(made, photo) >= from_photo);
    CHECK(error(made, full) <= to_full);
    from_photo = error(made, photo);
    to_full = error(made, full);
  }
  Tensor left = at::zeros({192, 256});
  left.narrow(1, 0, 128).fill_(1);
  const Stylized halves = painted({{one, 1, left}, {two, 1, 1 - left}});
  CHECK(halves.mass[0].narrow(1, 16, 16).max().item<float>() <= 0.01);
  CHECK(halves.mass[1].narrow(1, 0, 16).max().item<float>() <= 0.01);
  CHECK(painted({{photo}}).picture.to(at::kFloat).sub(photo.to(at::kFloat)).div(255).square().mean().item<double>() <
        0.005);  // itself: better than 23 dB
}
