#include "apps/train/style_pictures.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <sstream>

#include "apps/inputs.h"
#include "apps/train/batch.h"
#include "core/ops.h"
#include "vision/image.h"
#include "vision/resize.h"

namespace limn {

namespace {

double between(double lowest, double highest, std::mt19937_64& random) {
  return lowest + (highest - lowest) * draw_unit(random);
}

std::int64_t below(std::int64_t bound, std::mt19937_64& random) {
  return static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(bound)));
}

at::Generator generator(std::mt19937_64& random) { return at::make_generator<at::CPUGeneratorImpl>(random()); }

/// Resized so that the shorter side is `shorter`. @return uint8 [H W 3]
Tensor with_shorter_side(const Image& image, double shorter, std::int64_t at_least) {
  const double scale = shorter / static_cast<double>(std::min(image.height, image.width));
  const auto side = [&](std::int64_t length) {
    return std::max<std::int64_t>(std::llround(scale * static_cast<double>(length)), at_least);
  };
  return resize(image.pixels, side(image.height), side(image.width), {.filter = Filter::bicubic, .threads = 1});
}

Tensor planes(const Tensor& pixels) { return pixels.permute({2, 0, 1}).to(at::kFloat).div_(255); }

struct Grid {
  Tensor x, y;  // [side 1], [1 side] in -1..1
};

Grid grid_of(std::int64_t side) {
  const Tensor line = at::linspace(-1, 1, side);
  return {line.unsqueeze(0), line.unsqueeze(1)};
}

/// Smooth noise of several sizes. [side side], about -1..1
Tensor clouds(std::int64_t side, std::mt19937_64& random) {
  at::Generator noise = generator(random);
  Tensor sum = at::zeros({1, 1, side, side});
  double weight = 1;
  for (std::int64_t cells = 2 + below(4, random); cells < side; cells *= 2, weight *= 0.6)
    sum += weight * at::upsample_bicubic2d(at::randn({1, 1, cells, cells}, noise, at::kFloat), {side, side}, false);
  return sum[0][0].clamp(-2, 2) / 2;
}

/// How a pattern lies.
struct Lie {
  double angle, often;
  Tensor bent;  // [side side]
};

/// A scalar field whose steps show a pattern. [side side]
/// @param points  about which cells lie
Tensor field_of(Pattern pattern, const Lie& lie, std::int64_t side, const std::function<std::int64_t()>& points_of,
                std::mt19937_64& random) {
  const Grid g = grid_of(side);
  const auto& [angle, often, bent] = lie;
  const Tensor along = g.x * std::cos(angle) + g.y * std::sin(angle) + bent;
  const Tensor across = g.y * std::cos(angle) - g.x * std::sin(angle) + bent;
  switch (pattern) {
    case Pattern::strokes:  // broken along their way
      return (along * often).sin() + 0.7 * (across * often * 0.2 + 3 * (along * often * 0.5).floor()).sin();
    case Pattern::dots:
      return (along * often).sin() * (across * often).sin() * 1.5;
    case Pattern::stripes:
      return (along * often).sin();
    case Pattern::cells: {  // about random points
      const std::int64_t points = points_of();
      const Tensor at_points = at::rand({2, points, 1, 1}, generator(random), at::kFloat) * 2 - 1;
      const Tensor nearest =
          ((g.x + bent - at_points[0]).square() + (g.y + bent - at_points[1]).square()).argmin(0);  // [side side]
      return (nearest.to(at::kFloat) * 2.4).sin();
    }
    default:
      return clouds(side, random) * 2;
  }
}

/// A field in colours, low to high. @param palette  [n 3], n >= 2. @return [side side 3]
Tensor in_colours(const Tensor& field, const Tensor& palette, double hardness) {
  const std::int64_t colours = palette.size(0), side = field.size(0);
  const Tensor ranked = (field - field.min()) / (field.max() - field.min() + 1e-6) * static_cast<double>(colours - 1);
  const Tensor low = ranked.floor().clamp_max(static_cast<double>(colours - 2)).to(at::kLong);
  const Tensor part = ((ranked - low - 0.5) * hardness + 0.5).clamp(0, 1).unsqueeze(-1);  // [side side 1]
  const auto of = [&](const Tensor& index) { return palette.index_select(0, index.flatten()).view({side, side, 3}); };
  return of(low) * (1 - part) + of(low + 1) * part;
}

}  // namespace

