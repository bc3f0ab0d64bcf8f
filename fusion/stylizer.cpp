#include "fusion/stylizer.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "vision/image.h"
#include "vision/recolour.h"

namespace limn {

namespace {

/// uint8 [3 H W] -> float [1 3 H W] in 0..1, continued at its lower and right border up to the smallest side.
Tensor readable(const Tensor& picture, const Stylizer& stylizer, const char* what) {
  const auto [C, H, W] = dims<3>(picture, what);
  if (C != 3 || picture.scalar_type() != at::kByte || H < 1 || W < 1)
    throw InputError(std::string(what) + ": got " + shape_text(picture.sizes()) + ", expected uint8 with 3 channels");
  const Tensor x = picture.unsqueeze(0).to(stylizer.placement.device).to(stylizer.placement.dtype).div_(255);
  const std::int64_t below = std::max<std::int64_t>(stylizer.smallest - H, 0);
  const std::int64_t right = std::max<std::int64_t>(stylizer.smallest - W, 0);
  return below + right > 0 ? at::replication_pad2d(x, {0, right, 0, below}) : x;
}

void check_map(const Tensor& map, std::int64_t H, std::int64_t W, const std::string& what) {
  if (map.dim() != 2 || map.size(0) != H || map.size(1) != W)
    throw InputError(what + " [H W]: got " + shape_text(map.sizes()) + ", expected the canvas' size, [" +
                     std::to_string(H) + ", " + std::to_string(W) + "]");
}

void check(const std::vector<StyleItem>& styles, const StylizeOptions& options, std::int64_t H, std::int64_t W) {
  if (styles.empty()) throw InputError("stylize: got no styles, expected at least one");
  if (!(options.strength >= 0 && options.strength <= 1))
    throw InputError("stylize: strength: got " + std::to_string(options.strength) + ", expected 0 to 1");
  for (const StyleItem& item : styles) {
    if (!(item.share > 0) || !std::isfinite(item.share))
      throw InputError("stylize: share: got " + std::to_string(item.share) +
                       ", expected more than 0; leave a style out instead");
    if (item.mask.defined()) check_map(item.mask, H, W, "stylize: style mask");
  }
  if (options.protect.defined()) check_map(options.protect, H, W, "stylize: protecting mask");
}

Tensor pooled(const Tensor& map, std::int64_t h, std::int64_t w) {  // [H W] -> [h w]
  return at::adaptive_avg_pool2d(map.unsqueeze(0), {h, w}).squeeze(0);
}

/// How much of every style is wanted at every place [I h w], before they compete; and where any is, [h w].
Tensor wanted(const std::vector<StyleItem>& styles, std::int64_t h, std::int64_t w) {
  std::vector<Tensor> maps;
  for (const StyleItem& item : styles) {
    const Tensor everywhere = at::ones({h, w});
    maps.push_back(item.share * (item.mask.defined() ? pooled(item.mask.to(at::kFloat), h, w) : everywhere));
  }
  return at::stack(maps);
}

/// Brightness of RGB [1 3 H W] (BT.601), [1 1 H W].
Tensor brightness(const Tensor& x) {
  return 0.299 * x.narrow(1, 0, 1) + 0.587 * x.narrow(1, 1, 1) + 0.114 * x.narrow(1, 2, 1);
}

Tensor coloured(const Tensor& painted, const Tensor& original, StyleColour colour) {
  if (colour != StyleColour::keep && colour != StyleColour::only_colour) return painted;
  const Tensor change = brightness(painted) - brightness(original);
  return colour == StyleColour::keep ? original + change : painted - change;
}

/// Painted rows [1 3 rows W'] as the canvas gets them, from its row `first` on: uint8 [3 rows W].
Tensor blended(const Tensor& painted, const Tensor& canvas, const Tensor& free, std::int64_t first,
               const StylizeOptions& options) {
  const std::int64_t rows = painted.size(2), W = canvas.size(2);
  const Tensor made = painted.narrow(3, 0, W).to(at::kCPU, at::kFloat).nan_to_num();
  const bool plain = options.colour == StyleColour::style && !free.defined();
  if (plain) return to_bytes(made[0]);
  const Tensor original = canvas.narrow(1, first, rows).to(at::kFloat).div_(255).unsqueeze(0);
  Tensor result = coloured(made, original, options.colour);
  if (free.defined()) result = original + (result - original) * free.narrow(0, first, rows);
  return to_bytes(result[0]);
}

}  // namespace

Tensor settled(const PaintOptions& options, const std::string& name, const Tensor& value) {
  return options.settle ? options.settle(name, value) : value;
}

ChannelMoments settled(const PaintOptions& options, const std::string& name, const ChannelMoments& moments) {
  return {settled(options, name + " mean", moments.mean), settled(options, name + " deviation", moments.deviation)};
}

StyleColour parse_style_colour(const std::string& word) {
  if (word == "style") return StyleColour::style;
  if (word == "keep") return StyleColour::keep;
  if (word == "only") return StyleColour::only_colour;
  if (word == "coral") return StyleColour::coral;
  if (word == "histogram") return StyleColour::histogram;
  throw InputError("colour: got \"" + word + "\", expected style, keep, only, coral or histogram");
}

bool recolours(StyleColour colour) { return colour == StyleColour::coral || colour == StyleColour::histogram; }

ShareRule parse_share_rule(const std::string& word) {
  if (word == "global") return ShareRule::global;
  if (word == "exact") return ShareRule::exact;
  if (word == "free") return ShareRule::free;
  throw InputError("share: got \"" + word + "\", expected global, exact or free");
}

Tensor paintable(const std::vector<StyleItem>& styles, const StylizeOptions& options, std::int64_t H, std::int64_t W) {
  const bool masked = std::ranges::all_of(styles, [](const StyleItem& item) { return item.mask.defined(); });
  if (!masked && !options.protect.defined()) return {};
  Tensor free = at::zeros({H, W});
  for (const StyleItem& item : styles)
    free = item.mask.defined() ? at::maximum(free, item.mask.to(at::kFloat)) : at::ones({H, W});
  if (options.protect.defined()) free = free * (1 - options.protect.to(at::kFloat));
  if (!(free.max().item<float>() > 0)) throw InputError("stylize: masks: no place is left that a style may paint");
  return free;
}

std::vector<Tensor> read_style(const Stylizer& stylizer, const Tensor& picture) {
  const at::NoGradGuard no_grad;
  return stylizer.style(readable(picture, stylizer, "stylize: style [3 H W]"));
}

std::vector<Tensor> read_style(const Stylizer& stylizer, const StyleItem& item, const Tensor& canvas,
                               StyleColour colour) {
  if (!item.read.empty() && recolours(colour))
    throw InputError("stylize: colour: a style that was read before cannot be recoloured; give its picture");
  if (!item.read.empty()) return item.read;
  if (!recolours(colour)) return read_style(stylizer, item.picture);
  return read_style(stylizer, colour == StyleColour::coral ? recoloured(item.picture, canvas)
                                                           : histogram_matched(item.picture, canvas));
}

Stylized stylize(const Stylizer& stylizer, const Tensor& canvas, const std::vector<StyleItem>& styles,
                 const StylizeOptions& options) {
  const at::NoGradGuard no_grad;
  const auto [C, H, W] = dims<3>(canvas, "stylize: canvas [3 H W]");
  check(styles, options, H, W);
  const Tensor free = paintable(styles, options, H, W);
  const auto [h, w] = stylizer.grid(std::max(H, stylizer.smallest), std::max(W, stylizer.smallest));
  const Tensor want = wanted(styles, h, w);  // [I h w]
  const Tensor all = want.sum(0);            // [h w]
  const Tensor equal = at::full_like(want, 1.0 / static_cast<double>(styles.size()));
  const Tensor shares = at::where(all > 0, want / all.clamp_min(1e-12), equal);  // places that no style paints: any
  const auto placed = at::TensorOptions(stylizer.placement.device).dtype(stylizer.placement.dtype);
  std::vector<StylePart> parts;
  for (std::size_t i = 0; i < styles.size(); ++i)
    parts.push_back({read_style(stylizer, styles[i], canvas, options.colour),
                     shares[static_cast<std::int64_t>(i)].to(placed).view({1, 1, h, w})});

  const Tensor places = free.defined() ? pooled(free, h, w) : at::ones({h, w});
  Tensor result = at::empty({3, H, W}, at::kByte);
  const auto take = [&, H = H](std::int64_t first, const Tensor& painted) {  // clang 14 captures no bindings
    const std::int64_t rows = std::min(painted.size(2), H - first);
    if (rows > 0)
      result.narrow(1, first, rows).copy_(blended(painted.narrow(2, 0, rows), canvas, free, first, options));
  };
  Tensor mass = shares;
  if (options.strength == 0) {
    result.copy_(canvas);
  } else {
    PaintOptions painting{.strength = options.strength,
                          .share = options.share,
                          .places = places.to(placed).unsqueeze(0),
                          .unrelated = options.unrelated,
                          .strip = options.strip,
                          .rows = take,
                          .settle = options.settle};
    if (options.strength < 1) painting.own = [&] { return read_style(stylizer, canvas); };
    std::vector<Tensor> content = stylizer.content(readable(canvas, stylizer, "stylize: canvas [3 H W]"));
    const Painted painted = stylizer.paint(std::move(content), parts, painting);
    if (painted.picture.defined()) take(0, painted.picture);
    mass = painted.mass.to(at::kFloat).cpu();
  }
  const auto received = [&](const Tensor& of) {
    const Tensor parts_of_all = (of * places).sum(at::IntArrayRef{1, 2}) / places.sum();  // [I]
    std::vector<double> numbers;
    for (std::int64_t i = 0; i < parts_of_all.size(0); ++i) numbers.push_back(parts_of_all[i].item<double>());
    return numbers;
  };
  return {.picture = result, .shares = received(mass), .asked = received(shares), .mass = mass};
}

}  // namespace limn
