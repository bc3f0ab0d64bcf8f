#include "vision/paint_layers.h"

#include "core/ops.h"

namespace limn {

ReflectedConv::ReflectedConv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel,
                             std::int64_t stride_, std::int64_t groups_)
    : weight(w.get("weight", {out, in / groups_, kernel, kernel})),
      bias(w.get("bias", {out}, Init::zeros)),
      stride(stride_),
      groups(groups_) {}

Tensor ReflectedConv::operator()(const Tensor& x) const {
  const std::int64_t reach = weight.size(2) / 2;
  const Tensor padded = reach > 0 ? at::reflection_pad2d(x, {reach, reach, reach, reach}) : x;
  return at::conv2d(padded, weight, bias, at::IntArrayRef{stride, stride}, at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1},
                    groups);
}

ChannelMoments channel_moments(const Tensor& x) {
  const auto [variance, mean] = at::var_mean(x, at::IntArrayRef{2, 3}, /*correction=*/at::Scalar(1), /*keepdim=*/true);
  return {mean, (variance + 1e-5).sqrt()};
}

Tensor adapted(const Tensor& x, const Tensor& mean, const Tensor& deviation, double strength) {
  const ChannelMoments own = channel_moments(x);
  const Tensor y = (x - own.mean) / own.deviation * deviation + mean;
  return strength == 1 ? y : y * strength + x * (1 - strength);
}

}  // namespace limn
