#include "core/block_step.h"

#include <algorithm>

#include "core/attend_lanes.h"
#include "core/few_rows.h"
#include "core/float_types.h"
#include "core/norm_lanes.h"
#include "core/ops.h"
#include "core/team.h"

namespace limn {

namespace {

bool is_plain(const AttentionCall& call) {
  const AttendOptions& o = call.options;
  return !o.mask.defined() && !o.bias.defined() && o.dropout == 0 && !o.weights && !o.log_sum;
}

bool has_step(const KvCache* cache, std::int64_t rows, bool shared) {
  return cache && cache->filled() && (shared ? rows % cache->k.size(0) == 0 : rows == cache->k.size(0)) &&
         cache->k.sizes() == cache->v.sizes() && cache->k.stride(-1) == 1 && cache->v.stride(-1) == 1 &&
         is_float_type(cache->k.scalar_type());
}

bool has_step(const LayerNorm& norm) { return norm_lanes_apply(norm.weight, norm.bias); }

template <typename From, typename To>
void copy_numbers(const From* from, std::int64_t count, To* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

// `x`, [A K] in memory, becomes token `token` of row `row`.
void put(const float* x, std::int64_t row, std::int64_t token, const Tensor& cache) {
  by_float_type(cache.scalar_type(), [&]<typename N>(N*) {
    const std::int64_t A = cache.size(1), K = cache.size(3);
    for (std::int64_t a = 0; a < A; ++a)
      copy_numbers(x + a * K, K,
                   cache.data_ptr<N>() + row * cache.stride(0) + a * cache.stride(1) + token * cache.stride(2));
  });
}

// What a self-attention's cache holds behind its next token.
struct Tokens {
  Tensor k, v;
  std::int64_t last;

  explicit Tokens(KvCache& cache) {
    cache.make_room(1);
    last = cache.length++;
    k = cache.k.narrow(2, 0, cache.length);
    v = cache.v.narrow(2, 0, cache.length);
  }
};

// A pass, walked by a team: its memory, and its parts in turn; all of them add to `stream`. What concerns a single row
// is done by one member, the same for all parts.
struct Step {
  const Block& block;
  std::int64_t rows, dim;
  Tensor memory;  // its beginnings of rows at whole cache lines, as the kernels want them
  float *stream, *normed, *wide, *mixed, *part;  // wide: [rows, 3 dim or mlp]; others [rows dim]

  Step(const Block& b, std::int64_t count) : block(b), rows(count), dim(b.config.dim) {
    const std::int64_t unit = rows * dim, most = rows * std::max(3 * dim, b.config.mlp);
    memory = at::empty({4 * unit + most}, at::kFloat);
    stream = memory.data_ptr<float>();
    normed = stream + unit;
    mixed = normed + unit;
    part = mixed + unit;
    wide = part + unit;
  }

  void each_row(c10::function_ref<void(std::int64_t row)> f) const {
    share(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) f(row);
    });
  }

  // What a part reads: the stream, or where norms come first, the stream behind its norm.
  const float* source() const { return block.config.pre_norm ? normed : stream; }
  void make_source(const LayerNorm& norm, std::int64_t row) const {
    if (block.config.pre_norm) normalise(norm, row, normed);
  }
  void normalise(const LayerNorm& norm, std::int64_t row, float* y) const {
    norm_lanes(stream + row * dim, 1, norm.weight, norm.bias, norm.eps, y + row * dim);
  }

  // What a part gave joins the stream, and the next part's source is made.
  void join(const LayerNorm& norm, const LayerNorm& next) const {
    each_row([&](std::int64_t row) {
      join_row(norm, row);
      make_source(next, row);
    });
  }
  void join_row(const LayerNorm& norm, std::int64_t row) const {
    for (std::int64_t i = row * dim; i < (row + 1) * dim; ++i) stream[i] += part[i];
    if (!block.config.pre_norm) normalise(norm, row, stream);
  }

  void self(const Tokens& tokens) const {
    block.self.in[0].step(source(), rows, {}, wide);  // q, k, v
    each_row([&](std::int64_t row) {
      put(wide + (3 * row + 1) * dim, row, tokens.last, tokens.k);
      put(wide + (3 * row + 2) * dim, row, tokens.last, tokens.v);
    });
    attend_lanes(wide, 3 * dim, rows, tokens.k, tokens.v, mixed);
    block.self.out.step(mixed, rows, {}, part);
  }

  void cross(const KvCache& cache) const {
    block.cross->in[0].step(source(), rows, {}, wide);
    attend_lanes(wide, dim, rows, cache.k, cache.v, mixed);
    block.cross->out.step(mixed, rows, {}, part);
  }

  void mlp() const {
    block.up.step(source(), rows, block.config.activation, wide);
    block.down.step(wide, rows, {}, part);
  }
};

}  // namespace

bool block_step_applies(const Block& b, const Tensor& x, const BlockCall& call) {
  if (at::GradMode::is_enabled() || !x.is_cpu() || x.dim() != 3 || x.size(1) != 1 || x.size(0) > kFewRows) return false;
  if (!is_float_type(x.scalar_type())) return false;
  if (call.dropout > 0 || !is_plain(call.self) || !has_step(call.self.cache, x.size(0), false)) return false;
  if (!b.self.in[0].has_step() || !b.self.out.has_step() || !b.up.has_step() || !b.down.has_step()) return false;
  if (!has_step(b.self_norm) || !has_step(b.mlp_norm)) return false;
  if (!b.cross || (!call.cross.context.defined() && !call.cross.cache)) return true;
  return is_plain(call.cross) && has_step(call.cross.cache, x.size(0), true) && b.cross->in[0].has_step() &&
         b.cross->out.has_step() && has_step(*b.cross_norm);
}

Tensor block_step(const Block& block, const Tensor& x, const BlockCall& call) {
  const Tensor in = x.contiguous(), result = at::empty(x.sizes(), x.options());
  const Step step(block, x.size(0));
  const Tokens tokens(*call.self.cache);
  const bool cross = block.cross && call.cross.cache && call.cross.cache->filled();
  as_team([&] {
    by_float_type(x.scalar_type(), [&]<typename N>(N*) {
      step.each_row([&](std::int64_t row) {
        copy_numbers(in.const_data_ptr<N>() + row * step.dim, step.dim, step.stream + row * step.dim);
        step.make_source(block.self_norm, row);
      });
      step.self(tokens);
      step.join(block.self_norm, cross ? *block.cross_norm : block.mlp_norm);
      if (cross) {
        step.cross(*call.cross.cache);
        step.join(*block.cross_norm, block.mlp_norm);
      }
      step.mlp();
      step.each_row([&](std::int64_t row) {
        step.join_row(block.mlp_norm, row);
        copy_numbers(step.stream + row * step.dim, step.dim, result.data_ptr<N>() + row * step.dim);
      });
    });
  });
  return result;
}

}  // namespace limn
