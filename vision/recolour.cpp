#include "vision/recolour.h"

#include "core/ops.h"

namespace limn {

namespace {

struct Colours {
  Tensor mean, deviation;  // [3 1]
  Tensor values;           // [3 N], centred and scaled
  Tensor scatter;          // [3 3]: their products' sums, plus the unit matrix
};

Colours colours_of(const Tensor& picture) {
  const Tensor x = picture.flatten(1).to(at::kDouble);
  const auto [variance, mean] = at::var_mean(x, at::IntArrayRef{1}, /*correction=*/at::Scalar(0), /*keepdim=*/true);
  const Tensor deviation = variance.sqrt().clamp_min(1e-3);
  const Tensor values = (x - mean) / deviation;
  return {mean, deviation, values, at::matmul(values, values.t()) + at::eye(3, x.options())};
}

Tensor power(const Tensor& symmetric, double exponent) {
  const auto [values, vectors] = at::linalg_eigh(symmetric);
  return at::matmul(vectors * values.clamp_min(1e-12).pow(exponent), vectors.t());
}

Tensor as_picture(const Tensor& values, const Tensor& shape_of) {
  return values.clamp(0, 255).round().to(at::kByte).view(shape_of.sizes());
}

}  // namespace

Tensor recoloured(const Tensor& picture, const Tensor& like) {
  const Colours own = colours_of(picture), wanted = colours_of(like);
  // Pictures of unequal numbers of pixels: the scatter is per pixel but for the unit matrix.
  const double pixels = static_cast<double>(wanted.values.size(1)) / static_cast<double>(own.values.size(1));
  const Tensor turned =
      at::matmul(power(wanted.scatter / pixels, 0.5), at::matmul(power(own.scatter, -0.5), own.values));
  return as_picture(turned * wanted.deviation + wanted.mean, picture);
}

Tensor histogram_matched(const Tensor& picture, const Tensor& like) {
  const auto ranks = [](const Tensor& channel) {  // [256]: which part of the pixels is at most so bright
    return at::bincount(channel.flatten().to(at::kLong), {}, 256).cumsum(0).to(at::kDouble) /
           static_cast<double>(channel.numel());
  };
  std::vector<Tensor> channels;
  for (std::int64_t c = 0; c < 3; ++c) {
    const Tensor table = at::searchsorted(ranks(like[c]), (ranks(picture[c]) - 1e-9).contiguous()).clamp_max(255);
    channels.push_back(table.index_select(0, picture[c].flatten().to(at::kLong)));
  }
  return as_picture(at::stack(channels), picture);
}

}  // namespace limn
