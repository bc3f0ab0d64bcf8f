#pragma once

#include <optional>

#include "core/activation.h"
#include "core/lanes.h"
#include "core/tensor.h"

namespace limn {

/// The most rows for which linear_few_rows() is meant; beyond, a matrix product with packing wins.
constexpr std::int64_t kFewRows = 32;

/// True where linear_few_rows() has a kernel: on the CPU, x float, weights float, bfloat16, half or int8, all
/// contiguous, at most kFewRows rows (any number with int8: nothing else multiplies those), no gradients asked for, and
/// a processor with AVX2 or AVX-512.
bool few_rows_apply(const Tensor& x, const Tensor& weight);
/// The part of it that concerns the weights.
bool few_rows_apply(const Tensor& weight);
/// True where the bias is of a type that linear_few_rows() reads beside these weights, or undefined.
bool few_rows_read(const Tensor& bias, const Tensor& weight);

/// y = activate(x Wᵀ (· scale) + b) for few rows, as in decoding: the weights are streamed from memory once for all
/// rows, so eight rows cost about what one does, and 16-bit or 8-bit weights a half or a quarter. Sums are in float; a
/// row's result depends neither on the other rows nor on the number of threads. bfloat16 and int8 weights on a
/// processor with AVX-512 BF16 have x rounded to bfloat16.
/// @param x       float [R in]
/// @param weight  [out in], float, bfloat16, half or int8
/// @param bias    [out], float or in the weights' type; or undefined
/// @param scale   float [out], one per weight row, or undefined
/// @return float [R out]
Tensor linear_few_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& scale = {},
                       std::optional<Activation> activation = {}, Lanes lanes = widest_lanes());

/// The same from and into memory that is there, for steps so short that making tensors would take longer; a team's
/// members (core/team.h) share it.
/// @param x  [rows in]. @param y  [rows out]
void linear_few_rows(const float* x, std::int64_t rows, const Tensor& weight, const Tensor& bias, const Tensor& scale,
                     std::optional<Activation> activation, float* y, Lanes lanes = widest_lanes());

}  // namespace limn
