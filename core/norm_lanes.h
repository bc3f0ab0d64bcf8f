#pragma once

#include "core/lanes.h"
#include "core/tensor.h"

namespace limn {

/// True where norm_lanes() has a kernel: gain and offset on the CPU, contiguous, of one type (float, bfloat16, half),
/// and a processor with AVX2 or AVX-512.
bool norm_lanes_apply(const Tensor& gain, const Tensor& offset);

/// Layer normalisation (Ba et al. 2016) of each row, in float; a row's result does not depend on the others.
/// @param x             [rows D]
/// @param gain, offset  [D]
/// @param y             [rows D], may be x
void norm_lanes(const float* x, std::int64_t rows, const Tensor& gain, const Tensor& offset, double eps, float* y,
                Lanes lanes = widest_lanes());

}  // namespace limn
