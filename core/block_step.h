#pragma once

#include "core/transformer.h"

namespace limn {

/// True where block_step() does what the block would: decoding on the CPU, one new token in each of a few rows, behind
/// caches that are filled, no masks, no gradients, and own kernels for all weights.
bool block_step_applies(const Block& block, const Tensor& x, const BlockCall& call);

/// A block's pass over one token a row. Such a pass takes microseconds, of which tensors and operators between the
/// products took a third and more; here they pass plain memory to each other. In float whatever the type of the
/// weights.
/// @param x  [R 1 D]
/// @return [R 1 D], in x's type
Tensor block_step(const Block& block, const Tensor& x, const BlockCall& call);

}  // namespace limn
