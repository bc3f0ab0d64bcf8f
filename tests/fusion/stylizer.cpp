#include "fusion/stylizer.h"

#include <iostream>

#include "core/ops.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

/// Paints every place in the mixture of the styles' mean colours: what shares and masks do is seen at once.
Stylizer flat_painter() {
  Stylizer s;
  s.smallest = 4;
  s.grid = [](std::int64_t h, std::int64_t w) { return std::pair(h, w); };
  s.content = [](const Tensor& picture) { return std::vector<Tensor>{picture}; };
  s.style = [](const Tensor& picture) {
    return std::vector<Tensor>{picture.mean(at::IntArrayRef{2, 3}, /*keepdim=*/true)};
  };
  s.paint = [](const std::vector<Tensor>& content, const std::vector<StylePart>& styles, const PaintOptions& options) {
    Tensor mixed = at::zeros_like(content[0]);
    std::vector<Tensor> mass;
    for (const StylePart& part : styles) {
      mixed = mixed + part.style[0] * part.share;
      mass.push_back(part.share[0][0]);
    }
    return Painted{mixed * options.strength + content[0] * (1 - options.strength), at::stack(mass)};
  };
  return s;
}

Tensor colour(std::int64_t h, std::int64_t w, int red, int green, int blue) {
  return at::tensor({red, green, blue}, at::kByte).view({3, 1, 1}).expand({3, h, w}).contiguous();
}

