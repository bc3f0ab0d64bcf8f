#pragma once

#include "core/tensor.h"

namespace limn {

/// What a packed product does to its result on the way to memory.
enum class PackedActivation { none, gelu, gelu_tanh, relu6 };

/// True where the processor has what linear_panels() needs: AVX2 and FMA.
bool panels_apply();

/// Weight rows as linear_panels() reads them: sixteen beside each other, zeros behind the last.
/// @param weight  float [out in], in ≥ 1. @return float [⌈out / 16⌉ in 16]
Tensor panels_of(const Tensor& weight);
/// The rows again. @param out  how many there are. @return float [out in]
Tensor rows_of(const Tensor& panels, std::int64_t out);

/// activate(x Wᵀ + b) for many rows, on processors with AVX2 (BLIS's and Goto's scheme: "Anatomy of high-performance
/// matrix multiplication", 2008). Nothing is laid out anew for each product but x, and a row's result depends neither
/// on the other rows nor on the number of threads.
/// @param x  float [... in] on the CPU. @param panels  of panels_of(). @param out  how many weight rows there are
/// @param bias  float [out] or undefined. @return float [... out]
Tensor linear_panels(const Tensor& x, const Tensor& panels, std::int64_t out, const Tensor& bias,
                     PackedActivation activation);

}  // namespace limn
