#pragma once

#include "core/tensor.h"

namespace limn {

/// A picture in another's colours: mean, spread and correlation of its channels become the other's (CORAL), as AdaIN's
/// authors keep a content's colours. Source: Sun et al. 2016; pytorch-AdaIN, function.py.
/// @param picture, like  uint8 [3 H W] of any sizes. @return uint8 [3 H W]
Tensor recoloured(const Tensor& picture, const Tensor& like);

/// The same by histograms: each channel's values are exchanged for those of the same rank in the other picture.
Tensor histogram_matched(const Tensor& picture, const Tensor& like);

}  // namespace limn
