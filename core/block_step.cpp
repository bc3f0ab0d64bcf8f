#include "core/block_step.h"

#include <algorithm>

#include "core/attend_lanes.h"
#include "core/few_rows.h"
#include "core/float_types.h"
#include "core/norm_lanes.h"
#include "core/ops.h"

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

// Row r of `x`, [rows A K] at x + r * stride, becomes token `token` of the cache's row r.
void append(const float* x, std::int64_t stride, std::int64_t token, const Tensor& cache) {
  by_float_type(cache.scalar_type(), [&]<typename N>(N*) {
    const std::int64_t A = cache.size(1), K = cache.size(3);
    for (std::int64_t r = 0; r < cache.size(0); ++r)
      for (std::int64_t a = 0; a < A; ++a)
        copy_numbers(x + r * stride + a * K, K,
                     cache.data_ptr<N>() + r * cache.stride(0) + a * cache.stride(1) + token * cache.stride(2));
  });
}

// A pass's memory, and its parts in turn; all of them add to `stream`.
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

  // What a part reads.
  const float* begin(const LayerNorm& norm) const {
    if (!block.config.pre_norm) return stream;
    norm_lanes(stream, rows, norm.weight, norm.bias, norm.eps, normed);
    return normed;
  }

  // What a part gave joins the stream.
  void end(const LayerNorm& norm) const {
    for (std::int64_t i = 0; i < rows * dim; ++i) stream[i] += part[i];
    if (!block.config.pre_norm) norm_lanes(stream, rows, norm.weight, norm.bias, norm.eps, stream);
  }

  void self(KvCache& cache) const {
    block.self.in[0].step(begin(block.self_norm), rows, {}, wide);  // q, k, v
    cache.make_room(1);
    append(wide + dim, 3 * dim, cache.length, cache.k);
    append(wide + 2 * dim, 3 * dim, cache.length, cache.v);
    ++cache.length;
    attend_lanes(wide, 3 * dim, rows, cache.k.narrow(2, 0, cache.length), cache.v.narrow(2, 0, cache.length), mixed);
    block.self.out.step(mixed, rows, {}, part);
    end(block.self_norm);
  }

  void cross(const KvCache& cache) const {
    block.cross->in[0].step(begin(*block.cross_norm), rows, {}, wide);
    attend_lanes(wide, dim, rows, cache.k, cache.v, mixed);
    block.cross->out.step(mixed, rows, {}, part);
    end(*block.cross_norm);
  }

  void mlp() const {
    block.up.step(begin(block.mlp_norm), rows, block.config.activation, wide);
    block.down.step(wide, rows, {}, part);
    end(block.mlp_norm);
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
  by_float_type(x.scalar_type(), [&]<typename N>(N*) { copy_numbers(in.const_data_ptr<N>(), x.numel(), step.stream); });
  step.self(*call.self.cache);
  if (block.cross && call.cross.cache && call.cross.cache->filled()) step.cross(*call.cross.cache);
  step.mlp();
  by_float_type(x.scalar_type(), [&]<typename N>(N*) { copy_numbers(step.stream, x.numel(), result.data_ptr<N>()); });
  return result;
}

}  // namespace limn
