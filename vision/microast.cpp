#include "vision/microast.h"

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kWidth = 64;

Tensor twice_as_large(const Tensor& x) {
  return at::upsample_bilinear2d(x, {2 * x.size(2), 2 * x.size(3)}, /*align_corners=*/false);
}

}  // namespace

MicroAst::Residual::Residual(const Weights& w)
    : conv1(w / "conv1", kWidth, kWidth, 3), conv2(w / "conv2", kWidth, kWidth, 3) {}

Tensor MicroAst::Residual::operator()(const Tensor& x) const { return x + conv2(conv1(x).relu_()); }

Tensor MicroAst::Residual::modulated(const Tensor& x, const StyleSignal& style) const {
  const Tensor a = (style.filter_gain * conv1(x) + style.filter_offset * x).relu_();
  return x + style.filter_gain * conv2(a) + style.filter_offset * a;
}

MicroAst::Encoder::Encoder(const Weights& w)
    : wide(w / "wide", 3, 16, 9),
      reduce1(w / "reduce1", 16, 32, 3, 2, 16),
      mix1(w / "mix1", 32, 32, 1),
      reduce2(w / "reduce2", 32, kWidth, 3, 2, 32),
      mix2(w / "mix2", kWidth, kWidth, 1),
      shallow(w / "shallow"),
      deep(w / "deep") {}

MicroAst::Features MicroAst::Encoder::operator()(const Tensor& picture) const {
  const auto [B, C, H, W] = dims<4>(picture, "MicroAst: picture [1 3 H W]");
  if (C != 3 || std::min(H, W) < kSmallest)
    throw InputError("MicroAst: picture [1 3 H W]: got " + shape_text(picture.sizes()) +
                     ", expected 3 channels and sides of at least " + std::to_string(kSmallest));
  Tensor x = wide(picture).relu_();
  x = mix1(reduce1(x).relu_()).relu_();
  x = mix2(reduce2(x).relu_()).relu_();
  const Tensor first = shallow(x);
  return {first, deep(first)};
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

MicroAst::Style MicroAst::style_of(const Features& features) const {
  Style style;
  for (std::size_t depth = 0; depth < 2; ++depth) {
    const Tensor& x = features[depth];
    const ChannelMoments own = channel_moments(x);
    const auto pooled = [&](const ReflectedConv& conv) { return conv(x).mean(at::IntArrayRef{2, 3}, true); };
    style[depth] = {own.mean, own.deviation, pooled(modulator.gain[depth]), pooled(modulator.offset[depth])};
  }
  return style;
}

Tensor MicroAst::paint(const Features& content, const Style& style, double strength) const {
  Tensor x = decoder.deep.modulated(adapted(content[1], style[1].mean, style[1].deviation, strength), style[1]);
  x = decoder.shallow.modulated(adapted(x, style[0].mean, style[0].deviation, strength), style[0]);
  x = decoder.mix1(decoder.widen1(twice_as_large(x)).relu_()).relu_();
  x = decoder.mix2(decoder.widen2(twice_as_large(x)).relu_()).relu_();
  return decoder.last(x);
}

}  // namespace limn
