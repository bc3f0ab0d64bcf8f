#include "vision/microast.h"

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kWidth = 64;

Tensor twice_as_large(const Tensor& x) {
  return at::upsample_bilinear2d(x, {2 * x.size(2), 2 * x.size(3)}, /*align_corners=*/false);
}

/// Rows of features a strip, of w columns each, so that it covers about so many pixels of the picture.
std::int64_t strip_rows(std::int64_t pixels, std::int64_t w) { return std::max<std::int64_t>(pixels / (16 * w), 1); }

}  // namespace

MicroAst::Residual::Residual(const Weights& w)
    : conv1(w / "conv1", kWidth, kWidth, 3), conv2(w / "conv2", kWidth, kWidth, 3) {}

Tensor MicroAst::Residual::operator()(const Tensor& x) const { return x + conv2(conv1(x).relu_()); }

Tensor MicroAst::Residual::modulated(const Tensor& x, const StyleSignal& style) const {
  const Tensor a = at::addcmul(style.filter_offset * x, style.filter_gain, conv1(x)).relu_();
  return at::addcmul(at::addcmul(x, style.filter_offset, a), style.filter_gain, conv2(a));
}

MicroAst::Encoder::Encoder(const Weights& w)
    : wide(w / "wide", 3, 16, 9),
      reduce1(w / "reduce1", 16, 32, 3, 2, 16),
      mix1(w / "mix1", 32, 32, 1),
      reduce2(w / "reduce2", 32, kWidth, 3, 2, 32),
      mix2(w / "mix2", kWidth, kWidth, 1),
      shallow(w / "shallow"),
      deep(w / "deep") {}

Tensor MicroAst::Encoder::front(const Tensor& picture) const {
  // Pixel by pixel most of these convolutions take half the time; training keeps to planes.
  const auto order = at::GradMode::is_enabled() ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
  Tensor x = wide(picture.contiguous(order)).relu_();
  x = mix1(reduce1(x).relu_()).relu_();
  return mix2(reduce2(x).relu_()).relu_();
}

MicroAst::Features MicroAst::Encoder::operator()(const Tensor& picture) const {
  Features features;
  each_depth(
      picture, [&](std::size_t depth, const Tensor& x) { features[depth] = x; }, picture.numel());
  return features;
}

void MicroAst::Encoder::each_depth(const Tensor& picture,
                                   const std::function<void(std::size_t depth, const Tensor& features)>& see,
                                   std::int64_t strip) const {
  const auto [B, C, H, W] = dims<4>(picture, "MicroAst: picture [B 3 H W]");
  if (C != 3 || std::min(H, W) < kSmallest)
    throw InputError("MicroAst: picture [B 3 H W]: got " + shape_text(picture.sizes()) +
                     ", expected 3 channels and sides of at least " + std::to_string(kSmallest));
  if (at::GradMode::is_enabled() || H * W <= strip) {
    const Tensor first = shallow(front(picture));
    see(0, first);
    return see(1, deep(first));
  }
  constexpr std::int64_t kReach = 8;  // rows that front() sees around a strip: 4 + 1 + 2, in multiples of 4
  const std::int64_t h = (H + 3) / 4, w = (W + 3) / 4;
  const Tensor x = at::empty({B, kWidth, h, w}, picture.options(), at::MemoryFormat::ChannelsLast);
  for (const Strip& s : strips_of(H, std::max(strip / W, kReach), kReach, 4)) {
    const Tensor part = front(picture.narrow(2, s.from, s.count));
    const std::int64_t rows = (s.rows + 3) / 4;
    x.narrow(2, s.first / 4, rows).copy_(part.narrow(2, s.skip() / 4, rows));
  }
  const Residual* const blocks[] = {&shallow, &deep};
  for (std::size_t depth = 0; depth < 2; ++depth) {
    rewrite(x, strip_rows(strip, w), 2, [&](const Tensor& part, const Strip&) { return (*blocks[depth])(part); });
    see(depth, x);
  }
}

MicroAst::Modulator::Modulator(const Weights& w)
    : gain{ReflectedConv(w / "gain" / 0, kWidth, kWidth, 3, 1, kWidth),
           ReflectedConv(w / "gain" / 1, kWidth, kWidth, 3, 1, kWidth)},
      offset{ReflectedConv(w / "offset" / 0, kWidth, kWidth, 3, 1, kWidth),
             ReflectedConv(w / "offset" / 1, kWidth, kWidth, 3, 1, kWidth)} {}

