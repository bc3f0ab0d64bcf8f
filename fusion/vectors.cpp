#include "fusion/vectors.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/few_rows.h"
#include "core/ops.h"

namespace limn {

namespace {

// Signs that are the same for ever: an index that was written with them is read with them.
std::vector<float> signs(std::int64_t count, std::uint64_t seed) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    result.push_back(seed >> 63 ? -1.0F : 1.0F);
  }
  return result;
}

// Orthonormal Hadamard transform of P numbers in place, P a power of two: its own inverse.
void hadamard(float* x, std::int64_t P) {
  for (std::int64_t half = 1; half < P; half *= 2)
    for (float* pair = x; pair < x + P; pair += 2 * half)
      for (std::int64_t i = 0; i < half; ++i) {
        const float a = pair[i], b = pair[half + i];
        pair[i] = a + b;
        pair[half + i] = a - b;
      }
  const auto length = static_cast<float>(std::sqrt(static_cast<double>(P)));
  for (std::int64_t i = 0; i < P; ++i) x[i] /= length;
}

// The rotation of rows of D numbers. Where D is no power of two, the transform goes over its first numbers, then over
// its last ones, in turns.
class Rotation {
 public:
  explicit Rotation(std::int64_t D) {
    const auto P = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(D)));
    const int turns = P == D ? 1 : 4;
    for (int turn = 0; turn < turns; ++turn)
      steps_.push_back({turn % 2 ? D - P : 0, signs(P, static_cast<std::uint64_t>(turn) + 1)});
  }
  void turn(float* row) const {
    for (const Step& step : steps_) {
      flip(step, row);
      hadamard(row + step.begin, step.size());
    }
  }
  void turn_back(float* row) const {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      hadamard(row + step->begin, step->size());
      flip(*step, row);
    }
  }

 private:
  struct Step {
    std::int64_t begin;
    std::vector<float> signs;
    std::int64_t size() const { return static_cast<std::int64_t>(signs.size()); }
  };
  static void flip(const Step& step, float* row) {
    for (std::size_t i = 0; i < step.signs.size(); ++i) row[step.begin + static_cast<std::int64_t>(i)] *= step.signs[i];
  }
  std::vector<Step> steps_;
};

constexpr std::int64_t kRowsAtOnce = 64;  // worth a thread

// Calls f with each row of `rows` [N D], by all threads.
template <typename F>
void for_rows(const Tensor& rows, const F& f) {
  float* const first = rows.data_ptr<float>();
  at::parallel_for(0, rows.size(0), kRowsAtOnce, [&, D = rows.size(1)](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) f(first + row * D);
  });
}

// The codes of a row of D numbers; its scale is returned.
float to_codes(const float* row, std::int64_t D, std::int8_t* codes) {
  constexpr float kWhole = 3 << 22;  // added and taken away, it rounds to the nearest whole number, ties to even
  float most = 1e-20f;
  for (std::int64_t i = 0; i < D; ++i) most = std::max(most, std::abs(row[i]));
  const float scale = most / 127;
  for (std::int64_t i = 0; i < D; ++i) codes[i] = static_cast<std::int8_t>((row[i] / scale + kWhole) - kWhole);
  return scale;
}

}  // namespace

Tensor rotated(const Tensor& rows) {
  const Tensor x = rows.clone(at::MemoryFormat::Contiguous);
  const Rotation rotation(x.size(1));
  for_rows(x, [&](float* row) { rotation.turn(row); });
  return x;
}

Vectors encode_vectors(const Tensor& rows, VectorType type) {
  const Tensor x = rows.to(at::kCPU, at::kFloat).contiguous();  // [N D]
  if (type == VectorType::fp32) return {x, {}};
  if (type == VectorType::fp16) return {x.to(at::kHalf), {}};
  const std::int64_t N = x.size(0), D = x.size(1);
  const Vectors result{at::empty({N, D}, at::kChar), at::empty({N}, at::kFloat)};
  const Rotation rotation(D);
  const float* const given = x.const_data_ptr<float>();
  auto* const codes = result.codes.data_ptr<std::int8_t>();
  float* const scales = result.scale.data_ptr<float>();
  at::parallel_for(0, N, kRowsAtOnce, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> mixed(static_cast<std::size_t>(D));
    for (std::int64_t row = begin; row < end; ++row) {
      std::copy_n(given + row * D, D, mixed.data());
      rotation.turn(mixed.data());
      scales[row] = to_codes(mixed.data(), D, codes + row * D);
    }
  });
  return result;
}

Tensor decode_vectors(const Vectors& rows) {
  const Tensor x = rows.codes.to(at::kFloat);
  if (!rows.scale.defined()) return x;
  const Tensor result = x * rows.scale.unsqueeze(1);
  const Rotation rotation(result.size(1));
  for_rows(result, [&](float* row) { rotation.turn_back(row); });
  return result;
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
