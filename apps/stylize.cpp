#include "apps/stylize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ostream>

#include "apps/models.h"
#include "apps/results.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "vision/compose.h"
#include "vision/resize.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

Tensor planar(const Tensor& pixels) { return pixels.permute({2, 0, 1}).contiguous(); }  // [H W 3] -> [3 H W]

/// The picture, its longer side brought to `side` where that is asked. @return uint8 [H W 3]
Tensor at_size(const Tensor& pixels, double scale) {
  const auto side = [scale](std::int64_t length) {
    return std::max<std::int64_t>(std::llround(scale * static_cast<double>(length)), 1);
  };
  return scale == 1 ? pixels : resize(pixels, side(pixels.size(0)), side(pixels.size(1)));
}

/// A mask as the canvas needs it: brightness in 0..1, its shape the picture's own where `height` is 0.
Tensor read_mask(const fs::path& file, std::int64_t height, std::int64_t width) {
  const Tensor pixels = read_image(file).pixels;
  const double proportion = static_cast<double>(pixels.size(1) * height) / static_cast<double>(pixels.size(0) * width);
  if (proportion < 0.98 || proportion > 1.02)
    throw InputError(file.string() + ": mask: got " + std::to_string(pixels.size(1)) + " x " +
                     std::to_string(pixels.size(0)) + ", expected the proportions of the canvas, " +
                     std::to_string(width) + " x " + std::to_string(height));
  return resize(pixels, height, width, {.filter = Filter::bilinear}).to(at::kFloat).mean(2).div_(255);
}

std::vector<Tensor> read_masks(const std::vector<fs::path>& files, std::int64_t height, std::int64_t width) {
  std::vector<Tensor> masks;
  for (const fs::path& file : files) masks.push_back(read_mask(file, height, width));
  return masks;
}

void check_counts(const StylizeCommand& o) {
  const auto agree = [&](std::size_t count, std::size_t of, const char* option, const char* what) {
    if (count != 0 && count != of)
      throw UsageError(std::string(option) + ": got " + std::to_string(count) + ", expected one for each of " +
                       std::to_string(of) + " " + what);
  };
  agree(o.shares.size(), o.styles.size(), "--shares", "styles");
  agree(o.style_masks.size(), o.styles.size(), "--style-mask", "styles");
  agree(o.content_masks.size(), o.contents.size(), "--content-mask", "contents");
  if (!(o.style_scale > 0))
    throw UsageError("--style-scale: got " + std::to_string(o.style_scale) + ", expected more than 0");
}

Composed read_canvas(const StylizeCommand& o) {
  std::vector<Tensor> contents;
  double scale = 1;
  for (const fs::path& file : o.contents) {
    const Tensor pixels = read_image(file).pixels;
    if (contents.empty() && o.size > 0)
      scale = static_cast<double>(o.size) / static_cast<double>(std::max(pixels.size(0), pixels.size(1)));
    contents.push_back(planar(at_size(pixels, scale)));
  }
  return compose(contents, read_masks(o.content_masks, contents[0].size(1), contents[0].size(2)),
                 parse_compose_mode(o.compose));
}

std::vector<StyleItem> read_styles(const StylizeCommand& o, std::int64_t height, std::int64_t width) {
  const std::vector<Tensor> masks = read_masks(o.style_masks, height, width);
  std::vector<StyleItem> styles;
  for (std::size_t i = 0; i < o.styles.size(); ++i)
    styles.push_back({.picture = planar(at_size(read_image(o.styles[i]).pixels, o.style_scale)),
                      .share = o.shares.empty() ? 1 : o.shares[i],
                      .mask = masks.empty() ? Tensor() : masks[i]});
  return styles;
}

const char* mode_text(ComposeMode mode) {
  return mode == ComposeMode::masks ? "masks" : mode == ComposeMode::grid ? "grid" : "seam";
}

}  // namespace

int stylize_command(const StylizeCommand& o, std::ostream& out, std::ostream& notes) {
  check_counts(o);
  if (plan_output(o.out, o.existing) == OutputPlan::keep) return exit_done;
  apply_threads(o.common);
  const fs::path folder = resolve_model(o.common.model);
  const Model model = open_model(folder, placement_of(o.common));
  if (!model.stylizer)
    throw UsageError("stylize: " + folder.string() + " (family " + model.family +
                     ") paints no pictures; name the folder of a stylizer with --model, e.g. one of MicroAST");
  const Composed canvas = read_canvas(o);
  if (o.contents.size() > 1 && !o.common.quiet) notes << "contents: joined by " << mode_text(canvas.mode) << '\n';
  const std::int64_t H = canvas.picture.size(1), W = canvas.picture.size(2);
  StylizeOptions options{.strength = o.strength, .colour = parse_style_colour(o.colour)};
  if (!o.protect.empty()) options.protect = read_mask(o.protect, H, W);

  const auto begin = std::chrono::steady_clock::now();
  const Stylized made = stylize(*model.stylizer, canvas.picture, read_styles(o, H, W), options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (interrupted()) return exit_interrupted;
  write_image(o.out, made.picture.permute({1, 2, 0}).contiguous());
  if (o.json)
    out << Json::object({{"out", o.out.string()},
                         {"width", W},
                         {"height", H},
                         {"seconds", seconds},
                         {"shares", Json::list(made.shares)}})
               .dump()
        << '\n';
  else
    out << o.out.string() << '\n';
  flush_results(out);
  return exit_done;
}

}  // namespace limn
