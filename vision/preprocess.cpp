#include "vision/preprocess.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"

namespace limn {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 27;  // of a result: 400 MB

// Half to even, as Python's round.
std::int64_t round_even(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

std::int64_t at_least_1(double value) { return std::max<std::int64_t>(static_cast<std::int64_t>(value), 1); }

// Sides named by length, given back in the order of the picture.
std::array<std::int64_t, 2> in_order(std::int64_t height, std::int64_t width, std::int64_t shorter,
                                     std::int64_t longer) {
  return width <= height ? std::array{longer, shorter} : std::array{shorter, longer};
}

// Source: get_size_with_aspect_ratio in transformers' image_transforms.py, with its rounding.
std::array<std::int64_t, 2> bounded_size(std::int64_t height, std::int64_t width, const SizeRule& rule) {
  const auto low = static_cast<double>(std::min(height, width)), high = static_cast<double>(std::max(height, width));
  double side = static_cast<double>(rule.shortest);
  std::int64_t shorter = rule.shortest;
  if (high / low * side > static_cast<double>(rule.longest)) {
    side = static_cast<double>(rule.longest) * low / high;
    shorter = std::max<std::int64_t>(round_even(side), 1);
  }
  if (std::min(height, width) == shorter) return {height, width};
  return in_order(height, width, shorter, at_least_1(side * high / low));
}

// Source: ResizeKeepRatio in open_clip's transform.py.
std::array<std::int64_t, 2> proportional_size(std::int64_t height, std::int64_t width, const SizeRule& rule) {
  const double down = static_cast<double>(height) / static_cast<double>(rule.height);
  const double across = static_cast<double>(width) / static_cast<double>(rule.width);
  const double ratio = rule.kind == SizeRule::Kind::inside ? std::max(down, across) : std::min(down, across);
  return {std::max<std::int64_t>(round_even(static_cast<double>(height) / ratio), 1),
          std::max<std::int64_t>(round_even(static_cast<double>(width) / ratio), 1)};
}

// One side of a centre crop: what is kept of the resized picture, and what is added before it.
struct Cut {
  std::int64_t begin, size, pad;
};

Cut centre_cut(std::int64_t size, std::int64_t wanted, CropRule rule) {
  const std::int64_t difference = size - wanted, missing = -difference;
  if (difference < 0) return {0, size, rule == CropRule::floor ? (missing + 1) / 2 : missing / 2};
  const std::int64_t begin = rule == CropRule::floor ? difference / 2 : round_even(static_cast<double>(difference) / 2);
  return {begin, wanted, 0};
}

void check_pixels(std::int64_t height, std::int64_t width) {
  if (height > kMostPixels / width)
    throw InputError("preprocess: size: the picture would become " + std::to_string(width) + " x " +
                     std::to_string(height) + ", at most 2^27 pixels are made; crop it first");
}

Tensor planes(const Tensor& pixels) {  // [H W 3] -> [3 H W]
  return pixels.permute({2, 0, 1}).contiguous();
}

}  // namespace

std::array<std::int64_t, 2> Preprocess::resized_size(std::int64_t height, std::int64_t width) const {
  const std::int64_t low = std::min(height, width), high = std::max(height, width);
  const auto scaled = [](std::int64_t side, std::int64_t a, std::int64_t b) {  // trunc(side * a / b)
    return at_least_1(static_cast<double>(side) * static_cast<double>(a) / static_cast<double>(b));
  };
  switch (size.kind) {
    case SizeRule::Kind::keep:
      return {height, width};
    case SizeRule::Kind::exact:
      return {size.height, size.width};
    case SizeRule::Kind::shortest:
      return in_order(height, width, size.shortest, scaled(size.shortest, high, low));
    case SizeRule::Kind::longest:
      return in_order(height, width, scaled(size.longest, low, high), size.longest);
    case SizeRule::Kind::bounded:
      return bounded_size(height, width, size);
    case SizeRule::Kind::inside:
    case SizeRule::Kind::around:
      break;
  }
  return proportional_size(height, width, size);
}

std::optional<std::array<std::int64_t, 2>> Preprocess::output_size() const {
  if (crop) return {{crop_height, crop_width}};
  if (size.kind == SizeRule::Kind::exact) return {{size.height, size.width}};
  return std::nullopt;
}

Tensor Preprocess::resized(const Image& image) const {
  const auto [height, width] = resized_size(image.height, image.width);
  check_pixels(height, width);
  return planes(resize(image.pixels, height, width, {.filter = filter, .order = order, .threads = threads}));
}

Tensor Preprocess::operator()(const Image& image) const {
  if (!crop) return resized(image);
  check_pixels(crop_height, crop_width);
  const auto [height, width] = resized_size(image.height, image.width);
  const Cut rows = centre_cut(height, crop_height, crop_rule), columns = centre_cut(width, crop_width, crop_rule);
  const Tensor part = resize_window(image.pixels, height, width, {rows.begin, columns.begin, rows.size, columns.size},
                                    {.filter = filter, .order = order, .threads = threads});
  if (rows.size == crop_height && columns.size == crop_width) return planes(part);
  Tensor result = at::full({part.size(2), crop_height, crop_width}, pad_value, at::kByte);
  result.narrow(1, rows.pad, rows.size).narrow(2, columns.pad, columns.size).copy_(part.permute({2, 0, 1}));
  return result;
}

Tensor Preprocess::normalise(const Tensor& batch) const {
  const auto [B, C, H, W] = dims<4>(batch, "preprocess: batch [B 3 H W]");
  if (C != 3 || batch.scalar_type() != at::kByte)
    throw InputError("preprocess: batch [B 3 H W]: got " + std::string(c10::toString(batch.scalar_type())) + " " +
                     shape_text(batch.sizes()) + ", expected uint8 with 3 channels");
  // A channel has 256 answers: they are worked out once, in the reference's order of rounding, and looked up.
  Tensor table = at::empty({3, 256}, at::kFloat);
  float* entry = table.data_ptr<float>();
  for (int c = 0; c < 3; ++c)
    for (int value = 0; value < 256; ++value) {
      float x = static_cast<float>(value);
      if (rescale) x = arithmetic == PixelArithmetic::numpy ? static_cast<float>(value * factor) : x / 255.0f;
      if (normalise_colours) x = (x - static_cast<float>(mean[c])) / static_cast<float>(deviation[c]);
      *entry++ = x;
    }
  if (batch.is_cpu()) {
    const Tensor source = batch.contiguous();
    Tensor result = at::empty({B, C, H, W}, at::kFloat);
    const auto* in = source.const_data_ptr<std::uint8_t>();
    float* out = result.data_ptr<float>();
    for (std::int64_t plane = 0; plane < B * 3; ++plane, in += H * W, out += H * W) {
      const float* answers = table.const_data_ptr<float>() + plane % 3 * 256;
      for (std::int64_t i = 0; i < H * W; ++i) out[i] = answers[in[i]];
    }
    return result;
  }
  const Tensor offsets = at::tensor({0, 256, 512}, at::kInt).view({1, 3, 1, 1}).to(batch.device());
  const Tensor indices = batch.to(at::kInt).add_(offsets);  // [B 3 H W] into the flattened table
  return table.view({-1}).to(batch.device()).index_select(0, indices.view({-1})).view({B, C, H, W});
}

}  // namespace limn