std::vector<std::filesystem::path> training_pictures(const std::vector<std::filesystem::path>& sources,
                                                     const std::vector<std::string>& left_out) {
  InputOptions options;
  for (const std::filesystem::path& source : sources) options.paths.push_back(source.string());
  std::istringstream nothing;
  std::vector<std::filesystem::path> pictures;
  for (const Input& input : find_inputs(options, nothing).items) {
    if (!input.error.empty()) throw InputError(input.path.string() + ": " + input.error);
    if (std::ranges::find(left_out, input.path.filename().string()) == left_out.end()) pictures.push_back(input.path);
  }
  if (pictures.empty()) throw InputError(sources.front().string() + ": no pictures to learn from");
  return pictures;
}

Tensor random_crop(const std::filesystem::path& picture, std::int64_t side, double largest, std::mt19937_64& random) {
  const Image image = read_image(picture);
  const double most =
      std::min(largest * static_cast<double>(side), static_cast<double>(std::min(image.height, image.width)));
  const double shorter = between(static_cast<double>(side), std::max(most, static_cast<double>(side)), random);
  const Tensor pixels = with_shorter_side(image, shorter, side);
  const std::int64_t top = below(pixels.size(0) - side + 1, random), left = below(pixels.size(1) - side + 1, random);
  const Tensor crop = planes(pixels.narrow(0, top, side).narrow(1, left, side));
  return draw_unit(random) < 0.5 ? crop.flip({2}) : crop;
}

Tensor middle_square(const std::filesystem::path& picture, std::int64_t side) {
  const Tensor pixels = with_shorter_side(read_image(picture), static_cast<double>(side), side);
  return planes(pixels.narrow(0, (pixels.size(0) - side) / 2, side).narrow(1, (pixels.size(1) - side) / 2, side));
}

Tensor drawn_style(std::int64_t side, std::mt19937_64& random) {
  const std::int64_t colours = 3 + below(4, random);
  const Tensor palette = at::rand({colours, 3}, generator(random), at::kFloat);
  Lie lie{.angle = between(0, std::numbers::pi, random), .often = between(6, 40, random), .bent = {}};
  lie.bent = clouds(side, random) * between(0, 0.4, random);
  constexpr Pattern patterns[] = {Pattern::strokes, Pattern::dots, Pattern::cells, Pattern::clouds};
  const Pattern pattern = patterns[draw_below(random, 4)];
  const Tensor shape = field_of(
      pattern, lie, side, [&] { return 12 + below(60, random); }, random);
  const Tensor field = shape + clouds(side, random) * between(0, 1, random);
  const Tensor paint = in_colours(field, palette, between(1, 8, random));
  const Tensor grain = clouds(side, random).unsqueeze(-1) * between(0, 0.15, random);
  return (paint + grain).clamp(0, 1).permute({2, 0, 1}).contiguous();
}

Tensor drawn_style(const StyleDrawing& wish, std::int64_t side, std::mt19937_64& random) {
  Lie lie{.angle = between(0, std::numbers::pi, random), .often = 0, .bent = {}};
  lie.often = wish.fineness == 0  ? between(8, 34, random)
              : wish.fineness > 0 ? between(28, 45, random)
                                  : between(5, 12, random);
  lie.bent = clouds(side, random) * between(0, wish.pattern == Pattern::stripes ? 0.08 : 0.3, random);
  const auto points = [&] { return std::llround(lie.often * lie.often / 12); };
  const Tensor shape = field_of(wish.pattern, lie, side, points, random);
  const Tensor field = shape + clouds(side, random) * between(0, 0.3, random);
  // By rank: every colour gets as much of the picture as every other.
  const Tensor order = field.flatten().argsort();
  const auto colours = static_cast<double>(wish.palette.size(0));
  const Tensor rank =
      (order.argsort().view({side, side}).to(at::kFloat) * (colours / static_cast<double>(side * side)) - 0.5)
          .clamp(0, colours - 1);
  const double hardness = wish.hardness == 0  ? between(2, 7, random)
                          : wish.hardness > 0 ? between(6, 12, random)
                                              : between(1, 1.6, random);
  const Tensor paint = in_colours(rank, wish.palette, hardness);
  const Tensor grain = clouds(side, random).unsqueeze(-1) * between(0, 0.1, random);
  return (paint + grain).clamp(0, 1).permute({2, 0, 1}).contiguous();
}

Tensor random_region(std::int64_t side, std::mt19937_64& random) {
  const Grid g = grid_of(side);
  const double angle = between(0, 2 * std::numbers::pi, random);
  const Tensor along = g.x * std::cos(angle) + g.y * std::sin(angle),
               across = g.y * std::cos(angle) - g.x * std::sin(angle);
  Tensor inside;
  if (draw_unit(random) < 0.5)
    inside = along + between(-0.4, 0.4, random);
  else
    inside = 1 - (along / between(0.4, 0.9, random)).square() - (across / between(0.4, 0.9, random)).square();
  return (inside * 12 + 0.5).clamp(0, 1).view({1, 1, side, side});
}

}  // namespace limn
