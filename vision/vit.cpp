#include "vision/vit.h"

#include "core/ops.h"
#include "core/position.h"

namespace limn {

// Enough rows for products at full speed, few enough for the caches.
constexpr std::int64_t kTokensAtOnce = 512;

Vit::Vit(const Weights& w, const VitConfig& c)
    : config(c), patch(w / "patch", {c.dim, 3, c.patch, c.patch}, c.patch_bias), norm(w / "norm", c.dim, c.eps) {
  const std::int64_t side = c.image / c.patch;
  if (c.class_token) class_token = w.get("class_token", {1, 1, c.dim});
  positions = w.get("positions", {1, side * side + (c.class_token ? 1 : 0), c.dim});
  if (c.norm_before) norm_before.emplace(w / "norm_before", c.dim, c.eps);
  for (std::int64_t i = 0; i < c.layers; ++i)
    blocks.emplace_back(
        w / "blocks" / i,
        BlockConfig{.dim = c.dim, .heads = c.heads, .mlp = c.mlp, .eps = c.eps, .activation = c.activation});
  if (w.placement().int8)
    for (Block& block : blocks) block.quantize(Int8::both);
}

Tensor Vit::tokens(const Tensor& pixels) const {
  const auto [B, C, H, W] = dims<4>(pixels, "Vit: pixels [B 3 H W]");
  const std::int64_t rows = H / config.patch, columns = W / config.patch;
  if (C != 3 || rows == 0 || columns == 0)
    throw InputError("Vit: pixels [B 3 H W]: got " + shape_text(pixels.sizes()) +
                     ", expected 3 channels and sides of at least " + std::to_string(config.patch));
  // Non-overlapping patches: the convolution is one product over unfolded patches, and like it leaves out what remains
  // below and to the right.
  const std::int64_t p = config.patch;
  const Tensor whole = pixels.narrow(2, 0, rows * p).narrow(3, 0, columns * p);
  const Tensor unfolded =
      whole.reshape({B, 3, rows, p, columns, p}).permute({0, 2, 4, 1, 3, 5}).reshape({B, rows * columns, 3 * p * p});
  Tensor x = patch(unfolded);  // [B N D]
  if (config.class_token) x = at::cat({class_token.expand({B, 1, config.dim}), x}, 1);
  x = x + resampled_positions(positions, config.class_token ? 1 : 0, rows, columns);
  if (norm_before) x = (*norm_before)(x);
  return in_pieces(x, kTokensAtOnce / x.size(1), [&](const Tensor& piece) {
    Tensor y = piece;
    for (const Block& block : blocks) y = block(y);
    return y;
  });
}

}  // namespace limn
