#pragma once

#include <vector>

#include "vision/paint_layers.h"

namespace limn {

// The two halves between which AdaIN and its successors change a picture's style. Borders go on as reflections.
// Source: Huang and Belongie 2017, https://arxiv.org/abs/1703.06868, section 6.

/// VGG-19 up to relu4_1, its weights scaled so that the channels' mean activations are one.
struct VggEncoder {
  static constexpr std::int64_t kSmallest = 16;  ///< shortest side in pixels that the borders' reflection allows
  ReflectedConv colours;             // 1 x 1: RGB in 0..1 becomes the scaled, shifted BGR that the others know
  std::vector<ReflectedConv> convs;  // nine
  explicit VggEncoder(const Weights& w);
  /// @param picture  float [B 3 H W] in 0..1, sides of at least kSmallest
  /// @return [B 512 ceil(H / 8) ceil(W / 8)], after ReLU
  Tensor operator()(const Tensor& picture) const;
};

/// Its mirror: a picture of such features.
struct VggDecoder {
  std::vector<ReflectedConv> convs;  // nine
  explicit VggDecoder(const Weights& w);
  /// @param features  float [B 512 h w], h and w of at least 2
  /// @return [B 3 8h 8w], not clamped
  Tensor operator()(const Tensor& features) const;
};

}  // namespace limn
