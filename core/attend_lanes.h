#pragma once

#include "core/lanes.h"
#include "core/tensor.h"

namespace limn {

/// True where attend_lanes() has a kernel: on the CPU, queries float, bfloat16 or half, keys and values of one of
/// these, heads contiguous, no gradients asked for, and a processor with AVX2 or AVX-512.
bool attend_lanes_apply(const Tensor& q, const Tensor& k, const Tensor& v);

/// softmax(Q Kᵀ / √K) V without mask, by our own kernels. Few queries of a source, as in decoding: keys and values are
/// streamed from memory once for all of them. Many, as in encoders: products in registers' tiles over keys and values
/// laid out anew in the cache. Sums are in float; a source's results depend neither on the other sources nor on the
/// number of threads.
/// @param q     [R A T K]; row r attends to source r / (R / P)
/// @param k, v  [P A S K], S > 0, of any strides but the last
/// @return [R A T K], in memory [R T A K]
Tensor attend_lanes(const Tensor& q, const Tensor& k, const Tensor& v, Lanes lanes = widest_lanes());

/// The same for one query a row, from and into memory that is there, for steps so short that making tensors would take
/// longer; a team's members (core/team.h) share it.
/// @param q     row r's [A K] begin at q + r * stride
/// @param rows  R
/// @param out   [R A K]
void attend_lanes(const float* q, std::int64_t stride, std::int64_t rows, const Tensor& k, const Tensor& v, float* out,
                  Lanes lanes = widest_lanes());

}  // namespace limn
