#pragma once

#include "core/lanes.h"
#include "core/tensor.h"

namespace limn {

/// Where a convolution's windows lie along one axis.
struct WindowRule {
  std::int64_t out = 0;     ///< windows
  std::int64_t before = 0;  ///< rows or columns of padding ahead of the picture
};

struct DepthwiseOptions {
  std::int64_t kernel = 0, stride = 1;
  WindowRule rows, columns;
  float low = 0, high = 0;  ///< results are cut to low..high
  Lanes lanes = widest_lanes();
};

/// Depthwise convolution with zeros around the picture, channels innermost: each channel by its own kernel.
/// @param x       float [B H W C] on the CPU
/// @param weight  float [kernel kernel C]
/// @param bias    float [C]
/// @return float [B rows.out columns.out C]
Tensor depthwise_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const DepthwiseOptions& options);

}  // namespace limn
