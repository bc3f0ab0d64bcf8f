#pragma once

#include <array>

#include "vision/paint_layers.h"

namespace limn {

/// The colours' statistics and the filters of a style at one depth. Several styles are one by adding them up with
/// weights; a weight may be a map [1 1 h w].
struct StyleSignal {
  Tensor mean, deviation;             // [1 C 1 1] or [1 C h w]: of the features
  Tensor filter_gain, filter_offset;  // likewise: of the decoder's filters
};

/// MicroAST: a picture painted in a style by two small encoders, statistics that are exchanged (AdaIN) and filters that
/// the style modulates. 472 thousand weights.
/// Source: Wang et al. 2023, https://arxiv.org/abs/2211.15313, section 3.
struct MicroAst {
  static constexpr std::int64_t kSmallest = 16;  ///< shortest side in pixels that the borders' reflection allows
  using Features = std::array<Tensor, 2>;        // [1 64 ceil(ceil(H / 2) / 2) ...], shallow and deep
  using Style = std::array<StyleSignal, 2>;

  struct Residual {
    ReflectedConv conv1, conv2;
    explicit Residual(const Weights& w);
    Tensor operator()(const Tensor& x) const;  // [1 64 h w] -> [1 64 h w]
    Tensor modulated(const Tensor& x, const StyleSignal& style) const;
  };
  struct Encoder {
    ReflectedConv wide, reduce1, mix1, reduce2, mix2;
    Residual shallow, deep;
    explicit Encoder(const Weights& w);
    Features operator()(const Tensor& picture) const;
  };
  /// What a style's features say about filters.
  struct Modulator {
    std::array<ReflectedConv, 2> gain, offset;
    explicit Modulator(const Weights& w);
  };
  struct Decoder {
    Residual deep, shallow;
    ReflectedConv widen1, mix1, widen2, mix2, last;
    explicit Decoder(const Weights& w);
  };
  Encoder content_encoder, style_encoder;
  Modulator modulator;
  Decoder decoder;
  explicit MicroAst(const Weights& w);

  /// @param picture  float [1 3 H W] in 0..1, sides of at least kSmallest
  Features content(const Tensor& picture) const { return content_encoder(picture); }
  Style style(const Tensor& picture) const { return style_of(style_encoder(picture)); }
  Style style_of(const Features& features) const;  ///< @param features  as style_encoder gives them
  /// @param strength  0: the content's own statistics, 1: the style's
  /// @return float [1 3 H' W'], H' and W' the content's sides rounded up to multiples of 4; not clamped
  Tensor paint(const Features& content, const Style& style, double strength) const;
};

}  // namespace limn
