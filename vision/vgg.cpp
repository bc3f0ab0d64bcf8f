#include "vision/vgg.h"

#include <algorithm>

#include "core/ops.h"
#include "vision/strips.h"

namespace limn {

namespace {

/// A convolution's width, and whether its input is first halved (encoder) or doubled (decoder) in size.
struct Layer {
  std::int64_t width;
  bool rescale;
};

constexpr Layer kEncoder[] = {{64, false},  {64, false},  {128, true},  {128, false}, {256, true},
                              {256, false}, {256, false}, {256, false}, {512, true}};
constexpr Layer kDecoder[] = {{256, false}, {256, true}, {256, false}, {256, false}, {128, false},
                              {128, true},  {64, false}, {64, true},   {3, false}};

template <std::size_t N>
std::vector<ReflectedConv> layers(const Weights& w, std::int64_t in, const Layer (&widths)[N]) {
  std::vector<ReflectedConv> convs;
  for (std::size_t i = 0; i < N; in = widths[i++].width)
    convs.emplace_back(w / static_cast<std::int64_t>(i), in, widths[i].width, 3);
  return convs;
}

constexpr std::int64_t kStrip = std::int64_t{1} << 17;  // pixels of a map that are computed at a time

/// conv(x) by strips of rows, each with the rows next to it: of a large map there is no second copy with borders, nor
/// those that the product makes. Outside of training.
Tensor in_strips(const ReflectedConv& conv, const Tensor& x) {
  const std::int64_t H = x.size(2), W = x.size(3), rows = std::max<std::int64_t>(kStrip / W, 1);
  if (at::GradMode::is_enabled() || !x.is_cpu() || H <= rows) return conv(x);
  Tensor y = at::empty({x.size(0), conv.weight.size(0), H, W}, x.options());
  for (const Strip& s : strips_of(H, rows, conv.weight.size(2) / 2))
    y.narrow(2, s.first, s.rows).copy_(conv(x.narrow(2, s.from, s.count)).narrow(2, s.skip(), s.rows));
  return y;
}

}  // namespace

VggEncoder::VggEncoder(const Weights& w) : colours(w / "colours", 3, 3, 1), convs(layers(w, 3, kEncoder)) {}

Tensor VggEncoder::operator()(const Tensor& picture) const {
  const auto [B, C, H, W] = dims<4>(picture, "VggEncoder: picture [B 3 H W]");
  if (C != 3 || std::min(H, W) < kSmallest)
    throw InputError("VggEncoder: picture [B 3 H W]: got " + shape_text(picture.sizes()) +
                     ", expected 3 channels and sides of at least " + std::to_string(kSmallest));
  Tensor x = colours(picture);
  for (std::size_t i = 0; i < convs.size(); ++i) {
    if (kEncoder[i].rescale) x = at::max_pool2d(x, {2, 2}, {2, 2}, {0, 0}, {1, 1}, /*ceil_mode=*/true);
    x = in_strips(convs[i], x).relu_();
  }
  return x;
}

VggDecoder::VggDecoder(const Weights& w) : convs(layers(w, 512, kDecoder)) {}

Tensor VggDecoder::operator()(const Tensor& features) const {
  Tensor x = features;
  for (std::size_t i = 0; i < convs.size(); ++i) {
    if (kDecoder[i].rescale) x = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
    x = in_strips(convs[i], x);
    if (i + 1 < convs.size()) x.relu_();
  }
  return x;
}

}  // namespace limn
