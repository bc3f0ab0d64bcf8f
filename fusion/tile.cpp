#include "fusion/tile.h"

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kBeyond = 96;  // pixels on each side: more than any place sees

/// Goes on beyond its last two sides as it begins. [... H W]
Tensor continued(const Tensor& x) {
  const auto around = [](std::int64_t length) { return at::arange(-kBeyond, length + kBeyond).remainder(length); };
  return x.index_select(-2, around(x.size(-2))).index_select(-1, around(x.size(-1)));
}

/// The middle that `continued` went on from, of a map with a place for each `step` pixels.
Tensor middle(const Tensor& x, std::int64_t step = 1) {
  const std::int64_t beyond = kBeyond / step;
  return x.narrow(-2, beyond, x.size(-2) - 2 * beyond).narrow(-1, beyond, x.size(-1) - 2 * beyond).contiguous();
}

}  // namespace

Tensor periodic_part(const Tensor& picture) {
  const auto [C, H, W] = dims<3>(picture, "periodic_part: picture [3 H W]");
  if (std::min(H, W) < 2) return picture;
  const Tensor u = picture.to(at::kDouble);
  Tensor jumps = at::zeros_like(u);  // from each border to the opposite one
  const Tensor down = u.select(1, H - 1) - u.select(1, 0), across = u.select(2, W - 1) - u.select(2, 0);
  jumps.select(1, 0).add_(down);
  jumps.select(1, H - 1).sub_(down);
  jumps.select(2, 0).add_(across);
  jumps.select(2, W - 1).sub_(across);
  const auto cosines = [](std::int64_t length) {
    return (at::arange(length, at::kDouble) * (2 * 3.14159265358979323846 / static_cast<double>(length))).cos_() * 2;
  };
  Tensor divisor = cosines(H).unsqueeze(1) + cosines(W) - 4;
  divisor[0][0].fill_(1);
  const Tensor smooth = at::real(at::fft_ifft2(at::fft_fft2(jumps) / divisor));
  return (u - smooth).round_().clamp_(0, 255).to(at::kByte);
}

Stylized stylize_tile(const Stylizer& stylizer, const Tensor& canvas, std::vector<StyleItem> styles,
                      StylizeOptions options) {
  const auto [C, H, W] = dims<3>(canvas, "stylize_tile: canvas [3 H W]");
  if (H % kTileStep != 0 || W % kTileStep != 0)
    throw InputError("stylize_tile: canvas [3 H W]: got " + shape_text(canvas.sizes()) +
                     ", expected sides in multiples of " + std::to_string(kTileStep));
  for (StyleItem& item : styles)
    if (item.mask.defined()) item.mask = continued(item.mask);
  if (options.protect.defined()) options.protect = continued(options.protect);
  Stylized made = stylize(stylizer, continued(periodic_part(canvas)), styles, options);
  made.picture = middle(made.picture);
  made.mass = middle(made.mass, (W + 2 * kBeyond) / made.mass.size(2));
  return made;
}

}  // namespace limn
