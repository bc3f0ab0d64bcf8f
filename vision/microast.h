#pragma once

#include <array>
#include <functional>

#include "vision/paint_layers.h"
#include "vision/strips.h"

namespace limn {

/// The colours' statistics and the filters of a style at one depth. Several styles are one by adding them up with
/// weights; a weight may be a map [1 1 h w].
struct StyleSignal {
  Tensor mean, deviation;             // [1 C 1 1] or [1 C h w]: of the features
  Tensor filter_gain, filter_offset;  // likewise: of the decoder's filters
};

/// How a canvas is painted in strips.
struct StripPainting {
  double strength = 1;      ///< 0: the content's own statistics, 1: the style's
  std::int64_t pixels = 0;  ///< of the picture that are painted at a time, about
  ChannelMoments own;       ///< of the deep features
  /// The style at `rows` rows of the features from `first` on: maps [1 C rows w], or [1 C 1 1].
  std::function<StyleSignal(std::size_t depth, std::int64_t first, std::int64_t rows)> style;
  /// If given, receives the picture's rows from top to bottom, [1 3 rows W'] each, instead of the result.
  std::function<void(std::int64_t first, const Tensor& rows)> rows;
  /// If given, says what the features' statistics at the second depth are taken to be: a clip's change slowly.
  std::function<ChannelMoments(const ChannelMoments& own)> settled;
};

/// MicroAST: a picture painted in a style by two small encoders, statistics that are exchanged (AdaIN) and filters that
/// the style modulates. 472 thousand weights.
/// Source: Wang et al. 2023, https://arxiv.org/abs/2211.15313, section 3.
struct MicroAst {
  static constexpr std::int64_t kSmallest = 16;  ///< shortest side in pixels that the borders' reflection allows
  /// Pixels that are read at a time outside of training: more than that in strips, whose results are those of the
  /// whole.
  static constexpr std::int64_t kStrip = std::int64_t{1} << 18;
  using Features = std::array<Tensor, 2>;  // [1 64 ceil(ceil(H / 2) / 2) ...], shallow and deep
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
    /// @param picture  float [B 3 H W] in 0..1, sides of at least kSmallest
    Features operator()(const Tensor& picture) const;
    /// Features one depth after the other, shallow first. Of a picture with more than `strip` pixels the deep ones take
    /// the shallow ones' place.
    void each_depth(const Tensor& picture, const std::function<void(std::size_t depth, const Tensor& features)>& see,
                    std::int64_t strip = kStrip) const;
    Tensor front(const Tensor& picture) const;  // [B 3 H W] -> [B 64 h w]: all but the residual blocks
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
    Tensor deepened(const Tensor& x, const ChannelMoments& own, const StyleSignal& style, double strength) const;
    Tensor finished(const Tensor& x, const ChannelMoments& own, const StyleSignal& style, double strength) const;
  };
  Encoder content_encoder, style_encoder;
  Modulator modulator;
  Decoder decoder;
  explicit MicroAst(const Weights& w);

  Features content(const Tensor& picture) const { return content_encoder(picture); }  ///< float [B 3 H W] in 0..1
  Style style(const Tensor& picture) const;
  StyleSignal signal(std::size_t depth, const Tensor& features) const;  ///< @param features  of the style encoder
  /// @param strength  0: the content's own statistics, 1: the style's
  /// @return float [B 3 H' W'], H' and W' the content's sides rounded up to multiples of 4; not clamped
  Tensor paint(const Features& content, const Style& style, double strength) const;
  /// The same without gradients and in bounded room: strip by strip, with the statistics of the whole, so that no seam
  /// is to be seen.
  /// @param deep  the deep features, which are used up: overwritten where nobody else holds them
  /// @return undefined where rows are handed over
  Tensor paint(Tensor deep, const StripPainting& options) const;
};

}  // namespace limn
