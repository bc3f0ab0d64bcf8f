#include "fusion/vectors.h"

#include <bit>

#include "core/few_rows.h"
#include "core/ops.h"

namespace limn {

namespace {

// Signs that are the same for ever: an index that was written with them is read with them.
Tensor signs(std::int64_t count, std::uint64_t seed) {
  const Tensor result = at::empty({count}, at::kFloat);
  float* const out = result.data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    out[i] = seed >> 63 ? -1.0F : 1.0F;
  }
  return result;
}

// Orthonormal Hadamard transform of the rows [N P], P a power of two.
Tensor hadamard(const Tensor& rows) {
  const std::int64_t N = rows.size(0), P = rows.size(1);
  Tensor x = rows;
  for (std::int64_t half = 1; half < P; half *= 2) {
    const Tensor pairs = x.view({N, P / (2 * half), 2, half});
    const Tensor a = pairs.select(2, 0), b = pairs.select(2, 1);
    x = at::stack({a + b, a - b}, 2).view({N, P});
  }
  return x / std::sqrt(static_cast<double>(P));
}

// Where D is no power of two, the transform goes over its first numbers, then over its last ones, in turns.
struct Step {
  std::int64_t begin, size;
  std::uint64_t seed;
};

std::vector<Step> steps(std::int64_t D) {
  const auto P = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(D)));
  if (P == D) return {{0, P, 1}};
  return {{0, P, 1}, {D - P, P, 2}, {0, P, 3}, {D - P, P, 4}};
}

Tensor rotated_back(const Tensor& rows) {
  Tensor x = rows.clone();
  std::vector<Step> all = steps(x.size(1));
  std::reverse(all.begin(), all.end());
  for (const Step& step : all) {
    const Tensor part = x.narrow(1, step.begin, step.size);
    part.copy_(hadamard(part.contiguous()) * signs(step.size, step.seed));  // both are their own inverses
  }
  return x;
}

}  // namespace

Tensor rotated(const Tensor& rows) {
  Tensor x = rows.clone();
  for (const Step& step : steps(x.size(1))) {
    const Tensor part = x.narrow(1, step.begin, step.size);
    part.copy_(hadamard((part * signs(step.size, step.seed)).contiguous()));
  }
  return x;
}

Vectors encode_vectors(const Tensor& rows, VectorType type) {
  const Tensor x = rows.to(at::kCPU, at::kFloat).contiguous();  // [N D]
  if (type == VectorType::fp32) return {x, {}};
  if (type == VectorType::fp16) return {x.to(at::kHalf), {}};
  const Tensor mixed = rotated(x);
  const Tensor scale = mixed.abs().amax(1).clamp_min(1e-20) / 127;  // [N]
  return {at::round(mixed / scale.unsqueeze(1)).to(at::kChar), scale};
}

Tensor decode_vectors(const Vectors& rows) {
  const Tensor x = rows.codes.to(at::kFloat);
  return rows.scale.defined() ? rotated_back(x * rows.scale.unsqueeze(1)) : x;
}

Tensor prepared_queries(const Tensor& queries, VectorType type) {
  const Tensor x = queries.to(at::kCPU, at::kFloat).contiguous();
  return type == VectorType::int8 ? rotated(x) : x;
}

Tensor dot_products(const Tensor& prepared, const Vectors& rows) {
  if (few_rows_apply(prepared, rows.codes)) return linear_few_rows(prepared, rows.codes, {}, rows.scale);
  const Tensor products = at::linear(prepared, rows.codes.to(at::kFloat));
  return rows.scale.defined() ? products * rows.scale : products;
}

Vectors narrowed(const Vectors& rows, std::int64_t begin, std::int64_t count) {
  return {rows.codes.narrow(0, begin, count), rows.scale.defined() ? rows.scale.narrow(0, begin, count) : Tensor()};
}

Vectors gathered(const Vectors& rows, const Tensor& numbers) {
  return {rows.codes.index_select(0, numbers), rows.scale.defined() ? rows.scale.index_select(0, numbers) : Tensor()};
}

}  // namespace limn
