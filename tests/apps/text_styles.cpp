#include "apps/text_styles.h"

#include <fstream>
#include <sstream>

#include "apps/evaluate/evaluate_stylize_text.h"
#include "apps/stylize.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "tests/apps/stylize_world.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "tests/small_house.h"
#include "tests/small_stylizer.h"
#include "vision/image.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// A stylizer that reads words by a small dual encoder.
struct World : StylizeWorld {
  World() {
    write_small_house(folder / "encoder");
    const Tensor known = open_model(folder / "encoder").embedder->texts({kKnownText})[0];
    write_model(known);
    write_small_stylizer(folder / "wordless");
    at::manual_seed(6);
    for (const char* name : {"a.png", "b.png", "s.png"})
      write_image(folder / name, at::randint(0, 256, {44, 60, 3}, at::kByte));
    command.contents = {folder / "a.png"};
    command.existing = Existing::overwrite;
  }
  void write_model(const Tensor& known) {
    write_small_stylizer(folder / "model", 4, {(folder / "encoder").string(), known.size(0), 16}, known);
  }
  Tensor painted() {
    REQUIRE(run() == exit_done);
    return read_image(command.out).pixels;
  }
};

}  // namespace

TEST_CASE("styles in words: mixed with pictures, shares in the order given", "[stylize]") {
  World world;
  world.command.styles = {world.folder / "s.png"};
  world.command.texts = {"blue and yellow stripes", "雪"};
  world.command.shares = {5, 3, 2};
  world.command.json = true;
  const Tensor mixed = world.painted();
  const Json told = Json::parse(world.out.str(), "told");
  for (const auto& [index, share] : {std::pair{0, 0.5}, {1, 0.3}, {2, 0.2}})
    CHECK(told["shares"][static_cast<std::size_t>(index)].number() == Approx(share).margin(0.02));
  CHECK(at::equal(world.painted(), mixed));
  world.command.compare = world.folder / "sheet.png";
  world.command.texts = {"雪", "blue and yellow stripes"};
  world.command.shares = {5, 2, 3};
  CHECK((world.painted().to(at::kInt) - mixed.to(at::kInt)).abs().max().item<int>() <= 1);
  CHECK(read_image(world.folder / "sheet.png").pixels.size(1) > 100);
}

TEST_CASE("styles in words: saved, other words are another style", "[stylize]") {
  World world;
  world.command.texts = {"fire"};
  world.command.save_style = world.folder / "fire.style";
  const Tensor fire = world.painted();
  world.command.save_style.clear();
  world.command.texts = {"a green wall"};
  CHECK_FALSE(at::equal(world.painted(), fire));
  world.command.texts.clear();
  world.command.styles = {world.folder / "fire.style"};
  CHECK(at::equal(world.painted(), fire));
}

TEST_CASE("styles in words: what cannot be done is said in one sentence", "[stylize]") {
  const auto says = [](const auto& change, const std::string& sentence) {
    World world;
    world.command.texts = {"fire"};
    change(world);
    CHECK_THROWS_WITH(stylize_command(world.command, world.out, world.notes), ContainsSubstring(sentence));
    CHECK_FALSE(fs::exists(world.folder / "out.png"));
  };
  says([](World& w) { w.command.common.model = (w.folder / "wordless").string(); },
       "this model knows no styles in words; give a picture as style");
  says([](World& w) { w.command.texts = {" "}; }, "style in words: got none; say what it looks like");
  says([](World& w) { w.command.texts.clear(); }, "got no style; give pictures with --style, words with --style-text");
  says([](World& w) { w.command.shares = {1, 2}; }, "--shares: got 2, expected one for each of 1 styles");
  says([](World& w) { w.command.contents = {"a red car"}; }, "a red car: no such file; a content is a picture");
  says([](World& w) { w.command.styles = {"a stormy night"}; },
       "a stormy night: no such file; a style in words is given by --style-text");
  says([](World& w) { w.command.colour = "coral"; }, "cannot be recoloured; give its picture");
  says([](World& w) { w.write_model(at::ones({8})); }, "is not the model that this stylizer learnt words with");
}

TEST_CASE("evaluate stylize-text: every text of every group is judged", "[stylize]") {
  World world;
  std::ofstream(world.folder / "texts.txt") << "red dots\n蓝色\n\n雪\n火\nred dots\n";
  EvaluateStylizeTextOptions options{.contents = {world.folder / "a.png", world.folder / "b.png"}, .side = 64};
  options.common.model = world.command.common.model;
  options.texts = world.folder / "texts.txt";
  options.sheet = world.folder / "sheet.png";
  options.words = source_folder() / "recipes/style-words.txt";
  options.json = true;
  REQUIRE(evaluate_stylize_text(options, world.out, world.notes) == exit_done);
  const Json told = Json::parse(world.out.str(), "told");
  REQUIRE(told["groups"].size() == 2);
  REQUIRE(told["groups"][1]["texts"].size() == 3);
  const double coloured = told["groups"][0]["all"]["named_colours"].number();
  CHECK((coloured >= 0 && coloured <= 1));
  CHECK(told["groups"][1]["all"]["named_colours"].is_null());  // not every text names one
  for (const std::size_t group : {0u, 1u}) {
    const Json all = told["groups"][group]["all"];
    CHECK((all["nearest"].number() >= 0 && all["nearest"].number() <= 1));
    CHECK(all["similarity"].number() != all["similarity_of_content"].number());
  }
  CHECK(read_image(world.folder / "sheet.png").pixels.size(0) > 100);
  std::ofstream(world.folder / "texts.txt") << "fire\n\nsnow\nice\n";
  CHECK_THROWS_WITH(evaluate_stylize_text(options, world.out, world.notes),
                    ContainsSubstring("\"fire\" stands alone; expected groups of at least two texts"));
  options.common.model = (world.folder / "wordless").string();
  CHECK_THROWS_WITH(evaluate_stylize_text(options, world.out, world.notes), ContainsSubstring("stands alone"));
  std::ofstream(world.folder / "texts.txt") << "snow\nice\n";
  CHECK_THROWS_WITH(evaluate_stylize_text(options, world.out, world.notes),
                    ContainsSubstring("paints no styles in words"));
}
