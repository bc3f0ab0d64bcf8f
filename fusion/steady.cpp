#include "fusion/steady.h"

#include <algorithm>

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kFlowSide = 640;  // longer side at which flow is sought
constexpr double kCut = 0.3;             // of the places must be known from the frame before, or a scene begins

Tensor grey_of(const Tensor& frame) {  // uint8 [3 H W] -> uint8 [H W]
  const Tensor x = frame.to(at::kFloat);
  return (0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]).round_().to(at::kByte);
}

Tensor resized(const Tensor& x, std::int64_t H, std::int64_t W) {  // [1 C h w]
  return at::upsample_bilinear2d(x, {H, W}, /*align_corners=*/false);
}

}  // namespace

Tensor warped(const Tensor& x, const Tensor& flow, bool smooth) {
  const std::int64_t H = x.size(2), W = x.size(3);
  const auto places = [](const Tensor& at_start, const Tensor& shift, std::int64_t length) {  // in -1..1
    return (at_start + shift) * (2.0 / static_cast<double>(std::max<std::int64_t>(length - 1, 1))) - 1;
  };
  const Tensor columns = places(at::arange(W, x.options()).view({1, W}), flow[0], W);
  const Tensor rows = places(at::arange(H, x.options()).view({H, 1}), flow[1], H);
  const Tensor grid = at::stack({columns, rows}, -1).unsqueeze(0);  // [1 H W 2]
  constexpr std::int64_t kBilinear = 0, kBicubic = 2, kBorder = 1;
  return at::grid_sampler(x, grid, smooth ? kBicubic : kBilinear, kBorder, /*align_corners=*/true);
}

Tensor sureness(const Tensor& now, const Tensor& before, const Tensor& to_before, const Tensor& from_before) {
  const auto map = [](const Tensor& grey) { return grey.to(at::kFloat).view({1, 1, grey.size(0), grey.size(1)}); };
  const auto squared = [](const Tensor& flow) { return flow.square().sum(0); };  // [H W]
  const Tensor back = warped(from_before.unsqueeze(0), to_before)[0];
  const Tensor closed = squared(to_before + back) < 0.01 * (squared(to_before) + squared(back)) + 0.5;
  // Noise of a few grey levels is no difference: they are compared by means over 5 x 5 pixels.
  const Tensor apart = at::avg_pool2d(map(now) - warped(map(before), to_before), {5, 5}, {1, 1}, {2, 2}, false, false);
  const Tensor alike = (-(apart / 10).square()).exp();
  return at::avg_pool2d(alike * closed, {3, 3}, {1, 1}, {1, 1}, false, false);
}

SteadyPainter::SteadyPainter(const Stylizer& stylizer, FlowFinder flow, SteadyOptions options)
    : stylizer_(stylizer), flow_(std::move(flow)), options_(options) {}

/// The frame before, moved to where it is now, and how surely: [1 4 H W]. Undefined where a scene begins.
Tensor SteadyPainter::carried(const Tensor& grey) {
  if (!grey_.defined() || grey_.sizes() != grey.sizes()) return {};
  const std::int64_t H = grey.size(0), W = grey.size(1);
  const double scale = std::min(1.0, static_cast<double>(kFlowSide) / static_cast<double>(std::max(H, W)));
  Tensor now = grey, before = grey_;
  if (scale < 1) {
    const auto side = [scale](std::int64_t length) {
      return std::max<std::int64_t>(static_cast<std::int64_t>(scale * static_cast<double>(length)), 1);
    };
    const auto smaller = [&](const Tensor& x) {
      return at::adaptive_avg_pool2d(x.to(at::kFloat).unsqueeze(0), {side(H), side(W)})[0].round_().to(at::kByte);
    };
    now = smaller(grey);
    before = smaller(grey_);
  }
  Tensor flow = flow_(now, before);
  Tensor sure = sureness(now, before, flow, flow_(before, now));
  if (sure.mean().item<double>() < kCut) return {};
  if (scale < 1) {
    const Tensor factors = at::tensor({static_cast<double>(W) / static_cast<double>(now.size(1)),
                                       static_cast<double>(H) / static_cast<double>(now.size(0))},
                                      at::kFloat);
    flow = resized(flow.unsqueeze(0), H, W)[0] * factors.view({2, 1, 1});
    sure = resized(sure, H, W);
  }
  return at::cat({warped(painted_, flow, /*smooth=*/true), sure}, 1);
}

Stylized SteadyPainter::operator()(const Tensor& frame, const std::vector<StyleItem>& styles, StylizeOptions options) {
  const at::NoGradGuard no_grad;
  if (!options_.steady) return stylize(stylizer_, frame, styles, options);
  const Tensor grey = grey_of(frame), moved = carried(grey);
  if (!moved.defined()) {
    settled_.clear();
    ++scenes_;
  }
  options.settle = [this](const std::string& name, const Tensor& value) {
    Tensor& kept = settled_[name];
    kept = kept.defined() && kept.sizes() == value.sizes() ? kept + options_.pace * (value - kept) : value.clone();
    return kept;
  };
  Stylized made = stylize(stylizer_, frame, styles, options);
  painted_ = made.picture.to(at::kFloat).unsqueeze(0);
  if (moved.defined()) {
    // A frame in other proportions of styles goes on from the one before no less: shares change slowly.
    Tensor part = options_.follow * moved.narrow(1, 3, 1);
    if (const Tensor free = paintable(styles, options, frame.size(1), frame.size(2)); free.defined())
      part = part * free;
    painted_ = painted_ + part * (moved.narrow(1, 0, 3) - painted_);
    made.picture = painted_[0].clamp(0, 255).round().to(at::kByte);
  }
  grey_ = grey;
  return made;
}

}  // namespace limn
