#pragma once

#include "core/weights.h"

namespace limn {

// What networks that paint have in common: MicroAST, the house stylizer, AdaIN, StyTr2.

/// A convolution whose picture goes on beyond its border as a reflection: with stride 1 the size stays.
struct ReflectedConv {
  Tensor weight, bias;  // [out in/groups k k], [out]
  std::int64_t stride, groups;
  ReflectedConv(const Weights& w, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                std::int64_t groups = 1);
  /// @param x  [B C H W], both sides above k / 2. @return [B out ceil(H / stride) ceil(W / stride)]
  Tensor operator()(Tensor x) const;  // by value: what nobody else holds is given back before the product
  /// The same for stride 1, one group and few outputs: four neighbours across are computed as one place of four times
  /// as many channels, which fills the processor's lanes. @param x  its width a multiple of 4
  Tensor in_fours(Tensor x) const;
};

/// Of each channel over all places; the deviation is that of a sample, sqrt(variance + 1e-5).
struct ChannelMoments {
  Tensor mean, deviation;  // [B C 1 1]
};

/// @param x  [B C h w]. Pixel by pixel (channels last) and outside of training sums are taken in double precision.
ChannelMoments channel_moments(const Tensor& x);

/// Adaptive instance normalisation: x [B C h w] with another mean and deviation, [B C 1 1] or [B C h w] (a place's
/// own). Source: Huang and Belongie 2017, https://arxiv.org/abs/1703.06868, equation 8.
/// @param strength  0: x as it is, 1: all of it
Tensor adapted(const Tensor& x, const Tensor& mean, const Tensor& deviation, double strength);
/// @param own  x's moments, where x is only a part of what they are of
Tensor adapted(const Tensor& x, const ChannelMoments& own, const Tensor& mean, const Tensor& deviation,
               double strength);

}  // namespace limn
