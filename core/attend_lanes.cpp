#include "core/attend_lanes.h"

#include <ATen/Parallel.h>

#include <array>
#include <cmath>

#include "core/float_types.h"
#include "core/ops.h"
#include "core/team.h"

namespace limn {

namespace {

// One head of one source: `sources` keys and values of `size` numbers.
struct Head {
  const void *k, *v;
  std::int64_t k_stride, v_stride, sources, size;
};

// A thread's memory.
struct Scratch {
  float* q;              // rows of a tile, already divided by the root of the head's size
  float* scores;         // rows of `room` floats: `sources`, rounded up to whole vectors
  float* out;            // rows of `stride` floats: `size`, rounded up to whole vectors
  float *keys, *values;  // many queries: [size room] and [sources stride]
  std::int64_t room, stride;
};

using Attend = void (*)(const Head&, std::int64_t rows, const Scratch&);
using LayOut = void (*)(const Head&, const Scratch&);

struct Kernels {
  Attend few = nullptr, many = nullptr;  // up to so many rows at once:
  LayOut lay_out = nullptr;
  std::int64_t few_rows = 0, many_rows = 0;
};

constexpr std::int64_t kFewQueries = 16;  // of one source, up to which keys and values are not laid out anew

}  // namespace

#if defined(__x86_64__)

namespace wide {
namespace {
#define LIMN_TARGET LIMN_WIDE
constexpr int kFewRows = 4, kFewColumns = 4;    // of 32 registers: 16 sums, 4 values, 1 weight
constexpr int kManyRows = 6, kManyColumns = 4;  // 24 sums, 4 values, 1 weight
#include "core/exponential.inc"
// behind what it uses
#include "core/attend_lanes.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace wide

namespace narrow {
namespace {
#define LIMN_TARGET LIMN_NARROW
constexpr int kFewRows = 3, kFewColumns = 3;    // of 16 registers: 9 sums, 3 values, 1 weight
constexpr int kManyRows = 4, kManyColumns = 3;  // 12 sums, 3 values, 1 weight
#include "core/exponential.inc"
// behind what it uses
#include "core/attend_lanes.inc"
#undef LIMN_TARGET
}  // namespace
}  // namespace narrow

#endif

namespace {

template <typename N>
Kernels kernels_of([[maybe_unused]] Lanes lanes) {
#if defined(__x86_64__)
  if (lanes == Lanes::wide) return wide::kernels<N>();
  if (lanes == Lanes::narrow) return narrow::kernels<N>();
#endif
  return {};
}

Kernels kernels_for(at::ScalarType type, Lanes lanes) {
  return by_float_type(type, [&]<typename N>(N*) { return kernels_of<N>(lanes); });
}

// The query of row `row`, `size` numbers, as floats times `factor`.
using Gather = void (*)(const void* q, std::int64_t size, float factor, float* out);

template <typename N>
void gather(const void* q, std::int64_t size, float factor, float* out) {
  for (std::int64_t i = 0; i < size; ++i) out[i] = factor * static_cast<float>(static_cast<const N*>(q)[i]);
}

Gather gather_for(at::ScalarType type) {
  return by_float_type(type, []<typename N>(N*) -> Gather { return gather<N>; });
}

// [R A T K], the last dimension contiguous.
struct Queries {
  const void* data;
  at::ScalarType type;
  std::array<std::int64_t, 3> strides;
};

// The whole product, cut into one piece of work per head of a source and range of its queries.
struct Work {
  Queries q;
  const Tensor &k, &v;
  float* result;  // [P group T A K]
  Kernels kernels;
  std::int64_t tokens, heads, size, sources, group;

  std::int64_t queries() const { return group * tokens; }
  bool many() const { return queries() > kFewQueries; }

  const void* query(std::int64_t p, std::int64_t a, std::int64_t row) const {
    const std::int64_t place =
        (p * group + row / tokens) * q.strides[0] + a * q.strides[1] + row % tokens * q.strides[2];
    return static_cast<const char*>(q.data) + place * static_cast<std::int64_t>(at::elementSize(q.type));
  }

