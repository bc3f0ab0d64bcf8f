#include "fusion/set_stylizer.h"

#include <cmath>
#include <iostream>

#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

double apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

/// With weights that let pictures through to the end.
/// @param trained  keys and relation block say something, as they do after training
SetStylizer stylizer(bool trained) {
  const Weights weights = Weights::random(4);
  const SetStylizer house(weights, {.relation = {.dim = 32, .heads = 2, .layers = 1}});
  at::manual_seed(5);
  for (const auto& [name, weight] : weights.parameters())
    if (name.starts_with("net.") && weight.dim() == 4)
      weight.copy_(at::randn(weight.sizes()) * std::sqrt(2.0 / static_cast<double>(weight[0].numel())));
  if (trained) {
    house.key.copy_(at::randn(house.key.sizes()) * 0.5);
    house.relation.film.copy_(at::randn(house.relation.film.sizes()) * 0.05);
  }
  return house;
}

struct World {
  SetStylizer house;
  Tensor canvas = at::rand({1, 3, 72, 88}), first = at::rand({1, 3, 64, 40}),
         second = at::rand({1, 3, 33, 90}).square();
  SetStylizer::Content content = house.content(canvas);
  MicroAst::Features features = house.net.content(canvas);
  explicit World(bool trained) : house(stylizer(trained)) {}

  SetStylizer::Result paint(const std::vector<Tensor>& styles, const std::vector<double>& shares,
                            ShareRule rule = ShareRule::global) const {
    std::vector<Tensor> maps;
    for (const double share : shares) maps.push_back(at::full({1, 9, 11}, share));
    return paint(styles, at::stack(maps), rule);
  }
  SetStylizer::Result paint(const std::vector<Tensor>& styles, const Tensor& shares, ShareRule rule) const {
    std::vector<StyleTokens> tokens;
    for (const Tensor& style : styles) tokens.push_back(house.style(style));
    return house.paint(content, tokens, shares, {.share = rule});
  }
};

}  // namespace

TEST_CASE("set attention that attends equally is MicroAST", "[stylize]") {
  const at::NoGradGuard no_grad;
  const World world(false);
  const double strength = GENERATE(1.0, 0.4);
  const Tensor maps = at::ones({1, 1, 9, 11});
  for (const std::int64_t cells : {2000, 1024, 64, 7}) {  // pooling keeps the moments
    const auto made =
        world.house.paint(world.content, {world.house.style(world.first, cells)}, maps, {.strength = strength});
    const Tensor known = world.house.net.paint(world.features, world.house.net.style(world.first), strength);
    CHECK(apart(made.pictures, known) < 1e-4 * known.abs().max().item<double>());
  }
}

TEST_CASE("set attention: shares move the moments linearly where attention is equal", "[stylize]") {
  const at::NoGradGuard no_grad;
  const World world(false);
  MicroAst::Style mixed;
  const MicroAst::Style a = world.house.net.style(world.first), b = world.house.net.style(world.second);
  const auto between = [](const Tensor& x, const Tensor& y) { return x * 0.75 + y * 0.25; };
  for (std::size_t d = 0; d < 2; ++d)
    mixed[d] = {between(a[d].mean, b[d].mean), between(a[d].deviation, b[d].deviation),
                between(a[d].filter_gain, b[d].filter_gain), between(a[d].filter_offset, b[d].filter_offset)};
  const Tensor known = world.house.net.paint(world.features, mixed, 1);
  for (const ShareRule rule : {ShareRule::global, ShareRule::exact, ShareRule::free})
    CHECK(apart(world.paint({world.first, world.second}, {0.75, 0.25}, rule).pictures, known) <
          1e-4 * known.abs().max().item<double>());
}

TEST_CASE("a style of which only the whole is known is its picture where attention is equal", "[stylize]") {
  const at::NoGradGuard no_grad;
  const World world(false);
  const StyleTokens read = world.house.style(world.first), whole = world.house.style_of(read.signals);
  CHECK(whole.keys.size(1) == 1);
  CHECK(whole.relations.sizes() == read.relations.sizes());
  CHECK(apart(whole.relations.narrow(1, 0, 1), read.relations.narrow(1, 0, 1)) < 1e-4);  // of all of it
  const Tensor maps = at::ones({1, 1, 9, 11});
  const auto painted = [&](const StyleTokens& tokens) {
    return world.house.paint(world.content, {tokens}, maps, {}).pictures;
  };
  const Tensor made = painted(read);
  CHECK(apart(painted(whole), made) < 1e-4 * made.abs().max().item<double>());
}

