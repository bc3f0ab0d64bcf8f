#pragma once

#include <mutex>

#include "core/tensor.h"

namespace limn {

/// True where x Wᵀ in this type is computed by instructions that the processor has: fp32 everywhere, bfloat16 with
/// AVX-512 BF16; where it is false, products in float over 16-bit weights are several times faster.
bool computes_well(at::ScalarType dtype);

/// Weights in the layout of oneDNN's kernels, made at the first use and again after the weights were written to.
/// With AVX-512 these are faster than LibTorch's plain product, on AVX2 slower (docs/performance.md), so elsewhere
/// there is no packed product.
class PackedLinear {
 public:
  /// x Wᵀ + b, followed by GELU where asked. No gradients.
  /// @param x       [... in] on the CPU, in the weight's type
  /// @return undefined where there is no packed product for these tensors
  Tensor operator()(const Tensor& x, const Tensor& weight, const Tensor& bias, bool gelu);

 private:
  std::mutex mutex_;
  Tensor packed_;
  const void* source_ = nullptr;
  std::uint32_t version_ = 0;
};

}  // namespace limn
