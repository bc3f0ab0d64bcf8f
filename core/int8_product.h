#pragma once

#include <optional>

#include "core/activation.h"
#include "core/lanes.h"
#include "core/safetensors.h"

namespace limn {

/// What the bytes of a row stand for: x = (byte - zero) * step.
struct ByteRow {
  float step, zero;
};

/// Each row of x from its least number (or 0) to its greatest (or 0), in bytes.
struct ByteRows {
  Tensor values;  // uint8 [R in]
  Tensor rows;    // float [R 2], a ByteRow each
};

/// @param x  float [R in], contiguous. @param most  the largest byte, 255 or less
ByteRows byte_rows(const Tensor& x, std::int64_t most, Lanes lanes = widest_lanes());

/// Sums over bytes become the product, in place: activation((y - zero * sums) * step + bias).
/// @param y     float [R out], contiguous. @param rows  float [R 2], a ByteRow each
/// @param sums  float [out]: each weight row's. @param bias  float [out] or undefined
void finish_rows(const Tensor& y, const Tensor& rows, const Tensor& sums, const Tensor& bias,
                 std::optional<Activation> activation, Lanes lanes = widest_lanes());

/// x Wᵀ + b with both in eight bits, W by its rows around 0, x by its rows as it comes (dynamic quantisation, each with
/// its own zero: what GELU gives has hardly any numbers below 0). Sums are whole
/// numbers, so a row's result depends neither on the other rows nor on the number of threads. The products are
/// oneDNN's.
class Int8Product {
 public:
  static bool available();
  /// What the largest number of a row of x becomes: 127 where the processor has no VNNI, else 255.
  static std::int64_t largest_byte();
  explicit Int8Product(const QuantizedRows& weight);  // [out in]
  /// @param x  float [... in] on the CPU, no gradients. @param bias  float [out] or undefined. @return [... out]
  Tensor operator()(const Tensor& x, const Tensor& bias, std::optional<Activation> activation = {}) const;

 private:
  std::int64_t out_, in_;
  Tensor packed_;               // oneDNN's blocks
  Tensor scale_, zero_, sums_;  // of the weight rows: float, int32 and float [out]
};

}  // namespace limn