MicroAst::Decoder::Decoder(const Weights& w)
    : deep(w / "deep"),
      shallow(w / "shallow"),
      widen1(w / "widen1", kWidth, 32, 3, 1, 32),
      mix1(w / "mix1", 32, 32, 1),
      widen2(w / "widen2", 32, 16, 3, 1, 16),
      mix2(w / "mix2", 16, 16, 1),
      last(w / "last", 16, 3, 9) {}

MicroAst::MicroAst(const Weights& w)
    : content_encoder(w / "content"), style_encoder(w / "style"), modulator(w / "modulator"), decoder(w / "decoder") {}

Tensor MicroAst::Decoder::deepened(const Tensor& x, const ChannelMoments& own, const StyleSignal& style,
                                   double strength) const {
  return deep.modulated(adapted(x, own, style.mean, style.deviation, strength), style);
}

Tensor MicroAst::Decoder::finished(const Tensor& x, const ChannelMoments& own, const StyleSignal& style,
                                   double strength) const {
  Tensor y = shallow.modulated(adapted(x, own, style.mean, style.deviation, strength), style);
  y = mix1(widen1(twice_as_large(y)).relu_()).relu_();
  y = mix2(widen2(twice_as_large(y)).relu_()).relu_();
  return at::GradMode::is_enabled() ? last(y) : last.in_fours(std::move(y));
}

StyleSignal MicroAst::signal(std::size_t depth, const Tensor& features) const {
  const std::int64_t h = features.size(2), w = features.size(3);
  const bool whole = at::GradMode::is_enabled() || 16 * h * w <= kStrip;
  const auto pooled = [&](const ReflectedConv& conv) {
    Tensor sum;  // [B C 1 1]
    for (const Strip& s : strips_of(h, whole ? h : strip_rows(kStrip, w), 1)) {
      const Tensor rows = conv(features.narrow(2, s.from, s.count)).narrow(2, s.skip(), s.rows);
      const Tensor part =
          rows.mean(at::IntArrayRef{2, 3}, true) * (static_cast<double>(s.rows) / static_cast<double>(h));
      sum = sum.defined() ? sum + part : part;
    }
    return sum;
  };
  const ChannelMoments own = channel_moments(features);
  return {own.mean, own.deviation, pooled(modulator.gain[depth]), pooled(modulator.offset[depth])};
}

MicroAst::Style MicroAst::style(const Tensor& picture) const {
  Style style;
  style_encoder.each_depth(picture, [&](std::size_t depth, const Tensor& x) { style[depth] = signal(depth, x); });
  return style;
}

Tensor MicroAst::paint(const Features& content, const Style& style, double strength) const {
  const Tensor x = decoder.deepened(content[1], channel_moments(content[1]), style[1], strength);
  return decoder.finished(x, channel_moments(x), style[0], strength);
}

Tensor MicroAst::paint(Tensor deep, const StripPainting& o) const {
  const at::NoGradGuard no_grad;
  const auto [B, C, h, w] = dims<4>(deep, "MicroAst: deep features [B 64 h w]");
  const std::int64_t rows = strip_rows(o.pixels, w);
  if (deep.use_count() > 1) deep = deep.clone();
  rewrite(deep, rows, 2, [&](const Tensor& part, const Strip& s) {
    return decoder.deepened(part, o.own, o.style(1, s.from, s.count), o.strength);
  });
  ChannelMoments own = channel_moments(deep);
  if (o.settled) own = o.settled(own);
  constexpr std::int64_t kReach = 6;  // two convolutions, and what the rows of the picture see of it: 4
  Tensor picture;
  for (const Strip& s : strips_of(h, rows, kReach)) {
    const Tensor part = decoder.finished(deep.narrow(2, s.from, s.count), own, o.style(0, s.from, s.count), o.strength);
    const Tensor made = part.narrow(2, 4 * s.skip(), 4 * s.rows);
    if (o.rows) {
      o.rows(4 * s.first, made);
      continue;
    }
    if (!picture.defined()) picture = at::empty({B, 3, 4 * h, 4 * w}, made.options());
    picture.narrow(2, 4 * s.first, 4 * s.rows).copy_(made);
  }
  return picture;
}

}  // namespace limn