  // Rows begin..end of head a of source p.
  void run(std::int64_t p, std::int64_t a, std::int64_t begin, std::int64_t end, const Scratch& t) const {
    const auto at = [&](const Tensor& x) {
      return static_cast<const char*>(x.const_data_ptr()) + (p * x.stride(0) + a * x.stride(1)) * x.element_size();
    };
    const Head head{at(k), at(v), k.stride(2), v.stride(2), sources, size};
    if (many()) kernels.lay_out(head, t);
    const Gather row_of = gather_for(q.type);
    const auto factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(size)));
    const std::int64_t most = many() ? kernels.many_rows : kernels.few_rows;
    for (std::int64_t row = begin; row < end; row += most) {
      const std::int64_t rows = std::min(most, end - row);
      for (std::int64_t i = 0; i < rows; ++i) row_of(query(p, a, row + i), size, factor, t.q + i * size);
      (many() ? kernels.many : kernels.few)(head, rows, t);
      for (std::int64_t i = 0; i < rows; ++i)
        std::copy_n(t.out + i * t.stride, size, result + ((p * queries() + row + i) * heads + a) * size);
    }
  }

  void run_all() const;
};

void Work::run_all() const {
  const std::int64_t P = k.size(0), pairs = P * heads, room = (sources + 15) / 16 * 16, stride = (size + 15) / 16 * 16,
                     most = std::max(kernels.few_rows, kernels.many_rows);
  // Enough pieces for all threads, but few, as each lays out keys and values; a thread is worth waking for a quarter
  // megabyte of keys and values.
  const std::int64_t wanted = many() ? (std::int64_t{4} * at::get_num_threads() + pairs - 1) / pairs : 1,
                     pieces = std::min(wanted, (queries() + most - 1) / most),
                     rows = ((queries() + pieces - 1) / pieces + most - 1) / most * most,
                     bytes = sources * size * static_cast<std::int64_t>(k.element_size()),
                     grain = many() ? 1 : std::max<std::int64_t>(1, (std::int64_t{1} << 17) / bytes);
  share(pairs * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t keys = many() ? size * room : 0, values = many() ? sources * stride : 0;
    std::vector<float> memory(static_cast<std::size_t>(most * (size + room + stride) + keys + values), 0.0f);
    Scratch t{.room = room, .stride = stride};
    t.q = memory.data();
    t.scores = t.q + most * size;
    t.out = t.scores + most * room;
    t.keys = t.out + most * stride;
    t.values = t.keys + keys;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t pair = i / pieces, first = i % pieces * rows;
      run(pair / heads, pair % heads, first, std::min(first + rows, queries()), t);
    }
  });
}

}  // namespace

bool attend_lanes_apply(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto usable = [&](const Tensor& x) {
    return x.is_cpu() && (x.size(-1) < 2 || x.stride(-1) == 1) && !(at::GradMode::is_enabled() && x.requires_grad());
  };
  return usable(q) && usable(k) && usable(v) && k.size(2) > 0 && q.numel() > 0 && is_float_type(q.scalar_type()) &&
         k.scalar_type() == v.scalar_type() && kernels_for(k.scalar_type(), widest_lanes()).few;
}

Tensor attend_lanes(const Tensor& q, const Tensor& k, const Tensor& v, Lanes lanes) {
  const auto [R, A, T, K] = dims<4>(q, "attend_lanes: q [R A T K]");
  const auto [P, A2, S, K2] = dims<4>(k, "attend_lanes: k [P A S K]");
  const Kernels kernels = kernels_for(k.scalar_type(), lanes);
  if (!kernels.few || !is_float_type(q.scalar_type()) || v.scalar_type() != k.scalar_type() || A2 != A || K2 != K ||
      P == 0 || R % P || v.sizes() != k.sizes() || S == 0)
    throw InputError("attend_lanes: no kernel for q " + shape_text(q.sizes()) + " and k " + shape_text(k.sizes()));
  const Tensor result = at::empty({R, T, A, K}, q.options().dtype(at::kFloat));
  const Queries queries{q.const_data_ptr(), q.scalar_type(), {q.stride(0), q.stride(1), q.stride(2)}};
  Work{queries, k, v, result.data_ptr<float>(), kernels, T, A, K, S, R / P}.run_all();
  return result.transpose(1, 2).to(q.scalar_type());
}

void attend_lanes(const float* q, std::int64_t stride, std::int64_t rows, const Tensor& k, const Tensor& v, float* out,
                  Lanes lanes) {
  const Kernels kernels = kernels_for(k.scalar_type(), lanes);
  if (!kernels.few) throw InputError("attend_lanes: no kernel for these keys on this processor");
  const std::int64_t P = k.size(0), A = k.size(1), S = k.size(2), K = k.size(3);
  Work{{q, at::kFloat, {stride, K, 0}}, k, v, out, kernels, 1, A, K, S, rows / P}.run_all();
}

}  // namespace limn