TEST_CASE("set attention: order and doubling change nothing, shares are met", "[stylize]") {
  const at::NoGradGuard no_grad;
  const World world(true);
  const auto made = world.paint({world.first, world.second}, {0.7, 0.3});
  const double largest = made.pictures.abs().max().item<double>();
  CHECK(apart(made.pictures, world.paint({world.second, world.first}, {0.3, 0.7}).pictures) < 1e-5 * largest);
  const auto doubled = world.paint({world.first, world.second, world.first}, {0.35, 0.3, 0.35});
  CHECK(apart(made.pictures, doubled.pictures) < 1e-4 * largest);
  CHECK(made.mass[0].mean().item<double>() == Approx(0.7).margin(1e-3));
  CHECK(apart(made.mass.sum(0), at::ones({1, 9, 11})) < 1e-5);
  CHECK(made.mass[0].std().item<double>() > 0.01);  // the model decides where
  CHECK(apart(world.paint({world.first, world.second}, {0.7, 0.3}, ShareRule::exact).mass[0],
              at::full({1, 9, 11}, 0.7)) < 1e-6);
  CHECK(apart(made.pictures, world.paint({world.first, world.second}, {0.3, 0.7}).pictures) > 0.01 * largest);
}

TEST_CASE("set attention: masks keep styles out, shares are met within them", "[stylize]") {
  const at::NoGradGuard no_grad;
  const World world(true);
  Tensor left = at::zeros({1, 9, 11});
  left.narrow(2, 0, 5).fill_(1);
  const auto halves = world.paint({world.first, world.second}, at::stack({left, 1 - left}), ShareRule::global);
  CHECK((halves.mass[0] * (1 - left)).max().item<double>() == 0);
  CHECK((halves.mass[1] * left).max().item<double>() == 0);
  // The first everywhere, the second on the left only: both want that side.
  const Tensor shares = at::stack({1 - 0.5 * left, 0.5 * left});
  const auto shared = world.paint({world.first, world.second}, shares, ShareRule::global);
  CHECK((shared.mass[1] * (1 - left)).max().item<double>() == 0);
  CHECK(shared.mass[1].mean().item<double>() == Approx(shares[1].mean().item<double>()).margin(1e-3));
}

TEST_CASE("calibrated shares: far from what is wished, with places that do not count", "[stylize]") {
  at::manual_seed(3);
  const Tensor wishes = at::randn({3, 20, 30}) * 4 + at::tensor({5.0, 0.0, -5.0}).view({3, 1, 1});
  const Tensor shares = at::tensor({0.2, 0.3, 0.5}).view({3, 1, 1}).expand({3, 20, 30});
  const Tensor mass = shared_mass(wishes, shares, ShareRule::global);
  for (int i = 0; i < 3; ++i)
    CHECK(mass[i].mean().item<double>() == Approx(shares[i][0][0].item<double>()).margin(5e-3));
  Tensor places = at::zeros({20, 30});
  places.narrow(0, 0, 6).fill_(1);
  const Tensor above = shared_mass(wishes, shares, ShareRule::global, places).narrow(1, 0, 6);
  for (int i = 0; i < 3; ++i)
    CHECK(above[i].mean().item<double>() == Approx(shares[i][0][0].item<double>()).margin(5e-3));
  CHECK(shared_mass(wishes, shares, ShareRule::free)[0].mean().item<double>() > 0.5);
}

TEST_CASE("set attention in pieces is set attention at once", "[stylize]") {
  const SetStylizer house = stylizer(true);
  const Tensor style = at::rand({1, 3, 40, 48});
  const Tensor canvas = at::rand({1, 3, 520, 528});  // 65 x 66 places: more than attend at a time
  const Tensor maps = at::ones({1, 1, 65, 66});
  const auto paint = [&] { return house.paint(house.content(canvas), {house.style(style)}, maps, {}).pictures; };
  const Tensor whole = paint();
  const at::NoGradGuard no_grad;
  CHECK(apart(whole, paint()) < 1e-5 * whole.abs().max().item<double>());
}

