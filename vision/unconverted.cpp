#include "vision/unconverted.h"

#include "core/files.h"
#include "core/ops.h"
#include "vision/raster.h"

namespace limn {

namespace {

// Colours times alpha over 255, rounded; alpha is the last channel. [H W C]
Tensor premultiplied(const Tensor& pixels) {
  const Tensor wide = pixels.to(at::kInt);
  const std::int64_t colours = pixels.size(2) - 1;
  const Tensor product = wide.narrow(2, 0, colours) * wide.narrow(2, colours, 1) + 128;
  const Tensor divided = (product.bitwise_right_shift(8) + product).bitwise_right_shift(8);
  return at::cat({divided.to(at::kByte), pixels.narrow(2, colours, 1)}, 2).contiguous();
}

// And back, cut to whole numbers; where alpha is 0 or 255 colours stay.
Tensor divided_by_alpha(const Tensor& pixels) {
  const Tensor wide = pixels.to(at::kInt);
  const std::int64_t colours = pixels.size(2) - 1;
  const Tensor alpha = wide.narrow(2, colours, 1), colour = wide.narrow(2, 0, colours);
  const Tensor divided = at::div(colour * 255, alpha.clamp_min(1), "floor").clamp_max(255);
  const Tensor kept = alpha.eq(0).logical_or(alpha.eq(255));
  return at::cat({at::where(kept, colour, divided).to(at::kByte), pixels.narrow(2, colours, 1)}, 2).contiguous();
}

}  // namespace

Tensor preprocess_unconverted(const Preprocess& preprocess, const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const DecodeOptions limits;
  Raster raster = decode_raster(
      {{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, file.string(), limits.max_pixels});
  const bool alpha = raster.mode == RasterMode::rgba || raster.mode == RasterMode::grey_alpha;
  Preprocess own = preprocess;
  if (raster.mode == RasterMode::bilevel || raster.mode == RasterMode::palette ||
      raster.mode == RasterMode::palette_alpha)
    own.filter = Filter::nearest;                                      // whatever is asked for
  const auto run = [](const Preprocess& step, const Tensor& pixels) {  // [H W C] -> [h w C]
    return step(Image{pixels.size(1), pixels.size(0), pixels}).permute({1, 2, 0}).contiguous();
  };
  if (alpha && own.filter != Filter::nearest) {
    Preprocess cutting = own;  // what is added around the picture is not multiplied by alpha
    own.crop = false;
    cutting.size = {};
    raster.pixels = run(cutting, divided_by_alpha(run(own, premultiplied(raster.pixels))));
  } else {
    raster.pixels = run(own, raster.pixels);
  }
  return raster_to_rgb(raster).permute({2, 0, 1}).contiguous();
}

}  // namespace limn
