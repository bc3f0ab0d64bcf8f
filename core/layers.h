#pragma once

#include "core/activation.h"
#include "core/packed_linear.h"
#include "core/weights.h"

namespace limn {

/// x Wᵀ + b by the fastest way for the number of rows and the weight's type; differentiable like at::linear.
/// @param x      [... in], in the weight's type, or float where that is int8
/// @param scale  of int8 weights, float [out]
/// @return [... out]
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale = {});

class Int8Product;

/// What of a product is held in eight bits.
enum class Int8 {
  weights,  ///< W alone: a quarter of the bytes to read where that is the work, as in decoding token by token
  both      ///< x too, by its rows as it comes: several times the speed where there are many rows, as in encoders
};

/// y = x Wᵀ + b.
struct Linear {
  std::int64_t width;  // out
  Tensor bias;         // [out] or undefined
  Linear(const Weights& w, std::int64_t in, std::int64_t out, bool with_bias = true);
  /// @param shape  of the weights, [out ...]; the dimensions behind the first count as one, as of a convolution whose
  ///               windows do not overlap
  Linear(const Weights& w, at::IntArrayRef shape, bool with_bias);
  Tensor operator()(const Tensor& x) const;  // [... in] -> [... out]
  /// activate((*this)(x)), in one pass where that is possible.
  Tensor activated(const Tensor& x, Activation activation) const;
  /// True where step() has a kernel and no gradients are asked for.
  bool has_step() const;
  /// activate(x Wᵀ + b) for few rows, in float, from and into memory that is there.
  /// @param x  [rows in]. @param y  [rows width]
  void step(const float* x, std::int64_t rows, std::optional<Activation> activation, float* y) const;
  /// Holds the weights as int8 rows from now on; before copies are made. Where the processor has no product of bytes,
  /// x stays as it is.
  void quantize(Int8 what);

 private:
  Tensor packed_product(const Tensor& x, PackedActivation activation) const;
  std::shared_ptr<PackedLinear> weight_;         // [out in]; copies share it; null where there is
  std::shared_ptr<const Int8Product> in_bytes_;  // this
};

/// Normalisation over the last dimension, with gain and offset.
struct LayerNorm {
  Tensor weight, bias;  // [D]
  double eps;
  LayerNorm(const Weights& w, std::int64_t dim, double eps);
  Tensor operator()(const Tensor& x) const;  // [... D] -> [... D]
};

/// Rows of a table.
struct Embedding {
  Tensor weight;  // [count D]
  Tensor scale;   // of int8 rows, float [count]; else undefined
  Embedding(const Weights& w, std::int64_t count, std::int64_t dim);
  Tensor operator()(const Tensor& ids) const;  // [...] int64 -> [... D]
  /// Holds the table as int8 rows from now on; other handles of the same table stay as they are.
  void quantize();
};

}  // namespace limn