TEST_CASE("strips are the whole: reading, painting, shares and masks", "[stylize]") {
  const at::NoGradGuard no_grad;
  const SetStylizer house = stylizer(true);
  const std::int64_t H = GENERATE(203, 130, 65), W = 270 - H;
  const Tensor canvas = at::rand({1, 3, H, W}).square();
  const auto read = [&](std::int64_t strip) {
    std::vector<Tensor> features;
    house.net.content_encoder.each_depth(
        canvas, [&](std::size_t, const Tensor& x) { features.push_back(x.clone()); }, strip);
    return features;
  };
  const std::vector<Tensor> whole = read(H * W);
  for (const std::int64_t strip : {W * 4, W * 20, W * 64}) {
    const std::vector<Tensor> parts = read(strip);
    for (std::size_t depth = 0; depth < 2; ++depth)
      CHECK(apart(whole[depth], parts[depth]) < 1e-5 * whole[depth].abs().max().item<double>());
  }
  const std::vector<StyleTokens> styles{house.style(at::rand({1, 3, 64, 40})), house.style(at::rand({1, 3, 33, 90}))};
  const std::int64_t h8 = (H + 7) / 8, w8 = (W + 7) / 8;
  const Tensor first = at::rand({1, h8, w8}) * 0.8 + 0.1;
  const auto paint = [&](std::int64_t strip) {
    return house.paint(house.content(canvas), styles, at::stack({first, 1 - first}), {.strip = strip}).pictures;
  };
  const Tensor picture = paint(H * W * 2);
  CHECK(picture.size(2) == (H + 3) / 4 * 4);
  for (const std::int64_t strip : {W * 4, W * 20, W * 64})
    CHECK(apart(picture, paint(strip)) < 1e-5 * picture.abs().max().item<double>());
  Tensor handed = at::full_like(picture, -1e9);
  const auto made = house.paint(house.content(canvas), styles, at::stack({first, 1 - first}),
                                {.strip = W * 20, .rows = [&](std::int64_t at_row, const Tensor& rows) {
                                   handed.narrow(2, at_row, rows.size(2)).copy_(rows);
                                 }});
  CHECK(!made.pictures.defined());
  CHECK(apart(picture, handed) < 1e-5 * picture.abs().max().item<double>());
}

TEST_CASE("a house stylizer that begins as MicroAST paints as MicroAST", "[stylize]") {
  const std::filesystem::path published = fixtures_folder() / ".." / "weights" / "microast";
  if (!std::filesystem::exists(published)) {
    std::cerr << "SKIPPED: " << published << " is absent; set LIMN_FIXTURES beside it to try a real stylizer\n";
    return;
  }
  const TemporaryFolder folder;
  const SetStylizerConfig config;
  const Weights weights(read_stylizer_start(published), {.what = "start", .fill = true});
  const SetStylizer begun(weights, config);
  weights.finish();
  std::vector<std::pair<std::string, Tensor>> stored(weights.parameters().begin(), weights.parameters().end());
  write_safetensors(folder / "model.safetensors", stored);
  write_file(folder / "config.json", set_stylizer_config_json(config).dump());
  const Model house = open_model(folder.path), known = open_model(published);
  CHECK(house.family == "limn-stylizer");
  const Tensor canvas = at::arange(3 * 41 * 50, at::kLong).mul(7919).remainder(256).view({3, 41, 50}).to(at::kByte);
  const Tensor style = canvas.flip({1}).contiguous(), other = (255 - canvas).contiguous();
  for (const std::vector<StyleItem>& styles : {std::vector<StyleItem>{{style}}, {{style, 2}, {other, 1}}}) {
    const Stylized made = stylize(*house.stylizer, canvas, styles);
    CHECK((made.picture.to(at::kInt) - stylize(*known.stylizer, canvas, styles).picture.to(at::kInt))
              .abs()
              .max()
              .item<int>() <= 1);
    for (std::size_t i = 0; i < styles.size(); ++i) CHECK(std::abs(made.shares[i] - made.asked[i]) <= 0.02);
  }
  for (const Tensor& plain : {at::zeros({3, 1, 1}, at::kByte), at::full({3, 20, 3}, 255, at::kByte)})
    CHECK(stylize(*house.stylizer, plain, {{plain}}).picture.sizes() == plain.sizes());
}
