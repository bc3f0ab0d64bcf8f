#include "vision/paint_layers.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/ops.h"

namespace limn {

namespace {

/// Sums of every channel and of its squares over channels-last pixels, [2 C] in double. Cut into pieces of fixed size,
/// so that the order of additions does not depend on threads.
Tensor channel_sums(const float* x, std::int64_t pixels, std::int64_t C) {
  constexpr std::int64_t kPiece = 2048;
  const std::int64_t pieces = (pixels + kPiece - 1) / kPiece;
  const Tensor parts = at::zeros({pieces, 2, C}, at::kDouble);
  double* to = parts.data_ptr<double>();
  at::parallel_for(0, pieces, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      double *sum = to + piece * 2 * C, *squares = sum + C;
      const std::int64_t last = std::min(pixels, (piece + 1) * kPiece);
      for (std::int64_t pixel = piece * kPiece; pixel < last; ++pixel)
        for (std::int64_t c = 0; c < C; ++c) {
          const double value = x[pixel * C + c];
          sum[c] += value;
          squares[c] += value * value;
        }
    }
  });
  return parts.sum(0);
}

}  // namespace

ReflectedConv::ReflectedConv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel,
                             std::int64_t stride_, std::int64_t groups_)
    : weight(w.get("weight", {out, in / groups_, kernel, kernel})),
      bias(w.get("bias", {out}, Init::zeros)),
      stride(stride_),
      groups(groups_) {}

namespace {

Tensor reflected(const Tensor& x, std::int64_t reach) {
  return reach > 0 ? at::reflection_pad2d(x, {reach, reach, reach, reach}) : x;
}

Tensor plain_conv(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t down, std::int64_t across,
                  std::int64_t groups) {
  return at::conv2d(x, weight, bias, at::IntArrayRef{down, across}, at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1},
                    groups);
}

}  // namespace

Tensor ReflectedConv::operator()(Tensor x) const {
  x = reflected(x, weight.size(2) / 2);
  return plain_conv(x, weight, bias, stride, stride, groups);
}

Tensor ReflectedConv::in_fours(Tensor x) const {
  const std::int64_t O = weight.size(0), I = weight.size(1), k = weight.size(2);
  const std::int64_t B = x.size(0), H = x.size(2), W = x.size(3);
  const Tensor four = at::zeros({4 * O, I, k, k + 3}, weight.options());
  for (std::int64_t shift = 0; shift < 4; ++shift) four.narrow(0, shift * O, O).narrow(3, shift, k).copy_(weight);
  x = reflected(x, k / 2);
  const Tensor y = plain_conv(x, four, bias.repeat({4}), 1, 4, 1);  // [B 4O H W/4]
  return y.permute({0, 2, 3, 1}).reshape({B, H, W, O}).permute({0, 3, 1, 2});
}

ChannelMoments channel_moments(const Tensor& x) {
  const auto [B, C, H, W] = dims<4>(x, "channel_moments: x [B C H W]");
  const bool plain = at::GradMode::is_enabled() || x.scalar_type() != at::kFloat || !x.device().is_cpu() ||
                     !x.is_contiguous(at::MemoryFormat::ChannelsLast);
  if (plain) {
    const auto [variance, mean] = at::var_mean(x, at::IntArrayRef{2, 3}, at::Scalar(1), /*keepdim=*/true);
    return {mean, (variance + 1e-5).sqrt()};
  }
  const std::int64_t pixels = H * W;
  std::vector<Tensor> sums;
  for (std::int64_t b = 0; b < B; ++b)
    sums.push_back(channel_sums(x.const_data_ptr<float>() + b * pixels * C, pixels, C));
  const Tensor both = at::stack(sums);                                  // [B 2 C]
  const Tensor mean = both.select(1, 0) / static_cast<double>(pixels);  // [B C]
  const Tensor squares = both.select(1, 1) - mean * mean * static_cast<double>(pixels);
  const Tensor variance = squares.clamp_min(0) / static_cast<double>(pixels - 1);  // one pixel: not a number, as ATen's
  const auto shaped = [&, B = B, C = C](const Tensor& t) { return t.to(at::kFloat).view({B, C, 1, 1}); };
  return {shaped(mean), shaped((variance + 1e-5).sqrt())};
}

Tensor adapted(const Tensor& x, const ChannelMoments& own, const Tensor& mean, const Tensor& deviation,
               double strength) {
  const Tensor y = at::addcmul(mean, (x - own.mean) / own.deviation, deviation);
  return strength == 1 ? y : y * strength + x * (1 - strength);
}

Tensor adapted(const Tensor& x, const Tensor& mean, const Tensor& deviation, double strength) {
  return adapted(x, channel_moments(x), mean, deviation, strength);
}

}  // namespace limn
