#pragma once

#include <mutex>

#include "core/panels.h"

namespace limn {

/// True where x Wᵀ in this type is computed by instructions that the processor has: fp32 everywhere, bfloat16 with
/// AVX-512 BF16; where it is false, products in float over 16-bit weights are several times faster.
bool computes_well(at::ScalarType dtype);

/// A matrix of weights in the layout that its products ask for: rows as they were loaded, for few rows of x and for
/// gradients; packed, for many rows; int8 rows with a scale each, where that was asked for, as float x multiplies them.
/// Packed are oneDNN's blocks with AVX-512; on AVX2 those are slower than LibTorch's plain product on some processors
/// (docs/performance.md), so there float weights become panels (core/panels.h). The rows are let go once the packed
/// weights are there, unless somebody else holds them, and come back where they are needed after all; then both stay.
class PackedLinear {
 public:
  /// @param weight  [out in]; of more dimensions, as of a convolution, those behind the first count as one
  explicit PackedLinear(Tensor weight);

  /// x Wᵀ + b and the activation. No gradients.
  /// @param x  [... in] on the CPU, in the weight's type
  /// @return undefined where there is no packed product for these tensors
  Tensor operator()(const Tensor& x, const Tensor& bias, PackedActivation activation);

  /// The weights as they were loaded, [out in]; int8 after quantize().
  Tensor rows();
  /// float [out], one factor for each row of int8; undefined otherwise.
  Tensor scale();
  /// Turns the weights into int8 rows, errors up to 1/254 of a row's largest; from then on there is no packed product.
  void quantize();

  at::ScalarType dtype() const { return dtype_; }  ///< before quantize()
  bool trainable() const { return trainable_; }

 private:
  Tensor flat_rows() const { return rows_.dim() > 2 ? rows_.flatten(1) : rows_; }
  void pack();
  std::mutex mutex_;
  Tensor rows_, packed_, scale_;
  std::int64_t out_;
  at::ScalarType dtype_;
  bool trainable_;
  std::uint32_t version_ = 0;  // of the rows that are packed
};

}  // namespace limn