std::string complaint(const Tensor& canvas, const std::vector<StyleItem>& styles, const StylizeOptions& options = {}) {
  try {
    stylize(flat_painter(), canvas, styles, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

int value(const Tensor& picture, int channel, int y, int x) { return picture[channel][y][x].item<int>(); }

}  // namespace

TEST_CASE("shares decide the mixture; order and doubling change nothing", "[stylize]") {
  const Tensor canvas = colour(8, 8, 0, 0, 0), red = colour(5, 9, 200, 0, 0), blue = colour(3, 3, 0, 0, 200);
  const Stylized made = stylize(flat_painter(), canvas, {{red, 3}, {blue, 1}});
  CHECK(value(made.picture, 0, 4, 4) == 150);
  CHECK(value(made.picture, 2, 4, 4) == 50);
  CHECK(made.shares[0] == Approx(0.75));
  CHECK(at::equal(made.picture, stylize(flat_painter(), canvas, {{blue, 1}, {red, 3}}).picture));
  CHECK(at::equal(made.picture, stylize(flat_painter(), canvas, {{red, 1.5}, {red, 1.5}, {blue, 1}}).picture));
}

TEST_CASE("masks: a style paints where it may, the content stays elsewhere", "[stylize]") {
  const Tensor canvas = colour(8, 8, 10, 20, 30);
  Tensor left = at::zeros({8, 8}), top = at::zeros({8, 8});
  left.narrow(1, 0, 4).fill_(1);
  top.narrow(0, 0, 4).fill_(1);
  const Stylized made =
      stylize(flat_painter(), canvas, {{colour(4, 4, 200, 0, 0), 1, left}, {colour(4, 4, 0, 0, 200), 1, top}});
  CHECK(value(made.picture, 0, 0, 0) == 100);  // both
  CHECK(value(made.picture, 0, 7, 0) == 200);  // left alone
  CHECK(value(made.picture, 2, 0, 7) == 200);  // top alone
  CHECK(value(made.picture, 1, 7, 7) == 20);   // none: the content
  CHECK(made.shares[0] == Approx(0.5));
  const Stylized kept = stylize(flat_painter(), canvas, {{colour(4, 4, 200, 0, 0)}}, {.protect = left});
  CHECK(value(kept.picture, 0, 3, 0) == 10);
  CHECK(value(kept.picture, 0, 3, 7) == 200);
}

TEST_CASE("colours: kept, or nothing but them", "[stylize]") {
  const Tensor canvas = colour(8, 8, 100, 120, 140);
  const auto made = [&](StyleColour colour_rule) {
    return stylize(flat_painter(), canvas, {{colour(4, 4, 220, 60, 60)}}, {.colour = colour_rule}).picture;
  };
  const auto bright = [](const Tensor& p) {
    return 0.299 * value(p, 0, 0, 0) + 0.587 * value(p, 1, 0, 0) + 0.114 * value(p, 2, 0, 0);
  };
  const Tensor keep = made(StyleColour::keep), only = made(StyleColour::only_colour), all = made(StyleColour::style);
  CHECK(std::abs(bright(keep) - bright(all)) < 1.5);
  CHECK(value(keep, 2, 0, 0) - value(keep, 0, 0, 0) == 40);  // the content's hue
  CHECK(std::abs(bright(only) - bright(canvas)) < 1.5);
  CHECK(value(only, 0, 0, 0) - value(only, 1, 0, 0) == 160);  // the style's hue
}

TEST_CASE("what cannot be stylized is said", "[stylize]") {
  const Tensor canvas = colour(8, 8, 0, 0, 0), style = colour(4, 4, 9, 9, 9);
  CHECK(complaint(canvas, {}) == "stylize: got no styles, expected at least one");
  CHECK(complaint(canvas, {{style, 0}}) ==
        "stylize: share: got 0.000000, expected more than 0; leave a style out instead");
  CHECK(complaint(canvas, {{style, 1, at::zeros({4, 4})}}) ==
        "stylize: style mask [H W]: got [4, 4], expected the canvas' size, [8, 8]");
  CHECK(complaint(canvas, {{style, 1, at::zeros({8, 8})}}) ==
        "stylize: masks: no place is left that a style may paint");
  CHECK(complaint(canvas, {{style}}, {.strength = 1.5}) == "stylize: strength: got 1.500000, expected 0 to 1");
  CHECK(complaint(canvas, {{style}}, {.strength = std::nan("")}) == "stylize: strength: got nan, expected 0 to 1");
}

TEST_CASE("MicroAST: one style is its mixture with itself; pixels, black and white are painted", "[stylize]") {
  const fs::path folder = fixtures_folder() / ".." / "weights" / "microast";
  if (!fs::exists(folder)) {
    std::cerr << "SKIPPED: " << folder << " is absent; set LIMN_FIXTURES beside it to try a real stylizer\n";
    return;
  }
  const Stylizer painter = *open_model(folder).stylizer;
  const Tensor canvas = at::arange(3 * 41 * 50, at::kLong).mul(7919).remainder(256).view({3, 41, 50}).to(at::kByte);
  const Tensor first = canvas.flip({1}).contiguous(), second = colour(33, 20, 180, 40, 90);
  const Tensor alone = stylize(painter, canvas, {{first}}).picture;
  CHECK(alone.sizes() == canvas.sizes());
  const auto apart = [](const Tensor& a, const Tensor& b) {
    return (a.to(at::kInt) - b.to(at::kInt)).abs().max().item<int>();
  };
  CHECK(apart(alone, stylize(painter, canvas, {{first, 0.5}, {first, 0.5}}).picture) <= 1);
  CHECK(apart(stylize(painter, canvas, {{first, 2}, {second, 1}}).picture,
              stylize(painter, canvas, {{second, 1}, {first, 2}}).picture) <= 1);
  // Below full strength the content is one more style.
  CHECK(at::equal(stylize(painter, canvas, {{first}}, {.strength = 0}).picture, canvas));
  CHECK(apart(stylize(painter, canvas, {{first}}, {.strength = 0.25}).picture,
              stylize(painter, canvas, {{first, 1}, {canvas, 3}}).picture) <= 1);
  for (const Tensor& plain : {colour(1, 1, 7, 7, 7), colour(20, 3, 0, 0, 0), colour(3, 20, 255, 255, 255)})
    CHECK(stylize(painter, plain, {{plain}}).picture.sizes() == plain.sizes());
}
